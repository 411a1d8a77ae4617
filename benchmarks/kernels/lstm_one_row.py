"""Where the time of an LSTM goes that reads one row, against the arithmetic: 128 units, 100 steps, on a CPU.

    python benchmarks/kernels/lstm_one_row.py             # about half a minute

A step multiplies the inputs and the state, 256 numbers, by 256 x 512 weights. No step can start before the last is done, so
these are matrix-vector products, and all that a product can do is to read half a megabyte of weights from the cache: this is
the floor that is shown, as a chain of such products in NumPy (OpenBLAS). The rows are medians of calls that alternate. Writes
results/lstm_one_row_cpu.csv.
"""

import functools
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from peers import Architecture, Keras, Zoo, initial_weights

from zoo.kernels import LSTM

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import WARM_UP, medians, write

UNITS, STEPS, ROUNDS = 128, 100, 400


def products(weights, row):
    """A step's product of one row, over and over."""
    for _ in range(STEPS):
        np.dot(row, weights)


def main():
    """Times them, and writes the table."""
    architecture = Architecture("vectors", "lstm", directions=1, layers=1, units=UNITS)
    weights = initial_weights(architecture)
    stock, ours = (peer(architecture, weights, training=False) for peer in (Keras, Zoo))
    x, first = (tf.constant(architecture.batch(1, steps)) for steps in (STEPS, 1))
    states, constants = [tf.zeros([1, UNITS])] * 2, [tf.constant(weight) for weight in weights]
    joined, row = np.concatenate(weights[:2]), np.ones(2 * UNITS, np.float32)
    op = tf.function(lambda x: LSTM.all_steps(x, states, constants)[-1], autograph=False)
    calls = {
        "stock Keras, reloaded SavedModel": functools.partial(stock, x),
        "stock Keras, the same of 1 step": functools.partial(stock, first),
        "zoo, reloaded SavedModel": functools.partial(ours, x),
        "zoo, the same of 1 step": functools.partial(ours, first),
        "BlockLSTMV2 alone": functools.partial(op, tf.transpose(x, [1, 0, 2])),
        "its matrix-vector products alone": functools.partial(products, joined, row),
    }
    ms = medians(calls, ROUNDS, warm_up=WARM_UP)
    whole = ms["stock Keras, reloaded SavedModel"]
    write(
        "lstm_one_row_cpu",
        [{"what": name, "ms": f"{value:.3f}", "stock Keras / this": f"{whole / value:.2f}"} for name, value in ms.items()],
    )


if __name__ == "__main__":
    main()
