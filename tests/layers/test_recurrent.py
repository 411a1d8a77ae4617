"""The recurrent layers against stock Keras on a CPU, the reference: values, states and gradients, in and out of an export."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import kernels, layers
from zoo.kernels import rows as groups
from zoo.kernels.scan import STEPS_A_TURN

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
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    masked=st.booleans(),
    with_states=st.booleans(),
    flags=st.fixed_dictionaries(
        {flag: st.booleans() for flag in ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")}
    ),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_shape_and_flags_give_what_keras_gives(cell, lengths, extra_steps, features, units, masked, with_states, flags):
    rows, steps = len(lengths), max(*lengths, 1) + extra_steps
    ours, stock = twins(cell, features=features, units=units, **flags)
    states = initial_states(cell, rows, units) if with_states else None
    arguments = normal(rows, steps, features), states, tf.sequence_mask(lengths, steps) if masked else None
    assert_equal(values_and_gradients(ours, *arguments), values_and_gradients(stock, *arguments))


@each_cell
@pytest.mark.parametrize("rows", (1, groups.ALONE + 1, 2 * groups.LARGEST + 1))
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
def test_a_gradient_of_a_gradient_is_refused(cell):
    layer, _ = twins(cell)
    sequences = normal(ROWS, STEPS, FEATURES)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(sequences)
        inner.watch(sequences)
        output = layer(sequences)
        with pytest.raises(NotImplementedError, match="gradient of a gradient through a zoo recurrent layer is not defined"):
            outer.gradient(inner.gradient(output, sequences), sequences)


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


# structure, its options, what it is called with beside the sequences
SERVED = {
    "sequences": (single, {"return_sequences": True, "return_state": True}, ("mask",)),
    "backwards": (single, {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True}, ("mask",)),
    "last, from states": (single, {"return_state": True}, ("mask", "states")),
    "unmasked, from states": (single, {"go_backwards": True}, ("states",)),
    "bidirectional": (bidirectional, {"return_sequences": True}, ("mask",)),
}
each_served = pytest.mark.parametrize("case", SERVED)


def served(cell, case):
    """Two functions of sequences and mask, of the zoo's layer and of the stock one."""
    structure, options, takes = SERVED[case]

    def function(layer, sequences, mask):
        states = [tf.repeat(state[:1], tf.shape(sequences)[0], axis=0) for state in initial_states(cell)]
        results = values(layer, sequences, states if "states" in takes else None, mask if "mask" in takes else None)
        return {f"result_{index}": result for index, result in enumerate(results)}

    return [functools.partial(function, layer) for layer in twins(cell, structure, **options)]


def with_signature(function):
    specs = tf.TensorSpec([None, None, FEATURES], name="sequences"), tf.TensorSpec([None, None], tf.bool, name="mask")
    return tf.function(function, input_signature=specs)


def operations(function):
    graph = function.get_concrete_function().graph.as_graph_def()
    return {node.op for nodes in (graph.node, *(part.node_def for part in graph.library.function)) for node in nodes}


def assert_serves_as(function, stock):
    for rows in (1, groups.ALONE + 1, 2 * groups.LARGEST + 1):
        arguments = {"sequences": normal(rows, STEPS, FEATURES), "mask": tf.sequence_mask(np.resize(LENGTHS, rows), STEPS)}
        answers, expected = function(**arguments), stock(**arguments)
        assert_equal([answers[name] for name in expected], expected.values())


@each_cell
@each_served
def test_a_graph_for_any_device_gives_what_keras_gives(cell, case):
    ours, stock = served(cell, case)
    ours = with_signature(ours)
    with kernels.export_scope():
        assert operations(ours) >= {"CudnnRNNV3"} | ({"BlockLSTMV2"} if cell == "lstm" else set())
    assert_serves_as(ours, stock)


@each_cell
def test_a_saved_model_for_any_device_gives_what_keras_gives(cell, tmp_path):
    ours, stock = served(cell, "bidirectional")
    module = tf.Module()
    module.answer = with_signature(ours)
    module.weights = [weight.value for weight in ours.args[0].weights]
    with kernels.export_scope():
        tf.saved_model.save(module, str(tmp_path), signatures=module.answer)
    assert_serves_as(tf.saved_model.load(str(tmp_path)).signatures["serving_default"], stock)


def test_a_trace_outside_an_export_holds_the_kernel_of_this_device_alone():
    ours, _ = served("lstm", "bidirectional")
    with kernels.export_scope():
        pass
    assert not operations(with_signature(ours)) & {"CudnnRNNV3", "DeviceIndex"}


@each_cell
@pytest.mark.parametrize("options", ({}, {"recurrent_dropout": 0.1}), ids=("kernels", "stock"))
@pytest.mark.parametrize("traced", (False, True), ids=("eager", "traced"))
def test_a_mask_that_is_not_right_padded_is_refused(cell, options, traced):
    layer, _ = twins(cell, **options)
    function = tf.function(layer) if traced else layer
    right, left, gap = [True, True, False], [False, True, True], [True, False, True]
    for mask in ([right, left], [gap, right]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be right-padded: .* Pad sequences on the right"):
            function(normal(2, 3, FEATURES), mask=tf.constant(mask))


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


def cudnn(*, input, input_h, input_c, params, sequence_lengths, rnn_mode, is_training, time_major):
    """`CudnnRNNV3` in NumPy, from cuDNN's documentation: its equations, its order of gates and of parameters."""
    assert not time_major
    x, lengths = input.numpy(), sequence_lengths.numpy()
    assert lengths.min() >= 1, "cuDNN refuses empty sequences"
    rows, steps, features = x.shape
    units = input_h.shape[-1]
    gates = {"lstm": 4, "gru": 3, "rnn_tanh": 1}[rnn_mode]
    # every input matrix, every recurrent matrix, [units, inputs] each; every input bias, every recurrent bias
    sizes = [units * features] * gates + [units * units] * gates + [units] * 2 * gates
    pieces = np.split(params.numpy(), np.cumsum(sizes)[:-1])
    assert pieces[-1].size == units
    w, r = (np.reshape(part, [gates, units, -1]) for part in (pieces[:gates], pieces[gates : 2 * gates]))
    bw, br = pieces[2 * gates : 3 * gates], pieces[3 * gates :]
    outputs = np.zeros([rows, steps, units], np.float32)
    last_h, last_c = input_h.numpy()[:, 0].copy(), np.zeros([rows, units], np.float32)

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    for row in range(rows):
        h = input_h.numpy()[row, 0]
        c = input_c.numpy()[row, 0] if rnn_mode == "lstm" else None
        for step in range(lengths[row]):
            from_x = [w[gate] @ x[row, step] + bw[gate] for gate in range(gates)]
            from_h = [r[gate] @ h + br[gate] for gate in range(gates)]
            if rnn_mode == "lstm":  # input, forget, new memory, output
                i, f, new, o = (a + b for a, b in zip(from_x, from_h, strict=True))
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
                h = sigmoid(o) * np.tanh(c)
                last_c[row] = c
            elif rnn_mode == "gru":  # reset, update, new memory
                reset, update = sigmoid(from_x[0] + from_h[0]), sigmoid(from_x[1] + from_h[1])
                h = (1 - update) * np.tanh(from_x[2] + reset * from_h[2]) + update * h
            else:
                h = np.tanh(from_x[0] + from_h[0])
            outputs[row, step] = h
        last_h[row] = h
    return tf.constant(outputs), tf.constant(last_h[:, None]), tf.constant(last_c[:, None]), None, None


@each_cell
@each_served
def test_weights_and_lengths_reach_cudnn_in_its_own_layout(cell, case, monkeypatch):
    ours, stock = served(cell, case)
    arguments = normal(ROWS, STEPS, FEATURES), tf.sequence_mask(LENGTHS)
    expected = stock(*arguments)
    calls = []
    with monkeypatch.context() as with_gpu:
        with_gpu.setattr(tf.config, "list_logical_devices", lambda kind: ["a GPU"])
        with_gpu.setattr(tf.raw_ops, "CudnnRNNV3", lambda **kwargs: calls.append(1) or cudnn(**kwargs))
        actual = ours(*arguments)
    assert len(calls) == (2 if case == "bidirectional" else 1)
    assert_equal(actual.values(), expected.values())
