"""Times PyTorch's LSTM for `gpu_check.py`, in a process without TensorFlow: each brings a cuDNN of its own.

python benchmarks/gpu_torch.py TIMED.npz speed|training    # → one line of JSON
"""

import json
import statistics
import sys
import time

import numpy as np
from architecture import Architecture
from torch_peer import Torch


def main(path, stage, rehearse):
    """Prints device, median milliseconds of a call or of a training step, and how far the outputs are from the stored ones."""
    stored = np.load(path)
    architecture = Architecture("vectors", "lstm", directions=1, layers=1, units=stored["x"].shape[-1])
    weights = [stored[f"arr_{index}"] for index in range(3)]
    peer = Torch(architecture, weights, training=stage == "training")
    if peer.device != "cuda" and not rehearse:
        sys.exit("the installed PyTorch does not see the GPU")
    x, times = peer.tensor(stored["x"]), []
    measured = {"device": peer.torch.cuda.get_device_name() if peer.device == "cuda" else "CPU"}
    if stage == "speed":
        measured["difference"] = float(np.max(np.abs(peer.numpy(peer(x)) - stored["y"])))
    for _ in range(5 if rehearse else 43):
        start = time.perf_counter()
        peer.numpy(peer(x)[:1, -1, :1] if stage == "speed" else peer(x))
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps(measured | {"milliseconds": statistics.median(times[3:])}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "--rehearse" in sys.argv[3:])
