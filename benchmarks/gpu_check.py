"""Proves on a machine with a GPU that a SavedModel exported without one runs cuDNN's kernels there, and how fast.

    python benchmarks/gpu_check.py                  # both steps, the export in a process that sees no GPU; about 6 minutes
    python benchmarks/gpu_check.py export DIR       # on any machine
    python benchmarks/gpu_check.py check DIR        # on the one with a GPU
    python benchmarks/gpu_check.py --rehearse       # all of it on a CPU, small: proves that this script works, and no more

Stages, each in a process of its own, so that a crash costs one stage:

kernels     the profiler sees cuDNN's kernels in a call of the reloaded artefact, and no loop over time
parity      the answers are those that stock Keras gave on the CPU, for rows of every length from none to full
session     the same through a TensorFlow 1 session, as older servers call a SavedModel
speed       a call against the while-loop export that Keras makes on a CPU, and against PyTorch
training    a step against stock Keras, with cuDNN and without, and against PyTorch
shipped     what is in saved_models/ answers its card's examples as on the CPU
tests       pytest --gpu tests/test_gpu.py

TensorFloat-32 is off everywhere, in PyTorch too. Calls that are compared alternate, and medians are taken. The table is written
after each stage: results/gpu_check_GPU.csv. The exit code is 1 if anything failed.
"""

import collections
import csv
import functools
import importlib.util
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import keras
import numpy as np
import peers
import tensorflow as tf
import tyro
from peers import CELLS, Architecture

import zoo

ROOT = Path(__file__).parents[1]
COLUMNS = ("stage", "what", "value", "target", "ok")
LIMIT = 240  # seconds of a stage; the first has to wait where the driver compiles TensorFlow's kernels for a new GPU
# What cuDNN calls its recurrent kernels: RNN_blockPersist_fp_LSTM, LSTM_elementWise_fp, elemWiseRNNcell, persistRNN, ...
# Products (sgemm, cutlass, ...) are cuBLAS's, and known as cuDNN's only by the op that launched them.
CUDNN = re.compile("rnn|lstm|gru", re.IGNORECASE)
LOOP = re.compile(r"/(cond|body)/_\d+/|:(Stateless)?While$")  # an op inside a loop that was inlined, or a loop that was not


@dataclass(frozen=True)
class Options:
    """Which step, and where."""

    # Both steps, the export alone, or the check of an export.
    step: tyro.conf.Positional[Literal["both", "export", "check"]] = "both"
    # Directory of the export; for both steps a temporary one by default.
    directory: tyro.conf.Positional[Path | None] = None
    # Runs every stage with the CPU in the GPU's place, on small models.
    rehearse: bool = False
    # Directory of the table: benchmarks/results by default, or none in a rehearsal.
    out: Path | None = None


def export(directory: Path, rehearse: bool) -> None:
    """Saves the models, their inputs, and what stock Keras and the shipped artefacts answer on this CPU."""
    tf.config.set_visible_devices([], "GPU")
    random = np.random.default_rng(0)
    units, steps = (8, 9) if rehearse else (32, 40)
    mask = tf.sequence_mask([steps, 0, 1, 2, steps - 1, 5, 0, steps // 2], steps).numpy()
    for cell in CELLS:
        architecture = Architecture("vectors", cell, directions=2, layers=2, units=units)
        x = random.normal(size=(*mask.shape, units)).astype(np.float32)
        y = _save(zoo.layers, architecture, directory / cell, x, mask)
        np.savez(directory / f"{cell}.npz", x=x, mask=mask, y=y)
    batch, steps, units = (4, 12, 16) if rehearse else (64, 200, 256)
    architecture = Architecture("vectors", "lstm", directions=1, layers=1, units=units)
    x = random.normal(size=(batch, steps, units)).astype(np.float32)
    _save(zoo.layers, architecture, directory / "zoo", x)
    y = _save(keras.layers, architecture, directory / "while_loop", x)
    np.savez(directory / "timed.npz", *peers.initial_weights(architecture), x=x, y=y)
    shipped = {}
    for path in sorted((ROOT / "saved_models").glob("*/*/card.json")):
        model = zoo.load(path.parent)
        shipped[path.parent.relative_to(ROOT).as_posix()] = model.predict([e["input"] for e in model.card["examples"]])
    (directory / "shipped.json").write_text(json.dumps(shipped), encoding="utf-8")
    print(f"Exported to {directory} without a GPU.", flush=True)


def _save(layers, architecture, directory, x, mask=None):
    """Saves a stack of layers with a signature; returns what stock Keras answers to x with the same weights."""
    weights = peers.initial_weights(architecture)
    model, stock = peers.stack(layers, architecture), peers.stack(keras.layers, architecture)
    model.set_weights(weights)
    stock.set_weights(weights)
    signature = [tf.TensorSpec([None, None, architecture.units], name="x")]
    if mask is not None:
        signature.append(tf.TensorSpec([None, None], tf.bool, name="mask"))
    serve = tf.function(
        lambda x, mask=None: {"y": model(x, mask=mask, training=False)}, input_signature=signature, autograph=False
    )
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    with zoo.kernels.export_scope():
        tf.saved_model.save(module, str(directory), signatures=serve)
    return stock(x, mask=None if mask is None else tf.constant(mask), training=False).numpy()


def kernels(directory, rehearse):
    """What the profiler sees in one call of each artefact."""
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
            launched, ran = _events(Path(logs), "/host:CPU" if rehearse else "/device:GPU")
        of_cudnn = {kernel: count for kernel, count in launched.items() if CUDNN.search("".join(kernel))}
        in_loops = sum(count for op, count in ran.items() if LOOP.search(op))
        if not rehearse:
            print(f"{name}: kernels on the GPU, * those of cuDNN's recurrence")
            for kernel, count in launched.items():
                print(f"  {'*' if kernel in of_cudnn else ' '} {count:5d} x {kernel[0]} {kernel[1]}".rstrip())
        if name == "while_loop":  # the control: what would be seen without cuDNN
            yield _at_least(f"{name}: ops run in loops", in_loops, 1)
            yield _at_most(f"{name}: recurrent kernels of cuDNN", sum(of_cudnn.values()), 0, gpu_only=True)
        else:
            yield _at_least(f"{name}: recurrent kernels of cuDNN", sum(of_cudnn.values()), 1, gpu_only=True)
            yield _at_most(f"{name}: ops run in loops", in_loops, 0, gpu_only=True)
        yield _seen(f"{name}: kernels and copies on the GPU", sum(launched.values()))


def _events(logs, device):
    """A profile as (kernel of a device, op that launched it if known) → count, and op on the host "name:type" → count."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    launched, ran = collections.Counter(), collections.Counter()
    for path in logs.rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
        for plane in space.planes:
            for event in (event for line in plane.lines for event in line.events):
                name = plane.event_metadata[event.metadata_id].name
                if plane.name == "/host:CPU":
                    ran[name] += 1
                if plane.name.startswith(device):
                    texts = [stat.str_value or plane.stat_metadata[stat.ref_value].name for stat in event.stats]
                    launched[name, next((text for text in texts if ":CudnnRNN" in text), "")] += 1
    return launched, ran


def parity(directory, rehearse):
    """Answers of the reloaded artefacts on ragged batches."""
    for cell in CELLS:
        stored = np.load(directory / f"{cell}.npz")
        loaded = tf.saved_model.load(str(directory / cell))
        y = loaded.signatures["serving_default"](x=tf.constant(stored["x"]), mask=tf.constant(stored["mask"]))["y"]
        yield _at_most(f"{cell}: largest difference to stock Keras on a CPU", _difference(y.numpy(), stored["y"]), 1e-4)
        yield _at_least(f"{cell}: answers on the GPU", int("GPU" in y.device), 1, gpu_only=True)


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
        yield _at_most(f"{cell}: largest difference to stock Keras on a CPU", _difference(y, stored["y"]), 1e-4)
        count = sum("CudnnRNN" in node for node in nodes)
        yield _at_least(f"{cell}: CudnnRNNV3 nodes run on the GPU", count, 1, gpu_only=True)


def speed(directory, rehearse, other, target):
    """Milliseconds of a call of the LSTM, against one other."""
    if other == "torch" and (missing := _without_torch(rehearse)):
        yield _seen(missing, "")
        return
    stored, calls = np.load(directory / "timed.npz"), {}
    for name in ("zoo", other):
        if name == "torch":
            peer = peers.Torch(_timed(stored), _weights(stored), training=False)
            run, x = peer, peer.tensor(stored["x"])
        else:
            run, x = functools.partial(_call, tf.saved_model.load(str(directory / name))), tf.constant(stored["x"])
        yield _at_most(f"{name}: largest difference to stock Keras on a CPU", _difference(_array(run(x)), stored["y"]), 1e-4)
        # brings back one number, for which it has to wait
        calls[name] = functools.partial(lambda run, x: _array(run(x)[:1, -1, :1]), run, x)
    yield from _ratios(calls, rehearse, {other: target})


def _call(loaded, x):
    return loaded.signatures["serving_default"](x=x)["y"]


def _array(tensor):
    """A tensor of TensorFlow's or PyTorch's as an array."""
    return tensor.numpy() if isinstance(tensor, tf.Tensor) else tensor.cpu().numpy()


class _KerasLoop(peers.Keras):
    layers = SimpleNamespace(LSTM=functools.partial(keras.layers.LSTM, use_cudnn=False))


def training(directory, rehearse, others):
    """Milliseconds of a training step of the LSTM: forward, backward, plain SGD."""
    stored, calls = np.load(directory / "timed.npz"), {}
    made = {"zoo": peers.Zoo, "keras_cudnn": peers.Keras, "keras_loop": _KerasLoop, "torch": peers.Torch}
    if "torch" in others and (missing := _without_torch(rehearse)):
        yield _seen(missing, "")
        return
    for name in ("zoo", *others):
        peer = made[name](_timed(stored), _weights(stored), training=True)
        calls[name] = functools.partial(peer, peer.tensor(stored["x"]))
    losses = {name: float(call()) for name, call in calls.items()}
    for name in others:
        yield _at_most(f"{name}: relative difference of the first loss", abs(losses[name] / losses["zoo"] - 1), 1e-4)
    yield from _ratios(calls, rehearse, dict.fromkeys(others))


def _ratios(calls, rehearse, targets):
    """Medians of alternating calls, and the ratio of each other to the zoo with its target, if any."""
    times = {name: [] for name in calls}
    for index in range(5 if rehearse else 43):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if index >= 3:  # the first ones optimise the graph
                times[name].append(1e3 * (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        yield _seen(f"{name}: milliseconds", median)
    for name, target in targets.items():
        what, ratio = f"{name} / zoo", medians[name] / medians["zoo"]
        yield _seen(what, ratio) if target is None else _at_least(what, ratio, target, gpu_only=True)


def shipped(directory, rehearse, name):
    """The examples of an artefact's card."""
    expected = json.loads((directory / "shipped.json").read_text(encoding="utf-8"))[name]
    if not (ROOT / name).is_dir():
        yield _seen("left out: it is not here", "")
        return
    model = zoo.load(ROOT / name)
    answers = model.predict([example["input"] for example in model.card["examples"]])
    pairs = list(_pairs(answers, expected))
    texts = [pair for pair in pairs if any(isinstance(value, str) for value in pair)]
    numbers = [pair for pair in pairs if pair not in texts]
    yield _at_most("texts that differ from the CPU's", sum(a != b for a, b in texts), 0)
    yield _at_most("largest difference of a number", max((abs(a - b) for a, b in numbers), default=0), 1e-3)


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
        yield _seen("left out: pytest is not installed", "")
        return
    command = [sys.executable, "-m", "pytest", *([] if rehearse else ["--gpu"]), str(ROOT / "tests" / "test_gpu.py")]
    environment = {**os.environ, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
    print(done.stdout, done.stderr)
    yield _seen((done.stdout.strip().splitlines() or ["no output"])[-1].strip("= "), "")
    yield _at_most("exit code", done.returncode, 0)


def _timed(stored):
    return Architecture("vectors", "lstm", directions=1, layers=1, units=stored["x"].shape[-1])


def _weights(stored):
    return [stored[f"arr_{index}"] for index in range(3)]


def _without_torch(rehearse):
    """Why PyTorch is left out, or None."""
    if not importlib.util.find_spec("torch"):
        return 'left out: PyTorch is not installed; pip install -e ".[benchmark]" brings it'
    if not rehearse and not importlib.import_module("torch").cuda.is_available():
        return "left out: the installed PyTorch does not see the GPU"
    return None


def _difference(a, b):
    return float(np.max(np.abs(a - b)))


def _at_least(what, value, target, gpu_only=False):
    return {"what": what, "value": value, "target": f">= {target}", "ok": bool(value >= target), "gpu_only": gpu_only}


def _at_most(what, value, target, gpu_only=False):
    return {"what": what, "value": value, "target": f"<= {target}", "ok": bool(value <= target), "gpu_only": gpu_only}


def _seen(what, value):
    return {"what": what, "value": value, "target": "", "ok": None, "gpu_only": False}


def _work(stage, sender, directory, rehearse, arguments):
    """A stage's process: sends its rows."""
    try:
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        for row in stage(directory, rehearse, **arguments):
            sender.send(row)
    except Exception as error:
        traceback.print_exc()
        words = (str(error).splitlines() or [""])[0]
        sender.send(_seen(f"{type(error).__name__}: {words}", "") | {"ok": False})


def _rows(stage, directory, rehearse, arguments):
    """Runs a stage in its process; its rows, and one more if that ended badly."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(stage, sender, directory, rehearse, arguments))
    process.start()
    sender.close()  # the child's end is the only one left: it closes when the child ends
    end = time.monotonic() + LIMIT
    while receiver.poll(max(end - time.monotonic(), 0)):
        try:
            yield receiver.recv()
        except EOFError:
            break
    else:
        process.kill()
        yield _seen(f"stopped after {LIMIT} s", "") | {"ok": False}
        return
    process.join()
    if process.exitcode:
        yield _seen(f"its process ended with the exit code {process.exitcode}", "") | {"ok": False}


def check(directory: Path, rehearse: bool, out: Path | None) -> bool:
    """Runs all stages on an export, writes the table after each, and returns whether all went well."""
    stages = [
        ("kernels", kernels, {}),
        ("parity", parity, {}),
        ("session", session, {}),
        ("speed", speed, {"other": "while_loop", "target": 5}),
        ("speed, PyTorch", speed, {"other": "torch", "target": 0.9}),
        ("training", training, {"others": ("keras_cudnn", "keras_loop")}),
        ("training, PyTorch", training, {"others": ("torch",)}),
    ]
    for name in json.loads((directory / "shipped.json").read_text(encoding="utf-8")):
        stages.append((name, shipped, {"name": name}))
    stages.append(("tests", tests, {}))
    name = "rehearsal on a CPU" if rehearse else _gpu_name()
    build = tf.sysconfig.get_build_info()
    versions = {"TensorFlow": tf.__version__, "Keras": keras.__version__, "TensorFloat-32": "off"}
    versions |= {key: build.get(f"{key.lower()}_version", "none") for key in ("CUDA", "cuDNN")}
    table = [{"stage": "machine", **_seen(key, value)} for key, value in {"device": name, **versions}.items()]
    for row in table:
        print(f"        {row['stage']}: {row['what']} {row['value']}")
    for name, stage, arguments in stages:
        print(f"\n{name}", flush=True)
        for row in _rows(stage, directory, rehearse, arguments):
            if rehearse and row["gpu_only"]:
                row["ok"] = None
            if isinstance(row["value"], float):
                row["value"] = float(f"{row['value']:.4g}")
            table.append({"stage": name, **row})
            words = {True: "ok", False: "FAILED", None: ""}[row["ok"]]
            print(f"{words:7} {row['what']}  {row['value']}  {row['target']}".rstrip(), flush=True)
        if out:
            _write(table, out)
    failed = [row for row in table if row["ok"] is False]
    print(f"\n{len(failed)} of {sum(row['ok'] is not None for row in table)} FAILED." if failed else "\nAll ok.")
    return not failed


def _gpu_name():
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu") if gpus else None


def _write(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "ok": {True: "ok", False: "FAILED", None: ""}[row["ok"]]} for row in table)


def main(options: Options) -> None:
    """Runs the steps."""
    if options.directory is None and options.step != "both":
        sys.exit(f"{options.step} needs a directory: python benchmarks/gpu_check.py {options.step} DIR")
    if options.step == "export":
        options.directory.mkdir(parents=True, exist_ok=True)
        export(options.directory, options.rehearse)
        return
    if options.step == "check" and not (options.directory / "shipped.json").is_file():
        sys.exit(f"There is no export in {options.directory}: python benchmarks/gpu_check.py export {options.directory}")
    gpu = _gpu_name()
    if not (gpu or options.rehearse):
        sys.exit("TensorFlow sees no GPU: nothing can be checked here. --rehearse tries the script on a CPU.")
    if options.rehearse:
        print("A rehearsal on the CPU: it proves nothing about a GPU.")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # of the stages
    out = options.out or (None if options.rehearse else Path(__file__).with_name("results"))
    if out:
        slug = "rehearsal" if options.rehearse else re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
        out = out / f"gpu_check_{slug}.csv"
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        if options.step == "both":
            command = [sys.executable, __file__, "export", str(directory), *(["--rehearse"] if options.rehearse else [])]
            subprocess.run(command, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
        good = check(directory, options.rehearse, out)
    if out:
        print(f"Written: {out}")
    if options.rehearse:
        print("This was a rehearsal on the CPU: it proves nothing about a GPU.")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(tyro.cli(Options))
