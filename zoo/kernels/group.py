"""One group of rows on one core: the fastest way through all steps and, for training, back.

The gradient of the weights is one matrix product over all steps after the loop, where TensorFlow's own would add up one a step.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from zoo.kernels import rows
from zoo.kernels.packing import Packing, Results
from zoo.kernels.scan import scan


class Gradients(NamedTuple):
    """What `backward` gives.

    Attributes:
        projected: of the projected inputs, float [T, S, G*U].
        states: list of those of the initial states, each float [S, U].
        weights: list of those of kernel, recurrent kernel and bias.
    """

    projected: tf.Tensor
    states: list
    weights: list


def infer(inputs, weights, *, cell, zero_output):
    """`Inputs` → `Results`."""
    packing = Packing(inputs.mask, zero_output)
    states = _all_steps(cell, packing.pack(inputs.sequences), inputs.states, weights, keep=False)
    return _results(packing, states, inputs.states)


def forward(inputs, weights, *, cell, zero_output):
    """`Inputs` → `Results` and what else `backward` needs, a list of float [T, S, U]."""
    packing = Packing(inputs.mask, zero_output)
    residuals = _all_steps(cell, packing.pack(inputs.sequences), inputs.states, weights, keep=True)
    return _results(packing, cell.new_states(residuals), inputs.states), list(residuals)


def _results(packing, states, initial):
    states = [tf.ensure_shape(state, [None, None, first.shape[-1]]) for state, first in zip(states, initial, strict=True)]
    return Results(packing.unpack(states[0]), packing.last(states, initial))


def _all_steps(cell, steps, states, weights, *, keep):
    """The residuals of each step or, if they are not kept, the states alone: float [T, N, F] → each [T, N, U]."""
    if steps.dtype in cell.op_dtypes:
        residuals = cell.all_steps(steps, states, weights)
        return residuals if keep else cell.new_states(residuals)
    arguments = cell.project(steps, weights), list(states), cell.recurrent_weights(weights)
    if keep or cell.one_row_step is None:
        return _scanning(cell, keep)(*arguments)
    return rows.cond(tf.equal(tf.shape(steps)[1], 1), _scanning_one_row(cell), _scanning(cell, keep), *arguments)


@functools.cache
def _scanning(cell, keep):
    """Projected inputs, states, recurrent weights → see `_all_steps`. Traced once for all layers of so many units."""
    count = cell.residuals if keep else cell.states

    def run(projected, states, recurrent_weights):
        def step(states, projected):
            states, residuals = cell.step(projected, states, *recurrent_weights)
            return states, residuals if keep else states  # what is kept is written to memory at each step

        return scan(step, projected, states, count, prepare=cell.split)[0]

    return tf.function(run, autograph=False)


@functools.cache
def _scanning_one_row(cell):
    """As `_scanning`, for one row and the states alone, in as few ops a step as there can be: a step costs what its ops cost.

    The projected input is a vector then, and can be the bias of the product of the state: TensorFlow's graph optimizer makes
    one op of `MatMul`, `BiasAdd` and a sigmoid or tanh.
    """

    def run(projected, states, recurrent_weights):
        recurrent_kernel, *biases = recurrent_weights
        recurrent_kernels = cell.split(recurrent_kernel)

        def step(states, projected):
            hidden = cell.one_row_step(projected, states[0], recurrent_kernels, *biases)
            return (hidden,), (hidden,)

        return scan(step, projected, states, 1, prepare=lambda projected: cell.split(projected[:, 0]))[0]

    return tf.function(run, autograph=False)


def backward(inputs, given, residuals, weights, *, cell, zero_output, truncation):
    """`Inputs`, the gradients of their `Results`, and what `forward` gave for this → `Gradients`."""
    packing = Packing(inputs.mask, zero_output)
    gradients = [packing.unpack_gradient(given.outputs)]  # of the states at each step: of the first, and of others where known
    last, of_empty_rows = given.states, [0.0] * cell.states
    if packing.masked:  # rows end at different steps
        (hidden, *others), of_empty_rows = zip(*map(packing.last_gradient, last), strict=True)
        gradients, last = [gradients[0] + hidden, *others], [tf.zeros_like(state) for state in inputs.states]
    before = cell.states_before(inputs.states, residuals)
    bounds = _bounds(tf.shape(gradients[0])[0], truncation, gradients[0].dtype) if truncation else ()
    back_residuals, initial = _scanning_back(cell)(residuals, before, gradients, bounds, last, tf.transpose(weights[1]))

    projected, recurrent = cell.projected_gradients(residuals, back_residuals)
    hidden = cell.new_states(residuals)[0]
    return Gradients(
        tf.ensure_shape(projected, [None, None, weights[0].shape[-1]]),
        [gradient + empty for gradient, empty in zip(initial, of_empty_rows, strict=True)],
        [
            _kernel_gradient(packing.pack(inputs.sequences), projected),
            _kernel_gradient(inputs.states[0][None], recurrent[:1]) + _kernel_gradient(hidden[:-1], recurrent[1:]),
            cell.bias_gradient(projected, recurrent),
        ],
    )


def _bounds(steps, truncation, dtype):
    """What the gradients of the states before each step are multiplied by, [T, 1, 1]: 0 at the bounds of a window, else 1."""
    step = tf.range(steps)
    return tf.cast((step == 0) | (step % truncation > 0), dtype)[:, None, None]


@functools.cache
def _scanning_back(cell):
    """As `_scanning`, for the way back; also gives the gradients of the initial states."""

    def run(residuals, before, gradients, bounds, last, transposed):
        def prepare(slices):
            residuals, before, gradients, bounds = slices
            return cell.factors(residuals, before), gradients, bounds

        def step(later, slices):
            factors, gradients, bounds = slices
            states = [state + gradient for state, gradient in zip(later, gradients, strict=False)] + later[len(gradients) :]
            states, back_residuals = cell.step_back(states, factors, transposed)
            return [state * bounds if tf.is_tensor(bounds) else state for state in states], back_residuals

        sequences = residuals, before, gradients, bounds
        return scan(step, sequences, last, cell.back_residuals, prepare=prepare, reverse=True)

    return tf.function(run, autograph=False)


def _kernel_gradient(steps, gradients):
    """Gradient of a kernel: the sum over steps and rows of the outer products of [T, N, F] and [T, N, G]."""
    return tf.matmul(_flat(steps), _flat(gradients), transpose_a=True)


def _flat(steps):
    return tf.reshape(steps, [-1, tf.shape(steps)[-1]])
