"""The recurrence as a `tf.while_loop` of few ops: runs on any device and under XLA, and TensorFlow differentiates it.

The projection of the inputs does not depend on the state, so it is one matrix product over all steps before the loop;
a step is left with one product of the state and a handful of element-wise ops.
"""

import tensorflow as tf

from zoo.kernels import cells


def run(cell, sequences, states, weights, truncation=None):
    """Runs all steps of every row, padded ones too, and returns each state at each step.

    Args:
        cell: "lstm", "gru" or "rnn".
        sequences: float [T, N, F].
        states: initial states, each float [N, U].
        weights: kernel [F, G*U], recurrent kernel [U, G*U] and bias ([G*U]; for a GRU [2, G*U]) in Keras's layout.
        truncation: no gradient crosses a multiple of so many steps; None for no such bounds.

    Returns:
        A tuple of float [T, N, U], one a state, the hidden state first.
    """
    recurrent_kernel = weights[1]
    projected = cells.project(cell, sequences, weights)
    _, inner_bias = cells.biases(cell, weights[2])
    steps = tf.shape(sequences)[0]
    arrays = [tf.TensorArray(state.dtype, steps, element_shape=state.shape) for state in states]
    inputs = tf.TensorArray(projected.dtype, steps, element_shape=projected.shape[1:]).unstack(projected)

    def body(step, arrays, states):
        if truncation:
            bound = (step > 0) & (step % truncation == 0)
            states = [tf.where(bound, tf.stop_gradient(state), state) for state in states]
        states, _ = cells.STEPS[cell](cells.parts(cell, inputs.read(step)), states, recurrent_kernel, inner_bias)
        return step + 1, [array.write(step, state) for array, state in zip(arrays, states, strict=True)], list(states)

    _, arrays, _ = tf.while_loop(
        lambda step, *_: step < steps, body, (0, arrays, list(states)), maximum_iterations=steps, parallel_iterations=32
    )
    return tuple(array.stack() for array in arrays)
