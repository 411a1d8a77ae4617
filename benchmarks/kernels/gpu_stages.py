"""The stages of `gpu_check.py`: each takes the directory of the export and whether this is a rehearsal, and yields rows."""

import collections
import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import peers
import tensorflow as tf
from peers import CELLS, Architecture

import zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import medians

ROOT = Path(__file__).parents[2]
# What cuDNN calls its recurrent kernels: RNN_blockPersist_fp_LSTM, LSTM_elementWise_fp, elemWiseRNNcell, persistRNN, ...
# Products (sgemm, cutlass, ...) are cuBLAS's, and known as cuDNN's only by the op that launched them.
CUDNN = re.compile("rnn|lstm|gru", re.IGNORECASE)


def kernels(directory, rehearse):
    """What the profiler sees on the GPU in one call of each artefact.

    A loop over time launches kernels at every step, as the while-loop export shows, which is the control; beside those of
    cuDNN a zoo export may not even have one a step.
    """
    for name in (*CELLS, "zoo", "while_loop"):
        stored = np.load(directory / f"{name if name in CELLS else 'timed'}.npz")
        inputs = {key: tf.constant(stored[key]) for key in ("x", "mask") if key in stored}
        loaded = tf.saved_model.load(str(directory / name))
        call = loaded.signatures["serving_default"]
        for _ in range(2):  # the first call optimises the graph
            call(**inputs)["y"].numpy()
        with tempfile.TemporaryDirectory() as logs:
            options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)  # 3: every op
            with tf.profiler.experimental.Profile(logs, options):
                call(**inputs)["y"].numpy()
            launched = _launched(Path(logs), "/host:CPU" if rehearse else "/device:GPU")
        of_cudnn = {kernel: count for kernel, count in launched.items() if CUDNN.search("".join(kernel))}
        if not rehearse:
            print(f"{name}: kernels on the GPU, * those of cuDNN's recurrence")
            for kernel, count in launched.items():
                print(f"  {'*' if kernel in of_cudnn else ' '} {count:5d} x {kernel[0]} {kernel[1]}".rstrip())
        recurrent, others = sum(of_cudnn.values()), sum(launched.values()) - sum(of_cudnn.values())
        steps = stored["x"].shape[1] * (4 if name in CELLS else 1)  # two layers in two directions, or one in one
        if name == "while_loop":
            yield at_most(f"{name}: recurrent kernels of cuDNN", recurrent, 0, gpu_only=True)
            yield at_least(f"{name}: other kernels and copies", others, steps, gpu_only=True)
        else:
            yield at_least(f"{name}: recurrent kernels of cuDNN", recurrent, 1, gpu_only=True)
            yield at_most(f"{name}: other kernels and copies", others, steps - 1, gpu_only=True)


def _launched(logs, device):
    """A profile as (kernel of a device, op that launched it if known) → count."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    launched = collections.Counter()
    for path in logs.rglob("*.xplane.pb"):
        for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
            if not plane.name.startswith(device):
                continue
            for event in (event for line in plane.lines for event in line.events):
                texts = [stat.str_value or plane.stat_metadata[stat.ref_value].name for stat in event.stats]
                launched[
                    plane.event_metadata[event.metadata_id].name, next((text for text in texts if ":CudnnRNN" in text), "")
                ] += 1
    return launched


def parity(directory, rehearse):
    """Answers of the reloaded artefacts on ragged batches."""
    for cell in CELLS:
        stored = np.load(directory / f"{cell}.npz")
        loaded = tf.saved_model.load(str(directory / cell))
        y = loaded.signatures["serving_default"](x=tf.constant(stored["x"]), mask=tf.constant(stored["mask"]))["y"]
        yield at_most(f"{cell}: largest difference to stock Keras on a CPU", _difference(y.numpy(), stored["y"]), 1e-4)
        yield at_least(f"{cell}: answers on the GPU", int("GPU" in y.device), 1, gpu_only=True)


def session(directory, rehearse):
    """The same in graph mode."""
    v1 = tf.compat.v1
    config = v1.ConfigProto(gpu_options=v1.GPUOptions(allow_growth=True))
    for cell in CELLS:
        stored = np.load(directory / f"{cell}.npz")
        with tf.Graph().as_default(), v1.Session(config=config) as opened:
            signature = v1.saved_model.load(opened, ["serve"], str(directory / cell)).signature_def["serving_default"]
            feed = {signature.inputs[name].name: stored[name] for name in ("x", "mask")}
            trace, seen = v1.RunOptions(trace_level=v1.RunOptions.SOFTWARE_TRACE), v1.RunMetadata()
            y = opened.run(signature.outputs["y"].name, feed, options=trace, run_metadata=seen)
        nodes = [node.node_name for device in seen.step_stats.dev_stats if "GPU" in device.device for node in device.node_stats]
        yield at_most(f"{cell}: largest difference to stock Keras on a CPU", _difference(y, stored["y"]), 1e-4)
        count = sum("CudnnRNN" in node for node in nodes)
        yield at_least(f"{cell}: CudnnRNNV3 nodes run on the GPU", count, 1, gpu_only=True)


def speed(directory, rehearse):
    """Milliseconds of a call of the LSTM, against the while-loop export."""
    stored, calls = np.load(directory / "timed.npz"), {}
    for name in ("zoo", "while_loop"):
        run, x = functools.partial(_call, tf.saved_model.load(str(directory / name))), tf.constant(stored["x"])
        yield at_most(f"{name}: largest difference to stock Keras on a CPU", _difference(run(x).numpy(), stored["y"]), 1e-4)
        # brings back one number, for which it has to wait
        calls[name] = functools.partial(lambda run, x: run(x)[:1, -1, :1].numpy(), run, x)
    yield from _ratios(calls, rehearse, {"while_loop": 5}, directory / "speed.json")


def _call(loaded, x):
    return loaded.signatures["serving_default"](x=x)["y"]


class _KerasLoop(peers.Keras):
    layers = SimpleNamespace(LSTM=functools.partial(keras.layers.LSTM, use_cudnn=False))


def training(directory, rehearse):
    """Milliseconds of a training step of the LSTM: forward, backward, plain SGD."""
    stored, calls = np.load(directory / "timed.npz"), {}
    architecture = Architecture("vectors", "lstm", directions=1, layers=1, units=stored["x"].shape[-1])
    weights = [stored[f"arr_{index}"] for index in range(3)]
    for name, made in {"zoo": peers.Zoo, "keras_cudnn": peers.Keras, "keras_loop": _KerasLoop}.items():
        peer = made(architecture, weights, training=True)
        calls[name] = functools.partial(peer, peer.tensor(stored["x"]))
    losses = {name: float(call()) for name, call in calls.items()}
    for name in ("keras_cudnn", "keras_loop"):
        yield at_most(f"{name}: relative difference of the first loss", abs(losses[name] / losses["zoo"] - 1), 1e-4)
    yield from _ratios(calls, rehearse, {"keras_cudnn": None, "keras_loop": None}, directory / "training.json")


def torch(directory, rehearse, stage, target):
    """PyTorch's time against the zoo's in a stage before, in a process that has PyTorch's cuDNN and not TensorFlow's."""
    if not importlib.util.find_spec("torch"):
        yield seen('left out: PyTorch is not installed; pip install -e ".[benchmark]" brings it', "")
        return
    if not (directory / f"{stage}.json").is_file():
        yield seen(f"left out: the stage {stage} measured nothing to compare with", "")
        return
    command = [sys.executable, str(Path(__file__).with_name("gpu_torch.py")), str(directory / "timed.npz"), stage]
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    done = subprocess.run([*command, *(["--rehearse"] if rehearse else [])], env=environment, text=True, capture_output=True)
    if done.returncode:
        yield seen((done.stderr.strip().splitlines() or ["no output"])[-1], "") | {"ok": False}
        return
    measured = json.loads(done.stdout.splitlines()[-1])
    yield seen("torch: device", measured["device"])
    if "difference" in measured:
        yield at_most("torch: largest difference to stock Keras on a CPU", measured["difference"], 1e-4)
    zoo_milliseconds = json.loads((directory / f"{stage}.json").read_text(encoding="utf-8"))["zoo"]
    yield seen("torch: milliseconds", measured["milliseconds"])
    what, ratio = "torch / zoo", measured["milliseconds"] / zoo_milliseconds
    yield seen(what, ratio) if target is None else at_least(what, ratio, target, gpu_only=True)


def _ratios(calls, rehearse, targets, file):
    """Medians of alternating calls, and the ratio of each other to the zoo with its target, if any; the medians to a file."""
    ms = medians(calls, 2 if rehearse else 40)
    file.write_text(json.dumps(ms), encoding="utf-8")
    for name, median in ms.items():
        yield seen(f"{name}: milliseconds", median)
    for name, target in targets.items():
        what, ratio = f"{name} / zoo", ms[name] / ms["zoo"]
        yield seen(what, ratio) if target is None else at_least(what, ratio, target, gpu_only=True)


def shipped(directory, rehearse, name):
    """The examples of an artefact's card."""
    expected = json.loads((directory / "shipped.json").read_text(encoding="utf-8"))[name]
    if not (ROOT / name).is_dir():
        yield seen("left out: it is not here", "")
        return
    model = zoo.load(ROOT / name)
    answers = model.predict([example["input"] for example in model.card["examples"]])
    pairs = list(_pairs(answers, expected))
    texts = [pair for pair in pairs if any(isinstance(value, str) for value in pair)]
    numbers = [pair for pair in pairs if pair not in texts]
    yield at_most("texts that differ from the CPU's", sum(a != b for a, b in texts), 0)
    yield at_most("largest difference of a number", max((abs(a - b) for a, b in numbers), default=0), 1e-3)


def _pairs(a, b):
    """The corresponding leaves of two answers; a part that only one of them has is a pair of texts that differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from _pairs(a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for one, other in zip(a, b, strict=True):
            yield from _pairs(one, other)
    elif isinstance(a, (dict, list)) or isinstance(b, (dict, list)):
        yield str(a), f"not {b}"
    else:
        yield a, b


def tests(directory, rehearse):
    """The test suite's part that needs a GPU; in a rehearsal all of it is skipped."""
    if not importlib.util.find_spec("pytest"):
        yield seen("left out: pytest is not installed", "")
        return
    command = [sys.executable, "-m", "pytest", *([] if rehearse else ["--gpu"]), str(ROOT / "tests" / "test_gpu.py")]
    environment = {**os.environ, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
    print(done.stdout, done.stderr)
    yield seen((done.stdout.strip().splitlines() or ["no output"])[-1].strip("= "), "")
    yield at_most("exit code", done.returncode, 0)


def _difference(a, b):
    return float(np.max(np.abs(a - b)))


def at_least(what, value, target, gpu_only=False):
    """A row that is right if the value is at least the target; with `gpu_only` a rehearsal does not judge it."""
    return {"what": what, "value": value, "target": f">= {target}", "ok": bool(value >= target), "gpu_only": gpu_only}


def at_most(what, value, target, gpu_only=False):
    """See `at_least`."""
    return {"what": what, "value": value, "target": f"<= {target}", "ok": bool(value <= target), "gpu_only": gpu_only}


def seen(what, value):
    """A row without a target."""
    return {"what": what, "value": value, "target": "", "ok": None, "gpu_only": False}
