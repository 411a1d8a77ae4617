"""Zoo layers and stock Keras ones with the same weights, and what they give, for comparison."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import layers

CELLS = {
    "lstm": (layers.LSTM, keras.layers.LSTM),
    "gru": (layers.GRU, keras.layers.GRU),
    "rnn": (layers.SimpleRNN, keras.layers.SimpleRNN),
}
FEATURES, UNITS = 3, 4
LENGTHS = (4, 0, 1, 3)
ROWS, STEPS = len(LENGTHS), max(LENGTHS)

each_cell = pytest.mark.parametrize("cell", CELLS)


def either(name):
    return pytest.mark.parametrize(name, (False, True), ids=(f"not {name}", name))


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng([seed, *shape]).normal(size=shape), tf.float32)


def initial_states(cell, rows=ROWS, units=UNITS, directions=1):
    return [normal(rows, units, seed=10 + index) for index in range(directions * (2 if cell == "lstm" else 1))]


def single(layer_class, units=UNITS, **options):
    return layer_class(units, **options)


def bidirectional(layer_class, merge_mode="concat", **options):
    return keras.layers.Bidirectional(layer_class(UNITS, **options), merge_mode=merge_mode)


def stack(layer_class):
    return keras.Sequential(
        [
            keras.layers.Masking(),
            layer_class(UNITS, return_sequences=True),
            bidirectional(layer_class, return_sequences=True),
            layer_class(UNITS, go_backwards=True),
        ]
    )


def twins(cell, structure=single, features=FEATURES, **options):
    """The same structure of zoo layers and of stock ones, with the same random weights."""
    ours, stock = (structure(layer_class, **options) for layer_class in CELLS[cell])
    for layer in (ours, stock):
        layer.build((None, None, features))
        for index, weight in enumerate(layer.trainable_weights):
            weight.assign(0.5 * normal(*weight.shape, seed=index))
    return ours, stock


def values(layer, sequences, states=None, mask=None, training=False):
    options = {"mask": mask, "initial_state": states}
    options = {name: value for name, value in options.items() if value is not None}
    return tf.nest.flatten(layer(sequences, training=training, **options))


def values_and_gradients(layer, sequences, states=None, mask=None, training=False):
    """Outputs, and the gradients of a random projection of them with respect to inputs, initial states and weights."""
    inputs = [sequences, *(states or [])]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        results = values(layer, sequences, states, mask, training)
        loss = tf.add_n([tf.reduce_sum(result * normal(*result.shape, seed=5)) for result in results])
    return results + tape.gradient(loss, inputs + [weight.value for weight in layer.trainable_weights])


def assert_equal(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected)
    for index, (ours, stock) in enumerate(zip(actual, expected, strict=True)):
        assert ours.dtype == stock.dtype
        np.testing.assert_allclose(ours, stock, rtol=0, atol=tolerance, err_msg=f"result {index}")
