"""The recurrent layers against stock Keras on a CPU, the reference: values, states and gradients, under any flag."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import (
    CELLS,
    FEATURES,
    LENGTHS,
    ROWS,
    STEPS,
    UNITS,
    assert_equal,
    bidirectional,
    each_cell,
    either,
    initial_states,
    normal,
    single,
    stack,
    twins,
    values,
    values_and_gradients,
)

from zoo import kernels
from zoo.kernels import rows as groups
from zoo.kernels.scan import STEPS_A_TURN


@each_cell
@pytest.mark.parametrize("padding", ("none", "repeated", "zeros"))
@either("go_backwards")
@either("return_sequences")
def test_values_states_and_gradients_are_those_of_keras(cell, padding, go_backwards, return_sequences):
    ours, stock = twins(
        cell,
        go_backwards=go_backwards,
        return_sequences=return_sequences,
        return_state=True,
        zero_output_for_mask=padding == "zeros",
    )
    assert ours.fallback_reason() is None
    mask = None if padding == "none" else tf.sequence_mask(LENGTHS)
    arguments = normal(ROWS, STEPS, FEATURES), initial_states(cell), mask
    assert_equal(values_and_gradients(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
@pytest.mark.parametrize(
    ("options", "with_states"),
    (
        ({}, False),
        ({"return_sequences": True}, False),
        ({"return_sequences": True, "merge_mode": None}, False),
        ({"return_state": True, "merge_mode": "sum"}, True),
    ),
    ids=str,
)
@either("masked")
def test_bidirectional_is_that_of_keras(cell, options, with_states, masked):
    ours, stock = twins(cell, bidirectional, **options)
    assert type(ours.backward_layer) is CELLS[cell][0]
    states = initial_states(cell, directions=2) if with_states else None
    arguments = normal(ROWS, STEPS, FEATURES), states, tf.sequence_mask(LENGTHS) if masked else None
    assert_equal(values_and_gradients(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
def test_a_mask_passes_through_a_stack_as_in_keras(cell):
    ours, stock = twins(cell, stack)
    sequences = normal(ROWS, STEPS, FEATURES) * tf.sequence_mask(LENGTHS, dtype=tf.float32)[..., None]
    assert_equal(values_and_gradients(ours, sequences), values_and_gradients(stock, sequences))


@each_cell
def test_a_traced_training_step_has_the_gradients_of_keras(cell):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    sequences, states, mask = normal(ROWS, STEPS, FEATURES), initial_states(cell), tf.sequence_mask(LENGTHS)

    @tf.function(input_signature=[tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None, None], tf.bool)])
    def loss_gradients(sequences, mask):
        with tf.GradientTape() as tape:
            tape.watch([sequences, *states])
            outputs, *last = ours(sequences, initial_state=states, mask=mask, training=True)
            loss = tf.reduce_sum(outputs * normal(ROWS, STEPS, UNITS, seed=5))
            loss += tf.add_n([tf.reduce_sum(state * normal(ROWS, UNITS, seed=5)) for state in last])
        gradients = tape.gradient(loss, [sequences, *states, *(weight.value for weight in ours.trainable_weights)])
        return [outputs, *last, *gradients]

    assert_equal(loss_gradients(sequences, mask), values_and_gradients(stock, sequences, states, mask))


@each_cell
@pytest.mark.parametrize("options", ({"dropout": 0.5}, {"recurrent_dropout": 0.5}), ids=str)
def test_dropout_with_a_seed_drops_what_keras_drops(cell, options):
    ours, stock = twins(cell, seed=1, return_sequences=True, **options)
    sequences = normal(ROWS, STEPS, FEATURES)
    trained = values_and_gradients(ours, sequences, training=True)
    assert_equal(trained, values_and_gradients(stock, sequences, training=True))
    assert not np.allclose(trained[0], stock(sequences))
    assert_equal([ours(sequences)], [stock(sequences)])


@each_cell
def test_a_stateful_layer_goes_on_where_it_stopped_as_in_keras(cell):
    results = []
    for layer_class in CELLS[cell]:
        layer = layer_class(UNITS, stateful=True)
        layer.build((ROWS, STEPS, FEATURES))
        for index, weight in enumerate(layer.trainable_weights):
            weight.assign(normal(*weight.shape, seed=index))
        results.append([layer(normal(ROWS, STEPS, FEATURES, seed=seed)) for seed in range(3)])
    assert_equal(*results)


@given(
    cell=st.sampled_from(list(CELLS)),
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    extra_steps=st.integers(0, 2),
    sizes=st.sampled_from([(FEATURES, UNITS), (1, 1)]),  # few, since kernels are traced for each
    masked=st.booleans(),
    with_states=st.booleans(),
    flags=st.fixed_dictionaries(
        {flag: st.booleans() for flag in ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")}
    ),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_shape_and_flags_give_what_keras_gives(cell, lengths, extra_steps, sizes, masked, with_states, flags):
    rows, steps, (features, units) = len(lengths), max(*lengths, 1) + extra_steps, sizes
    ours, stock = twins(cell, features=features, units=units, **flags)
    states = initial_states(cell, rows, units) if with_states else None
    arguments = normal(rows, steps, features), states, tf.sequence_mask(lengths, steps) if masked else None
    assert_equal(values_and_gradients(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
@pytest.mark.parametrize("rows", (1, groups.UNGROUPED + 1, 2 * groups.LARGEST_GROUP + 1))
@either("training")
def test_batches_of_any_size_have_the_gradients_of_keras(cell, rows, training):
    """More steps than a turn of the loop takes, more rows than a group holds, and groups that are not full."""
    steps = 2 * STEPS_A_TURN + 3
    ours, stock = twins(cell, bidirectional, return_sequences=True, return_state=True)
    lengths = np.random.default_rng(rows).integers(0, steps + 1, rows)
    arguments = normal(rows, steps, FEATURES), initial_states(cell, rows, directions=2), tf.sequence_mask(lengths, steps)
    actual, expected = (values_and_gradients(layer, *arguments, training=training) for layer in (ours, stock))
    assert_equal(actual, expected, tolerance=1e-5 * rows)  # the gradients of the weights are sums over rows


@each_cell
@either("masked")
def test_compiled_by_xla_it_gives_what_keras_gives(cell, masked):
    ours, stock = twins(cell, return_sequences=True)
    sequences, mask = normal(ROWS, STEPS, FEATURES), tf.sequence_mask(LENGTHS) if masked else None
    compiled = tf.function(lambda: values_and_gradients(ours, sequences, None, mask, training=True), jit_compile=True)
    assert_equal(compiled(), values_and_gradients(stock, sequences, None, mask, training=True))


@each_cell
@pytest.mark.parametrize("compiled", (False, True), ids=("kernels", "XLA"))
def test_a_truncated_gradient_ends_at_every_window(cell, compiled):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    sequences, states = normal(ROWS, 7, FEATURES), initial_states(cell)

    def in_windows(sequences, initial_state, training):
        outputs = []
        for start in (0, 3, 6):
            output, *initial_state = stock(sequences[:, start : start + 3], initial_state=initial_state, training=training)
            outputs.append(output)
            last, initial_state = initial_state, [tf.stop_gradient(state) for state in initial_state]
        return tf.concat(outputs, axis=1), *last

    in_windows.trainable_weights = stock.trainable_weights
    expected = values_and_gradients(in_windows, sequences, states, training=True)
    with kernels.truncation_scope(3):
        function = tf.function(lambda: values_and_gradients(ours, sequences, states, training=True), jit_compile=compiled)
        assert_equal(function(), expected)
    whole = values_and_gradients(ours, sequences, states, training=True)
    assert not np.allclose(whole[-1], expected[-1], atol=1e-3)


@each_cell
def test_bfloat16_trains_near_float32(cell):
    structure = functools.partial(single, return_sequences=True)
    narrow, _ = twins(cell, structure, dtype="mixed_bfloat16")
    wide, _ = twins(cell, structure)
    mask = tf.sequence_mask(LENGTHS)
    results = []
    for layer in (narrow, wide):
        with tf.GradientTape() as tape:
            outputs = layer(normal(ROWS, STEPS, FEATURES), mask=mask, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * normal(ROWS, STEPS, UNITS, seed=5))
        results.append([outputs, *tape.gradient(loss, [weight.value for weight in layer.trainable_weights])])
    assert results[0][0].dtype == tf.bfloat16
    for rough, exact in zip(*results, strict=True):
        np.testing.assert_allclose(tf.cast(rough, tf.float32), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    (
        *((cell, {"unroll": True}, "unroll=True asks for an unrolled graph") for cell in CELLS),
        *((cell, {"activation": "relu"}, "activation is not tanh") for cell in CELLS),
        *((cell, {"use_bias": False}, "use_bias=False") for cell in CELLS),
        *((cell, {"recurrent_dropout": 0.1}, "recurrent_dropout changes the state at every step") for cell in CELLS),
        ("lstm", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation is not sigmoid"),
        ("gru", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation is not sigmoid"),
        ("gru", {"reset_after": False}, "reset_after=False has no cuDNN kernel"),
        *((cell, {"use_cudnn": False}, "use_cudnn=False asks for Keras's loop") for cell in ("lstm", "gru")),
    ),
    ids=str,
)
def test_what_the_kernels_cannot_do_runs_as_stock_keras_and_says_why(cell, options, reason):
    ours, stock = twins(cell, return_sequences=True, return_state=True, **options)
    assert ours.fallback_reason() == reason
    arguments = normal(ROWS, STEPS, FEATURES), initial_states(cell), tf.sequence_mask(LENGTHS)
    assert_equal(values_and_gradients(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
def test_configuration_is_that_of_keras_and_comes_back(cell):
    options = {"return_sequences": True, "zero_output_for_mask": True, "dropout": 0.25, "name": "same"}
    ours, stock = twins(cell, **options)
    assert ours.get_config() == stock.get_config()
    again = CELLS[cell][0].from_config(ours.get_config())
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    wrapped = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(keras.layers.Bidirectional(ours)))
    for layer in (again, restored):
        assert type(layer) is type(ours)
        assert layer.get_config() == ours.get_config()
    assert type(wrapped.forward_layer) is type(wrapped.backward_layer) is type(ours)


@each_cell
def test_mixed_precision_computes_in_float16_and_learns_in_float32(cell):
    ours, stock = twins(cell, return_sequences=True, return_state=True, dtype="mixed_float16")
    arguments = normal(ROWS, STEPS, FEATURES), None, tf.sequence_mask(LENGTHS)
    outputs = values(ours, *arguments)
    assert {output.dtype for output in outputs} == {tf.float16}
    assert {weight.dtype for weight in ours.weights} == {"float32"}
    assert_equal(outputs, values(stock, *arguments), tolerance=2e-3)
