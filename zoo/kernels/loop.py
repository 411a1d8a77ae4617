"""The recurrence as a `tf.while_loop` of few ops: runs on any device, differentiates, and is the reference inside this package.

The projection of the inputs does not depend on the state, so it is one matrix product over all steps before the loop;
a step is left with one product of the state and a handful of element-wise ops.
"""

import tensorflow as tf


def lstm_step(projected, states, recurrent_kernel, _):
    """One step of an LSTM, gates in Keras's order i, f, c, o (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""
    hidden, carry = states
    i, f, c, o = tf.split(projected + tf.matmul(hidden, recurrent_kernel), 4, axis=-1)
    carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(c)
    return tf.sigmoid(o) * tf.tanh(carry), carry


def gru_step(projected, states, recurrent_kernel, recurrent_bias):
    """One step of a GRU with the reset gate after the product, gates in Keras's order z, r, h (Cho et al. 2014)."""
    (hidden,) = states
    x_gates, x_candidate = tf.split(projected, [2 * hidden.shape[-1], hidden.shape[-1]], axis=-1)
    inner = tf.matmul(hidden, recurrent_kernel) + recurrent_bias
    h_gates, h_candidate = tf.split(inner, [2 * hidden.shape[-1], hidden.shape[-1]], axis=-1)
    z, r = tf.split(tf.sigmoid(x_gates + h_gates), 2, axis=-1)
    candidate = tf.tanh(x_candidate + r * h_candidate)
    return (candidate + z * (hidden - candidate),)


def rnn_step(projected, states, recurrent_kernel, _):
    """One step of a vanilla RNN with tanh (Elman 1990)."""
    return (tf.tanh(projected + tf.matmul(states[0], recurrent_kernel)),)


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


def run(cell, sequences, states, weights):
    """Runs all steps of every row, padded ones too, and returns each state at each step.

    Args:
        cell: "lstm", "gru" or "rnn".
        sequences: float [T, N, F].
        states: initial states, each float [N, U].
        weights: kernel [F, G*U], recurrent kernel [U, G*U] and bias ([G*U]; for a GRU [2, G*U]) in Keras's layout.

    Returns:
        A tuple of float [N, T, U], one a state, the hidden state first.
    """
    kernel, recurrent_kernel, bias = weights
    input_bias, recurrent_bias = tf.unstack(bias) if cell == "gru" else (bias, None)
    steps, batch = tf.shape(sequences)[0], tf.shape(sequences)[1]
    flat = tf.reshape(sequences, [-1, sequences.shape[-1]])
    projected = tf.reshape(tf.matmul(flat, kernel) + input_bias, [steps, batch, kernel.shape[-1]])
    arrays = [tf.TensorArray(state.dtype, steps, element_shape=state.shape) for state in states]
    inputs = tf.TensorArray(projected.dtype, steps, element_shape=projected.shape[1:]).unstack(projected)

    def body(step, arrays, states):
        states = STEPS[cell](inputs.read(step), states, recurrent_kernel, recurrent_bias)
        return step + 1, [array.write(step, state) for array, state in zip(arrays, states, strict=True)], list(states)

    _, arrays, _ = tf.while_loop(
        lambda step, *_: step < steps, body, (0, arrays, list(states)), maximum_iterations=steps, parallel_iterations=32
    )
    return tuple(tf.transpose(array.stack(), [1, 0, 2]) for array in arrays)
