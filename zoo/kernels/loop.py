"""The recurrence as a `tf.while_loop` of few ops: runs on any device and under XLA, and TensorFlow can differentiate it.

The projection of the inputs does not depend on the state, so it is one matrix product over all steps before the loop;
a step is left with one product of the state and a handful of element-wise ops.
"""

import tensorflow as tf

from zoo.kernels.packing import Packing, Results


def run(cell, inputs, weights, *, zero_output, truncation=None):
    """Runs all rows.

    Args:
        cell: of `zoo.kernels.cells`.
        inputs: `Inputs`.
        weights: kernel [F, G*U], recurrent kernel [U, G*U] and bias ([G*U]; for a GRU [2, G*U]) in Keras's layout.
        zero_output: see `Packing`.
        truncation: no gradient crosses a multiple of so many steps, in the order of reading; None for no such bounds.

    Returns:
        `Results`.
    """
    packing = Packing(inputs.mask, zero_output)
    states = _states(cell, packing.pack(inputs.sequences), inputs.states, weights, truncation)
    return Results(packing.unpack(states[0]), packing.last(states, inputs.states))


def _states(cell, steps, states, weights, truncation):
    """Each state after each step: inputs float [T, N, F] → a tuple of float [T, N, U], the hidden state first."""
    projected, recurrent_weights = cell.project(steps, weights), cell.recurrent_weights(weights)
    count = tf.shape(steps)[0]
    arrays = [tf.TensorArray(state.dtype, count, element_shape=state.shape) for state in states]
    projected_array = tf.TensorArray(projected.dtype, count, element_shape=projected.shape[1:]).unstack(projected)

    def body(step, arrays, states):
        if truncation:
            bound = (step > 0) & (step % truncation == 0)
            states = [tf.where(bound, tf.stop_gradient(state), state) for state in states]
        states, _ = cell.step(cell.split(projected_array.read(step)), states, *recurrent_weights)
        return step + 1, [array.write(step, state) for array, state in zip(arrays, states, strict=True)], list(states)

    _, arrays, _ = tf.while_loop(
        lambda step, *_: step < count, body, (0, arrays, list(states)), maximum_iterations=count, parallel_iterations=32
    )
    return tuple(array.stack() for array in arrays)
