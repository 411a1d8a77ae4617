"""The recurrence as a `tf.while_loop` of few ops: runs on any device and under XLA, and TensorFlow can differentiate it.

The projection of the inputs does not depend on the state, so it is one matrix product over all steps before the loop;
a step is left with one product of the state and a handful of element-wise ops.
"""

import tensorflow as tf

from zoo.kernels import cells
from zoo.kernels.padding import Reading


def run(cell, sequences, states, mask, weights, *, padding, truncation=None):
    """Runs all rows.

    Args:
        cell: "lstm", "gru" or "rnn".
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        mask: bool [N, T], or None if `padding` is not masked.
        weights: kernel [F, G*U], recurrent kernel [U, G*U] and bias ([G*U]; for a GRU [2, G*U]) in Keras's layout.
        padding: a `Padding`.
        truncation: no gradient crosses a multiple of so many steps, in the order of reading; None for no such bounds.

    Returns:
        Outputs, float [N, T, U], and the tuple of last states, each float [N, U].
    """
    reading = Reading(padding, mask)
    every = _every_state(cell, reading.read(sequences), states, weights, truncation)
    return reading.write(every[0]), reading.last(every, states)


def _every_state(cell, sequences, states, weights, truncation):
    """Each state at each step: inputs float [T, N, F] → a tuple of float [T, N, U], the hidden state first."""
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
