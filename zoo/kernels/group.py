"""One group of rows on one core: the fastest way through all steps and, for training, back.

The gradient of the weights is one matrix product over all steps after the loop, where TensorFlow's own would add up one a step.
"""

import functools

import tensorflow as tf

from zoo.kernels import block, cells, one_row, rows
from zoo.kernels.padding import Reading
from zoo.kernels.scan import scan


def tensors(sequences, mask, states):
    """What each row has a part of, as one list."""
    return [sequences, *([] if mask is None else [mask]), *states]


def apart(tensors, padding):
    """Such a list → sequences, mask or None, and all that follows."""
    sequences, *others = tensors
    return (sequences, others[0], others[1:]) if padding.masked else (sequences, None, others)


def forward(cell, tensors, weights, padding, *, keep):
    """Outputs, last states and, if asked to keep it, what `backward` needs; float [S, T, *] and [S, U]."""
    sequences, mask, states = apart(tensors, padding)
    reading = Reading(padding, mask)
    every, kept = (_all if keep else _states)(cell, reading.read(sequences), states, weights)
    every = [tf.ensure_shape(state, [None, None, first.shape[-1]]) for state, first in zip(every, states, strict=True)]
    return [reading.write(every[0]), *reading.last(every, states), *kept]


def _all(cell, steps, states, weights):
    """Each state at each step, float [T, N, U], and what the gradient needs."""
    kept = (
        block.run(steps, states, weights)
        if _is_block(cell, steps)
        else _scanning(cell, keep=True)(*_projected(cell, steps, states, weights))
    )
    return cells.states(cell, kept), kept


def _states(cell, steps, states, weights):
    """Each state at each step."""
    if _is_block(cell, steps):
        return cells.states(cell, block.run(steps, states, weights)), []

    several, arguments = _scanning(cell, keep=False), _projected(cell, steps, states, weights)
    if cell not in one_row.STEPS:
        return several(*arguments), []

    def one(tensors, shared):
        projected, *states = tensors
        return [one_row.scanning(cell)(projected, *states, shared)]

    def more(tensors, shared):
        projected, *states = tensors
        return several(projected, states, shared)

    projected, states, shared = arguments
    return rows.either(tf.equal(tf.shape(steps)[1], 1), one, more, [projected, *states], shared), []


def _is_block(cell, steps):
    return cell == "lstm" and steps.dtype in block.DTYPES


def _projected(cell, steps, states, weights):
    """What a scan takes: projected inputs, states, recurrent kernel and, of a GRU, the candidate's bias."""
    inner_bias = cells.biases(cell, weights[2])[1]
    return cells.project(cell, steps, weights), list(states), [weights[1], *([] if inner_bias is None else [inner_bias])]


@functools.cache
def _scanning(cell, keep):
    """Traced once for all layers of so many units, whatever they read."""
    count = cells.SAVED[cell] if keep else cells.STATES[cell]

    def run(projected, states, shared):
        recurrent_kernel, inner_bias = (*shared, None)[:2]

        def step(states, *projected):
            states, kept = cells.STEPS[cell](projected, states, recurrent_kernel, inner_bias)
            return states, kept if keep else states  # what is kept is written to memory at each step

        return scan(step, [projected], states, count, prepare=lambda slices: cells.parts(cell, slices[0]))[0]

    return tf.function(run, autograph=False)


def backward(cell, tensors, weights, padding, truncation):
    """Gradients of the projected inputs (float [T, S, G*U]), of states and of weights.

    Args:
        tensors: those of `forward`, the gradients of its outputs and last states, and what it kept.
    """
    sequences, mask, others = apart(tensors, padding)
    reading = Reading(padding, mask)
    count = cells.STATES[cell]
    states, outputs, last, saved = others[:count], others[count], others[count + 1 : 2 * count + 1], others[2 * count + 1 :]
    every = cells.states(cell, saved)
    before = [_delayed(every[index], states[index]) for index in cells.PREVIOUS[cell]]
    hidden, past, carry = reading.write_gradient(outputs), [tf.zeros_like(state) for state in states], []
    if padding.masked:  # rows end at different steps
        (final, *carry), past = zip(*map(reading.last_gradient, last), strict=True)
        hidden, last = hidden + final, [tf.zeros_like(state) for state in states]
    bounds = []
    if truncation:
        step = tf.range(tf.shape(hidden)[0])
        bounds = [tf.cast((step == 0) | (step % truncation > 0), hidden.dtype)[:, None, None]]
    kept, first = _scanning_back(cell, truncation is not None)(
        list(saved), before, [hidden, *carry, *bounds], last, tf.transpose(weights[1])
    )
    projected, inner = cells.projected_gradient(cell, saved, kept)
    bias = tf.reduce_sum(projected, axis=[0, 1])
    return [
        tf.ensure_shape(projected, [None, None, weights[0].shape[-1]]),
        *(gradient + empty for gradient, empty in zip(first, past, strict=True)),
        _products(reading.read(sequences), projected),
        _products(states[0][None], inner[:1]) + _products(every[0][:-1], inner[1:]),
        tf.stack([bias, tf.reduce_sum(inner, axis=[0, 1])]) if cell == "gru" else bias,
    ]


@functools.cache
def _scanning_back(cell, truncated):
    """As `_scanning`, for the way back."""

    def run(saved, before, others, last, transposed):
        def prepare(slices):
            own, (hidden, *others) = slices[: len(saved) + len(before)], slices[len(saved) + len(before) :]
            return [hidden, *cells.BEFORE[cell](own[: len(saved)], own[len(saved) :]), *others]

        def step(gradients, *slices):
            inputs, passed = (slices[:-1], slices[-1]) if truncated else (slices, None)
            gradients, kept = cells.BACK[cell](gradients, transposed, *inputs)
            return [gradient if passed is None else gradient * passed for gradient in gradients], kept

        return scan(step, [*saved, *before, *others], last, cells.KEPT[cell], prepare=prepare, reverse=True)

    return tf.function(run, autograph=False)


def _delayed(states, first):
    """[1st, 2nd, 3rd] → [first, 1st, 2nd]."""
    return tf.concat([first[None], states[:-1]], axis=0)


def _products(steps, gradients):
    """Gradient of a kernel: the sum over steps and rows of the outer products of [T, N, F] and [T, N, G]."""
    return tf.matmul(_flat(steps), _flat(gradients), transpose_a=True)


def _flat(steps):
    return tf.reshape(steps, [-1, tf.shape(steps)[-1]])
