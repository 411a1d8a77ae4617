"""How long the first step takes, before which a small model has done nothing: the zoo's recurrent layers against stock Keras.

    python benchmarks/kernels/first_step.py                     # 2 idle CPU cores: about 12 minutes

Of each case, in a fresh process: the first step of training by Adam (`train_on_batch`: it builds the optimizer, traces and
runs), then the export of the trained model as a SavedModel, then loading that and the first call of its signature. The zoo and
Keras take turns, and medians of the repeats are compared. What TensorFlow needs to start is not counted. Beside the seconds of
the clock stand those of the processor, which other work on the machine stretches less.

Writes results/first_step.csv; every row says which machine it was measured on.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import machine, read_by, write

ROWS, STEPS, UNITS = 32, 50, 64
PARTS = ("training", "export", "load")
KEY = ("inputs", "cell", "layers", "directions")
CASES = (
    ("vectors", "gru", 2, 2),
    ("vectors", "rnn", 3, 1),
    ("tokens", "lstm", 2, 2),  # with a mask
    ("vectors", "lstm", 1, 1),
    ("vectors", "gru", 1, 1),
)


@contextlib.contextmanager
def timed(found, part):
    """Adds the seconds of the clock and of the processor that a part takes."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    found[part] = time.perf_counter() - clock, time.process_time() - processor


def measure(library, inputs, cell, layers, directions):
    """The parts' seconds in this process, which has to be a fresh one."""
    import keras
    import numpy as np
    import peers
    import tensorflow as tf

    import zoo

    tf.get_logger().setLevel("ERROR")
    tf.random.normal([8, 8]) @ tf.random.normal([8, 8])  # what TensorFlow starts at its first op
    architecture = peers.Architecture(inputs, cell, directions, layers, UNITS)
    model = peers.stack(zoo.layers if library == "zoo" else keras.layers, architecture)
    model = keras.Model(model.input, keras.layers.Dense(1)(model.output))
    model.compile("adam", "mse", jit_compile=False)
    x = architecture.batch(ROWS, STEPS)
    found = {}
    with timed(found, "training"):
        model.train_on_batch(x, np.zeros([ROWS, STEPS, 1], "float32"))
    with tempfile.TemporaryDirectory() as directory:
        with timed(found, "export"), zoo.kernels.export_scope():
            peers.save(model, directory)
        with timed(found, "load"):
            tf.saved_model.load(directory).signatures["serving_default"](x=tf.constant(x))["y"].numpy()
    return found


def compare(case, repeats):
    """The row of a case: medians, and the ratios of the clock's and of the processor's."""
    found = {"zoo": [], "keras": []}
    for _ in range(repeats):
        for library, runs in found.items():
            command = [sys.executable, __file__, "measure", library, *map(str, case)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(answer.splitlines()[-1]))
    row = dict(zip(KEY, map(str, case), strict=True)) | {"machine": machine()}
    for part in PARTS:
        for kind, suffix in enumerate(("", "_cpu")):
            medians = {name: statistics.median(run[part][kind] for run in runs) for name, runs in found.items()}
            row |= {f"{name}_{part}{suffix}_s": f"{seconds:.2f}" for name, seconds in medians.items()}
            row[f"{part}{suffix}_ratio"] = f"{medians['zoo'] / medians['keras']:.2f}"
    return row


def main(repeats: int = 3, fresh: bool = False):
    """Measures the cases that are missing, and writes the table after each.

    Args:
        repeats: Processes of each case and library.
        fresh: Measure again what is there.
    """
    rows = read_by("first_step", KEY)
    for case in CASES:
        if fresh or tuple(map(str, case)) not in rows:
            rows[tuple(map(str, case))] = compare(case, repeats)
            write("first_step", rows.values())


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        _, _, name, inputs, cell, layers, directions = sys.argv
        print(json.dumps(measure(name, inputs, cell, int(layers), int(directions))))
    else:
        import tyro

        tyro.cli(main)
