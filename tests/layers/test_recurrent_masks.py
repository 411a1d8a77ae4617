"""Masks and states of every kind that stock Keras takes: padding on either side, gaps, shapes that broadcast."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from twins import (
    CELLS,
    FEATURES,
    ROWS,
    STEPS,
    UNITS,
    assert_equal,
    bidirectional,
    each_cell,
    either,
    initial_states,
    normal,
    twins,
    values,
    values_and_gradients,
)

from zoo.kernels import rows as groups
from zoo.kernels.scan import STEPS_A_TURN

# padded on the left, with gaps, empty, padded on the right after a gap
MASK = tf.constant([[0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]) == 1


@each_cell
@either("go_backwards")
@either("zero_output_for_mask")
@pytest.mark.parametrize("way", ("eager", "traced", "XLA", "stock"))
def test_any_mask_gives_the_values_states_and_gradients_of_keras(cell, go_backwards, zero_output_for_mask, way):
    options = {"go_backwards": go_backwards, "zero_output_for_mask": zero_output_for_mask}
    if way == "stock":
        options["recurrent_dropout"] = 0.5
    ours, stock = twins(cell, return_sequences=True, return_state=True, **options)
    assert bool(ours.fallback_reason()) == (way == "stock")
    arguments = normal(ROWS, STEPS, FEATURES), initial_states(cell), MASK
    compute = values_and_gradients
    if way in ("traced", "XLA"):
        compute = tf.function(values_and_gradients, jit_compile=way == "XLA", autograph=False)
    assert_equal(compute(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
@either("training")
def test_any_mask_of_many_rows_and_steps_has_the_gradients_of_keras(cell, training):
    rows, steps = 2 * groups.LARGEST_GROUP + 1, 2 * STEPS_A_TURN + 3
    ours, stock = twins(cell, bidirectional, return_sequences=True, return_state=True)
    mask = tf.constant(np.random.default_rng(0).random((rows, steps)) < 0.6)
    arguments = normal(rows, steps, FEATURES), initial_states(cell, rows, directions=2), mask
    actual, expected = (values_and_gradients(layer, *arguments, training=training) for layer in (ours, stock))
    assert_equal(actual, expected, tolerance=1e-5 * rows)  # the gradients of the weights are sums over rows


@each_cell
def test_texts_as_pad_sequences_pads_them_give_what_keras_gives(cell):
    tokens = keras.utils.pad_sequences([[5, 3, 8, 1], [7], [2, 2]])
    assert tokens[1, 0] == 0  # on the left
    results = []
    for layer in twins(cell, features=2):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Embedding(9, 2, mask_zero=True), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        before = model.predict(tokens, verbose=0)
        model.fit(tokens, np.ones([3, 1]), verbose=0)
        results.append([before, *model.get_weights()])
    assert_equal(*results)


@each_cell
@pytest.mark.parametrize("traced", (False, True), ids=("eager", "traced"))
@pytest.mark.parametrize(
    "mask",
    (MASK[..., None], MASK[:1], MASK[1:2, :, None], tf.cast(MASK, tf.int32) * 7, normal(ROWS, STEPS, UNITS) > 0),
    ids=("(N, T, 1)", "(1, T)", "(1, T, 1)", "numbers", "each unit its own"),
)
def test_masks_of_the_shapes_that_keras_takes(cell, traced, mask):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    sequences = normal(ROWS, STEPS, FEATURES)
    function = tf.function(lambda x: values(ours, x, mask=mask)) if traced else lambda x: values(ours, x, mask=mask)
    assert_equal(function(sequences), values(stock, sequences, mask=mask))


@pytest.mark.parametrize(
    ("cell", "shape"), (*((cell, (1, UNITS)) for cell in CELLS), *((cell, (UNITS,)) for cell in ("lstm", "rnn"))), ids=str
)
@pytest.mark.parametrize("traced", (False, True), ids=("eager", "traced"))
def test_one_initial_state_serves_all_rows_as_in_keras(cell, shape, traced):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    states = [tf.reshape(state, shape) for state in initial_states(cell, rows=1)]
    arguments = normal(ROWS, STEPS, FEATURES), states, MASK
    compute = tf.function(values_and_gradients, autograph=False) if traced else values_and_gradients
    assert_equal(compute(ours, *arguments), values_and_gradients(stock, *arguments))


WRONG = ((ROWS, STEPS - 1), (ROWS, STEPS + 1), (ROWS, 1), (2, STEPS), (ROWS, STEPS - 1, 1), (STEPS,))


@each_cell
@pytest.mark.parametrize("shape", WRONG, ids=str)
def test_a_mask_of_another_length_or_number_of_rows_is_refused(cell, shape):
    layer, _ = twins(cell)
    with pytest.raises(ValueError, match=r"A mask must have a value for each of the steps, \[4, 4\] or \[1, 4\], not \("):
        layer(normal(ROWS, STEPS, FEATURES), mask=tf.ones(shape, tf.bool))


@pytest.mark.parametrize("shape", [shape for shape in WRONG if len(shape) == 2], ids=str)
def test_a_mask_of_another_length_or_number_of_rows_is_refused_where_only_the_run_can_tell(shape):
    layer, _ = twins("gru")
    signature = [tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None, None], tf.bool)]
    function = tf.function(lambda x, mask: layer(x, mask=mask), input_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a_mask_must_have_a_value_for_each_step|Incompatible shapes"):
        function(normal(ROWS, STEPS, FEATURES), tf.ones(shape, tf.bool))


@each_cell
def test_states_that_do_not_fit_are_refused(cell):
    layer, _ = twins(cell)
    with pytest.raises(ValueError, match=f"An initial state must have {UNITS} units, not 1"):
        values(layer, normal(ROWS, STEPS, FEATURES), initial_states(cell, units=1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        values(layer, normal(ROWS, STEPS, FEATURES), initial_states(cell, rows=2))


@pytest.mark.parametrize("cell", ("lstm", "gru"))
@pytest.mark.parametrize("options", ({}, {"activation": "relu"}), ids=str)
def test_cudnn_asked_for_without_a_gpu_is_refused_as_by_keras(cell, options):
    for layer in twins(cell, use_cudnn=True, **options):
        with pytest.raises(ValueError, match="use_cudnn=True was specified, but cuDNN is not supported"):
            layer(normal(ROWS, STEPS, FEATURES))
