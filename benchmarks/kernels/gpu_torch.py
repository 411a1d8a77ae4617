"""Times PyTorch's LSTM for `gpu_check.py`, in a process without TensorFlow: each brings a cuDNN of its own.

python benchmarks/kernels/gpu_torch.py TIMED.npz speed|training    # → one line of JSON
"""

import json
import sys
from pathlib import Path

import numpy as np
from architecture import Architecture
from torch_peer import Torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import medians


def main(path, stage, rehearse):
    """Prints device, median milliseconds of a call or of a training step, and how far the outputs are from the stored ones."""
    stored = np.load(path)
    architecture = Architecture("vectors", "lstm", directions=1, layers=1, units=stored["x"].shape[-1])
    weights = [stored[f"arr_{index}"] for index in range(3)]
    peer = Torch(architecture, weights, training=stage == "training")
    if peer.device != "cuda" and not rehearse:
        sys.exit("the installed PyTorch does not see the GPU")
    x = peer.tensor(stored["x"])
    measured = {"device": peer.torch.cuda.get_device_name() if peer.device == "cuda" else "CPU"}
    if stage == "speed":
        measured["difference"] = float(np.max(np.abs(peer.numpy(peer(x)) - stored["y"])))
    call = {"torch": lambda: peer.numpy(peer(x)[:1, -1, :1] if stage == "speed" else peer(x))}
    print(json.dumps(measured | {"milliseconds": medians(call, 2 if rehearse else 40)["torch"]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "--rehearse" in sys.argv[3:])
