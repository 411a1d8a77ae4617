"""Proves on a machine with a GPU that a SavedModel exported without one runs cuDNN's kernels there, and how fast.

    python benchmarks/kernels/gpu_check.py              # both steps, the export in a process that sees no GPU; < 4 minutes
    python benchmarks/kernels/gpu_check.py export DIR   # on any machine
    python benchmarks/kernels/gpu_check.py check DIR    # on the one with a GPU
    python benchmarks/kernels/gpu_check.py --rehearse   # all of it on a CPU, small: proves that this script works, no more

Stages (`gpu_stages.py`), each in a process of its own, so that a crash costs one stage; those without a clock side by side:

kernels     the profiler sees cuDNN's kernels in a call of the reloaded artefact, and none that come at every step
parity      the answers are those that stock Keras gave on the CPU, for rows of every length from none to full
session     the same through a TensorFlow 1 session, as older servers call a SavedModel
shipped     what is in saved_models/ answers its card's examples as on the CPU
tests       pytest --gpu tests/test_gpu.py
speed       a call against the while-loop export that Keras makes on a CPU, and against PyTorch
training    a step against stock Keras, with cuDNN and without, and against PyTorch

TensorFloat-32 is off everywhere, in PyTorch too. Calls that are compared alternate, and medians are taken; those of PyTorch,
which brings a cuDNN of its own, are made in a process without TensorFlow. The table is written after each stage:
results/gpu_check_GPU.csv. What has not ended after 4 minutes is stopped. The exit code is 1 if anything failed.
"""

import itertools
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gpu_stages as stages
import keras
import numpy as np
import peers
import tensorflow as tf
import tyro
from gpu_stages import ROOT, seen
from peers import CELLS, Architecture

import zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, write

COLUMNS = ("stage", "what", "value", "target", "ok")
SECONDS = 240  # of the whole, the export included


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
    with zoo.kernels.export_scope():
        peers.save(model, directory, mask=mask is not None)
    return stock(x, mask=None if mask is None else tf.constant(mask), training=False).numpy()


def _work(stage, sender, directory, rehearse, arguments):
    """A stage's process: sends its rows."""
    os.setsid()  # so that it can be stopped with the processes that it starts
    try:
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        for row in stage(directory, rehearse, **arguments):
            sender.send(row)
    except Exception as error:
        traceback.print_exc()
        words = (str(error).splitlines() or [""])[0]
        sender.send(seen(f"{type(error).__name__}: {words}", "") | {"ok": False})


def _rows(stage, directory, rehearse, arguments, end):
    """Runs a stage in its process; its rows, and one more if that ended badly or not in time."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(stage, sender, directory, rehearse, arguments))
    process.start()
    sender.close()  # the child's end is the only one left: it closes when the child ends
    while receiver.poll(max(end - time.monotonic(), 0)):
        try:
            yield receiver.recv()
        except EOFError:
            break
    else:
        os.killpg(process.pid, signal.SIGKILL)
        yield seen(f"stopped: the {SECONDS} s of the whole were over", "") | {"ok": False}
        return
    process.join()
    if process.exitcode:
        yield seen(f"its process ended with the exit code {process.exitcode}", "") | {"ok": False}


def check(directory: Path, rehearse: bool, out: Path | None, end: float) -> bool:
    """Runs all stages on an export until `end`, writes the table after each, and returns whether all went well."""
    shipped = json.loads((directory / "shipped.json").read_text(encoding="utf-8"))
    untimed = [("kernels", stages.kernels, {}), ("parity", stages.parity, {}), ("session", stages.session, {})]
    untimed += [(name, stages.shipped, {"name": name}) for name in shipped]
    untimed.append(("tests", stages.tests, {}))
    timed = [
        ("speed", stages.speed, {}),
        ("speed, PyTorch", stages.torch, {"stage": "speed", "target": 0.9}),
        ("training", stages.training, {}),
        ("training, PyTorch", stages.torch, {"stage": "training", "target": None}),
    ]
    name = "rehearsal on a CPU" if rehearse else _gpu_name()
    build = tf.sysconfig.get_build_info()
    versions = {"TensorFlow": tf.__version__, "Keras": keras.__version__, "TensorFloat-32": "off"}
    versions |= {key: build.get(f"{key.lower()}_version", "none") for key in ("CUDA", "cuDNN")}
    table = [{"stage": "machine", **seen(key, value)} for key, value in {"device": name, **versions}.items()]
    for row in table:
        print(f"        {row['stage']}: {row['what']} {row['value']}")

    def run(stage):
        _, function, arguments = stage
        return list(_rows(function, directory, rehearse, arguments, end))

    with ThreadPoolExecutor(max(1, os.cpu_count() // 2)) as pool:
        for (name, *_), rows in itertools.chain(
            zip(untimed, pool.map(run, untimed), strict=True), ((stage, run(stage)) for stage in timed)
        ):
            print(f"\n{name}", flush=True)
            for row in rows:
                if rehearse and row["gpu_only"]:
                    row["ok"] = None
                if isinstance(row["value"], float):
                    row["value"] = float(f"{row['value']:.4g}")
                table.append({"stage": name, **row})
                words = {True: "ok", False: "FAILED", None: ""}[row["ok"]]
                print(f"{words:7} {row['what']}  {row['value']}  {row['target']}".rstrip(), flush=True)
            if out:
                said = [{**row, "ok": {True: "ok", False: "FAILED", None: ""}[row["ok"]]} for row in table]
                write(out, said, COLUMNS, show=False)
    failed = [row for row in table if row["ok"] is False]
    print(f"\n{len(failed)} of {sum(row['ok'] is not None for row in table)} FAILED." if failed else "\nAll ok.")
    return not failed


def _gpu_name():
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu") if gpus else None


def main(options: Options) -> None:
    """Runs the steps."""
    end = time.monotonic() + SECONDS
    if options.directory is None and options.step != "both":
        sys.exit(f"{options.step} needs a directory: python {sys.argv[0]} {options.step} DIR")
    if options.step == "export":
        options.directory.mkdir(parents=True, exist_ok=True)
        export(options.directory, options.rehearse)
        return
    if options.step == "check" and not (options.directory / "shipped.json").is_file():
        sys.exit(f"There is no export in {options.directory}: python {sys.argv[0]} export {options.directory}")
    gpu = _gpu_name()
    if not (gpu or options.rehearse):
        sys.exit("TensorFlow sees no GPU: nothing can be checked here. --rehearse tries the script on a CPU.")
    if options.rehearse:
        print("A rehearsal on the CPU: it proves nothing about a GPU.")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # of the stages
    out = options.out or (None if options.rehearse else RESULTS)
    if out:
        slug = "rehearsal" if options.rehearse else re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
        out = out / f"gpu_check_{slug}.csv"
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        if options.step == "both":
            command = [sys.executable, __file__, "export", str(directory), *(["--rehearse"] if options.rehearse else [])]
            subprocess.run(command, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
        good = check(directory, options.rehearse, out, end)
    if out:
        print(f"Written: {out}")
    if options.rehearse:
        print("This was a rehearsal on the CPU: it proves nothing about a GPU.")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(tyro.cli(Options))
