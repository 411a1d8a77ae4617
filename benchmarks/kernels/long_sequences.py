"""Time and memory against the length of a sequence: one training step and one call of each cell, of the zoo and stock Keras.

    python benchmarks/kernels/long_sequences.py                    # about 6 minutes on 2 CPU cores
    python benchmarks/kernels/long_sequences.py --plot-only        # only draws the picture anew

A layer with all its outputs, batch 8, 64 units, 2 features. Training: mean of squares, its gradients for weights and
inputs (as a layer below needs them), plain SGD, in a `tf.function` as `zoo.fit` traces it. Inference: the zoo's as it is in an
export, stock Keras's in a `tf.function`. Each case has a process of its own and is first called with a sequence of 8 steps:
the graph, and all that does not depend on the length, is then there. Memory is the peak of what the process holds beyond that;
time is the median of the calls after the first.

Writes results/long_sequences_cpu.csv and .png. Linear in the length is an exponent of 1.
"""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from rich.progress import track

import zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, medians, read, write

CELLS = {"rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
PEERS = {"zoo": zoo.layers, "keras": keras.layers}
MODES = ("training", "inference")
BATCH, UNITS, FEATURES = 8, 64, 2
MEASURES = {"ms": "milliseconds", "peak_mb": "peak memory, MB"}


@dataclass(frozen=True)
class Options:
    """Which lengths, and where the results go."""

    # Numbers of steps.
    lengths: tuple[int, ...] = (625, 1250, 2500, 5000, 10000)
    # Calls of a case, the first one aside; fewer where they would take longer than 6 seconds.
    calls: int = 9
    # Directory of the results.
    out: Path = RESULTS
    # Measures nothing.
    plot_only: bool = False


def measure(cell, peer, mode, steps, calls, sender) -> None:
    """Runs one case in the process it is called in, and sends its row."""
    layer = getattr(PEERS[peer], CELLS[cell])(UNITS, return_sequences=True)
    layer.build((BATCH, None, FEATURES))
    variables = [weight.value for weight in layer.trainable_variables]

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        *gradients, below = tape.gradient(loss, [*variables, x])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.01 * gradient)
        return below  # returned, or it would not be computed

    signature = [tf.TensorSpec([BATCH, None, FEATURES])]
    if mode == "training":
        function = tf.function(step, input_signature=signature, autograph=False).get_concrete_function()
    else:
        with zoo.kernels.export_scope():
            function = tf.function(layer, input_signature=signature, autograph=False).get_concrete_function()
    random = np.random.default_rng(0)
    short, long = (tf.constant(random.normal(size=(BATCH, length, FEATURES)), tf.float32) for length in (8, steps))
    for _ in range(2):  # the first call optimises the graph
        function(short)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, at what is held now
    base = _megabytes("VmRSS")
    ms = medians({"ms": lambda: function(long)}, calls, warm_up=1, seconds=6)["ms"]
    row = {"cell": cell, "peer": peer, "mode": mode, "steps": steps}
    sender.send(row | {"ms": round(ms, 2), "peak_mb": max(round(_megabytes("VmHWM") - base, 1), 0.1)})


def _megabytes(field) -> float:
    """A field of Linux's status of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) * 1024 / 1e6


def exponent(rows, measure) -> float:
    """The slope of a measure against the steps, both as logarithms, by least squares."""
    steps, values = ([float(row[key]) for row in rows] for key in ("steps", measure))
    return float(np.polyfit(np.log(steps), np.log(values), 1)[0])


def plot(rows, path) -> None:
    """Draws time and memory against the steps, with the exponents in the legends."""
    figure = Figure((10, 7.5), layout="constrained")
    colours = dict(zip(CELLS, ("tab:green", "tab:orange", "tab:blue"), strict=True))
    panels = figure.subplots(len(MEASURES), len(MODES), sharex=True)
    lengths = sorted({int(row["steps"]) for row in rows})
    for line, (measure, title) in enumerate(MEASURES.items()):
        for column, mode in enumerate(MODES):
            axes = panels[line, column]
            for cell, colour in colours.items():
                for peer, style in (("zoo", "o-"), ("keras", "s--")):
                    part = [row for row in rows if (row["cell"], row["peer"], row["mode"]) == (cell, peer, mode)]
                    values = [float(row[measure]) for row in part]
                    label = f"{peer}, {cell}: {exponent(part, measure):.2f}"
                    fill = colour if peer == "zoo" else "none"
                    axes.loglog([int(row["steps"]) for row in part], values, style, color=colour, mfc=fill, ms=4, label=label)
            low = min(float(row[measure]) for row in rows if row["mode"] == mode)
            axes.loglog(lengths, [low / 2 * steps / lengths[0] for steps in lengths], color="0.6", lw=3, label="linear: 1")
            axes.set(title=mode if line == 0 else None, ylabel=title, xticks=lengths)
            axes.set_xticklabels([f"{steps:,}" for steps in lengths])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(color="0.92")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=8, title="exponent", title_fontsize=8, loc="upper left", ncols=2)
            bottom, top = axes.get_ylim()
            axes.set_ylim(bottom, top * (top / bottom) ** 0.35)  # room for the legend
    for axes in panels[-1]:
        axes.set_xlabel("steps")
    figure.savefig(path, dpi=100)


def main(options: Options) -> None:
    """Measures each case, writes each row, draws the picture."""
    table = options.out / "long_sequences_cpu.csv"
    if not options.plot_only:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        cases = [(c, p, m, steps) for m in MODES for c in CELLS for p in PEERS for steps in sorted(options.lengths)]
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["zoo.layers"])  # TensorFlow is imported once; its runtime starts in each process
        measured = []
        for case in track(cases):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=measure, args=(*case, options.calls, sender))
            process.start()
            sender.close()
            measured.append(receiver.recv())
            process.join()
            write(table, measured, show=False)
    rows = read(table)
    plot(rows, table.with_suffix(".png"))
    print(f"Written: {table} and {table.with_suffix('.png')}")


if __name__ == "__main__":
    main(tyro.cli(Options))
