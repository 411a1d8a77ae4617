"""The zoo's recurrent layers against stock Keras, Keras with XLA, PyTorch and ONNX Runtime, in one run.

    pip install -e ".[benchmark]"
    python benchmarks/kernels/recurrent.py                      # 2 CPU cores: about 90 minutes
    python benchmarks/kernels/recurrent.py --plot-only          # only draw what is there

It can be interrupted: a row is written as soon as it is measured, and the next run goes on with those that are missing.

All peers (`peers.py`) have the same weights, return all outputs and compute in float32 (on a GPU without TF32), and each is
compared with stock Keras before it is timed. Inference calls what a server would call: of the zoo and Keras, the signature of a
reloaded SavedModel. Training is one step of plain SGD in the process. The peers take turns, and medians are compared: the
machine's mood then hits all. Threads are at each library's default.

The floor is the roofline of the matrix products: the longer of operations / rate of a float32 product of 2048 x 2048 and
bytes / rate of a copy of 256 MB, both measured with TensorFlow. Training counts as three times the operations, less the one
gradient that nobody needs, that of the inputs. Bytes are weights, inputs and outputs, once each; that a recurrence reads its
recurrent weights at each step is left out, since they come from a cache.

Every row says which machine it was measured on; only its ratios can be compared with those of another. Writes
results/recurrent_DEVICE.csv and .png, and results/roofline_DEVICE.csv.
"""

import functools
import itertools
import math
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import peers
import tensorflow as tf
import tyro
from matplotlib.figure import Figure
from peers import CELLS, PEERS, Architecture
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, WARM_UP, machine, read_by, take_turns, write

MODES = ("inference", "training")
LIMIT = 1e-4  # largest difference to stock Keras
STEEP = 1e3  # learning rate of the step that is compared: the gradients, about 1e-4, must not drown in the weights' rounding
PAUSE = 0.02  # seconds for the threads of the peer before to fall asleep: those of OpenMP spin for some milliseconds
COMPARED = ("keras", "keras_xla", "torch", "onnxruntime")
KEY = ("inputs", "cell", "directions", "layers", "units", "batch", "length", "mode")


@dataclass(frozen=True)
class Options:
    """Which part of the grid."""

    # Which cells.
    cells: tuple[Literal["rnn", "gru", "lstm"], ...] = ("rnn", "gru", "lstm")
    # Which widths of a direction; inputs are as wide.
    units: tuple[int, ...] = (64, 128, 256)
    # Which batch sizes.
    batches: tuple[int, ...] = (1, 8, 32, 128)
    # Which numbers of steps.
    lengths: tuple[int, ...] = (25, 100, 200, 400)
    # What is timed.
    modes: tuple[Literal["inference", "training"], ...] = MODES
    # Measure again what is there.
    fresh: bool = False
    # Only draw the picture of what is there.
    plot_only: bool = False
    # Where to write.
    out: Path = RESULTS


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    architecture: Architecture
    batch: int
    length: int
    mode: str

    @classmethod
    def of(cls, inputs, cell, directions, layers, units, batch, length, mode):
        """A case from what is in a row."""
        numbers = [int(number) for number in (directions, layers, units, batch, length)]
        return cls(Architecture(inputs, cell, *numbers[:3]), *numbers[3:], mode)

    @property
    def key(self) -> tuple[str, ...]:
        """The row's first columns, as text."""
        values = {**vars(self.architecture), **vars(self)}
        return tuple(str(values[name]) for name in KEY)

    @property
    def gflop(self) -> float:
        """Operations of the matrix products; training adds one such product for each gradient but that of the inputs."""
        products = self.architecture.products
        forward = sum(inputs + states for inputs, states in products)
        weights = forward if self.mode == "inference" else 3 * forward - products[0][0]
        return 2e-9 * self.batch * self.length * weights

    @property
    def gigabytes(self) -> float:
        """Weights, inputs and outputs, once each."""
        weights = sum(inputs + states for inputs, states in self.architecture.products)
        values = self.batch * self.length * self.architecture.units * (1 + self.architecture.directions)
        return 4e-9 * (weights + values)

    @property
    def seconds(self) -> float:
        """About how long the row takes on two cores, to estimate the time that remains."""
        return 4 + self.gflop / 4


def grid(options: Options) -> list[Case]:
    """All cases that the options leave, those of one model next to each other."""
    batches = (1, 8, 32, 128)
    shapes = [("vectors", cell, 1, 1, 128, (100, 200), MODES) for cell in CELLS]
    shapes.append(("tokens", "lstm", 2, 2, 64, (200,), MODES[:1]))
    shapes += [
        ("vectors", cell, directions, layers, units, (25, 100, 400), MODES)
        for units, layers, directions, cell in itertools.product((64, 256), (1, 2), (1, 2), CELLS)
    ]
    return [
        Case.of(inputs, cell, directions, layers, units, batch, length, mode)
        for inputs, cell, directions, layers, units, lengths, modes in shapes
        for mode, length, batch in itertools.product(modes, lengths, batches)
        if cell in options.cells and units in options.units and batch in options.batches and length in options.lengths
        if mode in options.modes
    ]


def taking_part(case: Case, available) -> list[str]:
    """Names of the peers that a case compares, the reference first; XLA, which compiles each for some seconds, in a few."""
    return [
        name
        for name, peer in available.items()
        if case.architecture.cell in peer.cells
        and (case.mode == "inference" or peer.trains)
        and (name != "keras_xla" or (case.length in (100, 200) and case.batch in (1, 32)))
    ]


def warm_up(peer, architecture) -> float:
    """Makes a peer what it is on a server after a while; seconds of the first call."""
    x = peer.tensor(architecture.batch(1, 25))
    start = time.perf_counter()
    peer(x)
    seconds = time.perf_counter() - start
    for _ in range(WARM_UP):
        peer(x)
    return seconds


def first_call(peer, x, weights, mode):
    """Outputs, or for training the gradients of all weights, as a list of arrays; and the seconds that the call took."""
    if mode == "training":
        peer.reset(weights, STEEP)
    x = peer.tensor(x)
    start = time.perf_counter()
    outputs = peer(x)
    seconds = time.perf_counter() - start
    if mode == "inference":
        return [peer.numpy(outputs)], seconds
    gradients = [(before - after) / STEEP for before, after in zip(weights, peer.weights(), strict=True)]
    peer.reset(weights)
    return gradients, seconds


def difference(mode, expected, values) -> float:
    """The largest one; of a gradient relative to the largest value of that weight's gradient."""
    scales = [1 if mode == "inference" else np.abs(array).max() for array in expected]
    arrays = zip(expected, values, scales, strict=True)
    return max(float(np.abs(one - other).max() / scale) for one, other, scale in arrays)


def measure(case: Case, models: dict, weights) -> dict:
    """The row of a case.

    Raises:
        SystemExit: if a peer does not compute what stock Keras does.
    """
    x = case.architecture.batch(case.batch, case.length)
    first, differences, expected = {}, {}, None
    for name, model in models.items():
        values, first[name] = first_call(model, x, weights, case.mode)
        expected = values if expected is None else expected
        differences[name] = difference(case.mode, expected, values)
        if not differences[name] <= LIMIT:  # nor may it be NaN
            raise SystemExit(f"error: {name} differs from stock Keras by {differences[name]:.1e} in {' '.join(case.key)}.")
    calls = {name: functools.partial(model, model.tensor(x)) for name, model in models.items()}
    times = take_turns(calls, 41, warm_up=0, seconds=2, pause=PAUSE)
    ms = {name: statistics.median(values) for name, values in times.items()}
    row = dict(zip(KEY, case.key, strict=True)) | {"machine": machine()}
    row |= {f"{name}_ms": f"{value:.4g}" for name, value in ms.items()}
    row |= {f"vs_{name}": f"{ms[name] / ms['zoo']:.2f}" for name in COMPARED if name in ms}
    row |= {"gflop": f"{case.gflop:.4g}", "calls": len(times["zoo"])}
    if "keras_xla" in first:
        row["keras_xla_compile_s"] = f"{first['keras_xla']:.2f}"
    return row | {"largest_difference": f"{max(differences.values()):.1e}"}


def floor(row: dict, rates) -> dict:
    """The columns of a row that depend on the machine's rates."""
    case = Case.of(*(row[name] for name in KEY))
    ms = 1e3 * max(case.gflop / rates["matmul_gflop_per_s"], case.gigabytes / rates["copy_gb_per_s"])
    return {"floor_ms": f"{ms:.3g}", "zoo_share_of_floor": f"{ms / float(row['zoo_ms']):.3f}"}


def roofline() -> dict[str, float]:
    """Rates of this machine, the best of ten calls each."""

    def best(function):
        seconds = []
        for _ in range(10):
            start = time.perf_counter()
            float(tf.reshape(function(), [-1])[0])  # waits for a GPU
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    matrix, array = tf.random.normal([2048, 2048]), tf.zeros([64 * 2**20])
    return {
        "matmul_gflop_per_s": round(2e-9 * 2048**3 / best(lambda: matrix @ matrix), 1),
        "copy_gb_per_s": round(2 * 4e-9 * len(array) / best(lambda: tf.raw_ops.DeepCopy(x=array)), 1),  # reads and writes
    }


def plot(rows: list[dict], path: Path, device: str) -> None:
    """Draws how many times as fast as stock Keras and as PyTorch the zoo is, by batch size: each case, and the medians."""
    figure = Figure((10, 6.5), layout="constrained")
    panels = figure.subplots(len(MODES), len(CELLS), sharex=True, sharey=True)
    batches = sorted({int(row["batch"]) for row in rows})
    for (mode, cell), axes in zip(itertools.product(MODES, CELLS), panels.flat, strict=True):
        axes.axhline(1, color="0.3", linewidth=1)
        for name, label, colour, shift in (("keras", "stock Keras", "tab:blue", -0.1), ("torch", "PyTorch", "tab:orange", 0.1)):
            medians = []
            for place, batch in enumerate(batches):
                panel = [row for row in rows if (row["mode"], row["cell"], row["batch"]) == (mode, cell, str(batch))]
                ratios = [float(row[f"vs_{name}"]) for row in panel if row.get(f"vs_{name}")]
                axes.plot([place + shift] * len(ratios), ratios, "o", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
                medians.append(statistics.median(ratios) if ratios else math.nan)
            places = [place + shift for place in range(len(batches))]
            axes.plot(places, medians, "o-", color=colour, markersize=7, markeredgecolor="white", label=f"against {label}")
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
        axes.set_xticks(range(len(batches)), batches)
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
        axes.set_title(f"{cell.upper()}, {mode}", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    for axes in panels[-1]:
        axes.set_xlabel("batch size")
    figure.supylabel("time of the other / time of the zoo", fontsize=11)
    figure.suptitle(f"{device}: above 1× the zoo is faster. Small: every case; large: their median.", fontsize=11)
    figure.savefig(path, dpi=100)


def main(options: Options):
    """Measures what is missing, then draws the picture."""
    tf.get_logger().setLevel("ERROR")  # a notice at each export would break up the progress bar
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # PyTorch needs some too
    tf.config.experimental.enable_tensor_float_32_execution(False)
    device = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"
    slug = re.sub(r"\W+", "_", device.lower())
    path, rates_path = options.out / f"recurrent_{slug}.csv", options.out / f"roofline_{slug}.csv"
    options.out.mkdir(parents=True, exist_ok=True)
    rows = read_by(path, KEY)
    if not options.plot_only:
        fill(rows, path, rates_path, options, on_gpu=bool(gpus))
    if not rows:
        raise SystemExit(f"error: there is nothing in {path} to draw; run without --plot-only.")
    plot(list(rows.values()), path.with_suffix(".png"), device)
    print(f"Written: {path} and .png")


def fill(rows: dict[tuple, dict], path: Path, rates_path: Path, options: Options, on_gpu: bool) -> None:
    """Measures the cases whose rows are missing or lack a peer, and writes the table after each."""
    cases = grid(options)
    if not cases:
        raise SystemExit("error: no case is left; units 128 have 100 and 200 steps, the others 25, 100 and 400.")
    available = peers.available(on_gpu)
    todo = []
    for case in cases:
        names = taking_part(case, available)
        if options.fresh or not all(rows.get(case.key, {}).get(f"{name}_ms") for name in names):
            todo.append((case, names))
    here, rates, known = machine(), roofline(), read_by(rates_path, ("machine",))
    if before := known.get((here,)):  # an interrupted run: the better ones, for a machine may be busy
        rates = {name: max(rate, float(before[name])) for name, rate in rates.items()}
    known[here,] = {"machine": here, **rates}
    write(rates_path, known.values(), known[here,], show=False)
    for row in rows.values():
        if row["machine"] == here:
            row |= floor(row, rates)
    print(f"{len(cases)} cases, {len(cases) - len(todo)} of them there. {rates}", flush=True)
    timed = [name for name in ("zoo", *COMPARED) if not on_gpu or name != "onnxruntime"]
    columns = [*KEY, "machine", *(f"{name}_ms" for name in timed), *(f"vs_{name}" for name in timed[1:])]
    columns += ["gflop", "floor_ms", "zoo_share_of_floor", "calls", "zoo_first_call_s", "keras_xla_compile_s"]
    columns += ["largest_difference"]
    shown = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    with Progress(*shown, speed_estimate_period=1800) as progress:
        bar = progress.add_task("", total=sum(case.seconds for case, _ in todo))
        for (architecture, mode), group in itertools.groupby(todo, key=lambda pair: (pair[0].architecture, pair[0].mode)):
            weights = peers.initial_weights(architecture)
            models, first = {}, {}
            for case, names in group:
                progress.update(bar, description=" ".join(case.key))
                for name in names:
                    if name not in models:  # exported and traced once, for all shapes
                        models[name] = PEERS[name](architecture, weights, training=mode == "training")
                        if name != "keras_xla":  # it would compile the shape, and has no executor to learn
                            first[name] = warm_up(models[name], architecture)
                rows[case.key] = measure(case, {name: models[name] for name in names}, weights)
                rows[case.key]["zoo_first_call_s"] = f"{first['zoo']:.2f}"
                rows[case.key] |= floor(rows[case.key], rates)
                write(path, rows.values(), columns, show=False)
                progress.advance(bar, case.seconds)


if __name__ == "__main__":
    main(tyro.cli(Options))
