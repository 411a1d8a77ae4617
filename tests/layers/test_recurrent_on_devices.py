"""The recurrent layers in exports, for any device, and through cuDNN, against stock Keras on a CPU."""

import functools
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from twins import (
    FEATURES,
    LENGTHS,
    ROWS,
    STEPS,
    assert_equal,
    bidirectional,
    each_cell,
    initial_states,
    normal,
    single,
    twins,
    values,
)

from zoo import kernels
from zoo.kernels import rows as groups

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


def masks(rows):
    """Padded on the right, padded on the left, and with gaps."""
    right = tf.sequence_mask(np.resize(LENGTHS, rows), STEPS)
    return right, tf.reverse(right, [1]), tf.constant(np.random.default_rng(rows).random((rows, STEPS)) < 0.6)


def assert_serves_as(function, stock):
    for rows in (1, groups.UNGROUPED + 1, 2 * groups.LARGEST_GROUP + 1):
        for mask in masks(rows):
            arguments = {"sequences": normal(rows, STEPS, FEATURES), "mask": mask}
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
    for mask in masks(ROWS):
        arguments = normal(ROWS, STEPS, FEATURES), mask
        expected = stock(*arguments)
        fake = mock.Mock(side_effect=cudnn)
        with monkeypatch.context() as with_gpu:
            with_gpu.setattr(tf.config, "list_logical_devices", lambda kind: ["a GPU"])
            with_gpu.setattr(tf.raw_ops, "CudnnRNNV3", fake)
            actual = ours(*arguments)
        assert fake.call_count == (2 if case == "bidirectional" else 1)
        assert_equal(actual.values(), expected.values())


@each_cell
@pytest.mark.parametrize("unroll", (True, False), ids=("unrolled", "plain loop"))
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within the converter
def test_it_converts_to_the_built_in_ops_of_litert(cell, unroll, capfd):
    layer, _ = twins(cell, return_sequences=True, unroll=unroll)
    model = keras.Sequential([keras.Input(batch_shape=(ROWS, STEPS, FEATURES)), layer])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter._experimental_lower_tensor_list_ops = True
    with kernels.loop_scope():
        content = converter.convert()
    without = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=without)
    interpreter.allocate_tensors()
    sequences = normal(ROWS, STEPS, FEATURES)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sequences)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert_equal([answer], [model(sequences).numpy()])
