"""The recurrence on a CPU: groups of rows side by side, and in each the fastest way through all steps, with its own gradient.

The gradient of the weights is one matrix product over all steps after the loop, where TensorFlow's own would add up one a step.
"""

import tensorflow as tf

from zoo.kernels import block, cells, one_row, rows
from zoo.kernels.scan import scan


def infer(cell, sequences, states, lengths, weights, *, padding):
    """Outputs and last states, for inference.

    Args:
        cell: "lstm", "gru" or "rnn".
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        lengths: int32 [N].
        weights: as `zoo.kernels.loop.run` has them.
        padding: a `Padding`.

    Returns:
        Outputs, float [N, T, U], and the tuple of last states, each float [N, U].
    """

    def run(tensors, weights):
        outputs, last, _ = _forward(cell, tensors, weights, padding, _states)
        return [outputs, *last]

    outputs, *last = rows.cut_and_run(run, [sequences, lengths, *states], list(weights))
    return outputs, tuple(last)


def differentiable(cell, sequences, states, lengths, weights, *, padding, training, truncation=None):
    """The same with a gradient; without `training` the forward pass keeps nothing and is run again if a gradient is asked for.

    Args:
        training: keep what the gradient needs.
        truncation: no gradient crosses a multiple of so many steps (in the order of reading); None for no such bounds.
    """
    count = len(states)
    groups = rows.Rows(tf.shape(sequences)[0])

    def keep(tensors, weights):
        outputs, last, kept = _forward(cell, tensors, weights, padding, _all)
        return [outputs, *last, *kept]

    def back(tensors, weights):
        return _backward(cell, tensors, weights, padding, truncation)

    def back_to_inputs(tensors, weights):  # apart, so that it falls away where nobody asks for it
        (projected, lengths), (kernel,) = tensors, weights
        steps = tf.matmul(_flat(projected), kernel, transpose_b=True)
        shape = tf.concat([tf.shape(projected)[:2], [kernel.shape[0]]], axis=0)
        return [padding.read_gradient(tf.reshape(steps, shape), lengths)]

    @tf.custom_gradient
    def run(sequences, *rest):
        states, weights = rest[:count], list(rest[count:])
        grouped = [groups.group(tensor) for tensor in (sequences, lengths, *states)]
        if training:
            outputs, *others = rows.run(keep, grouped, weights)
            last, kept = others[:count], others[count:]
            outputs, last = groups.ungroup(outputs), [groups.ungroup(state) for state in last]
        else:
            outputs, last = infer(cell, sequences, states, lengths, weights, padding=padding)

        def gradient(*gradients):
            saved = kept if training else rows.run(keep, grouped, weights)[1 + count :]
            given = [groups.group(gradient) for gradient in gradients]
            projected, *results = _first_order(back, [*grouped, *given, *saved], weights)
            (inputs,) = _first_order(back_to_inputs, [projected, grouped[1]], weights[:1])
            states, parts = results[:count], results[count:]
            given = [groups.ungroup(tensor) for tensor in (inputs, *states)]
            return *given, *(tf.reduce_sum(part, axis=0) for part in parts)

        return (outputs, *last), gradient

    outputs, *last = run(sequences, *states, *weights)
    return outputs, tuple(last)


def _forward(cell, tensors, weights, padding, run):
    """Outputs, last states, and what else `run` keeps, of one group."""
    sequences, lengths, *states = tensors
    every, kept = run(cell, padding.read(sequences, lengths), states, weights)
    every = [tf.ensure_shape(state, [None, None, first.shape[-1]]) for state, first in zip(every, states, strict=True)]
    return padding.write(every[0], lengths), padding.last(every, lengths, states), list(kept)


def _all(cell, steps, states, weights):
    """Each state at each step, float [T, N, U], and what the gradient needs."""
    if _is_block(cell, steps):
        kept = block.run(steps, states, weights)
    else:
        kept = _scan(cell, steps, states, weights, cells.STEPS[cell], cells.SAVED[cell])
    return cells.states(cell, kept), kept


def _states(cell, steps, states, weights):
    """Each state at each step."""
    if _is_block(cell, steps):
        return cells.states(cell, block.run(steps, states, weights)), []

    def step(*arguments):  # what is kept is written to memory at each step
        states, _ = cells.STEPS[cell](*arguments)
        return states, states

    def several():
        return _scan(cell, steps, states, weights, step, len(states))

    if cell not in one_row.STEPS:
        return several(), []
    one = tf.equal(tf.shape(steps)[1], 1)
    return tf.cond(one, lambda: [one_row.run(cell, steps, *states, weights)], several), []


def _is_block(cell, steps):
    return cell == "lstm" and steps.dtype in block.DTYPES


def _scan(cell, steps, states, weights, step, count):
    """What a step of a cell keeps, `count` tensors, at each step."""
    inner_bias = cells.biases(cell, weights[2])[1]
    kept, _ = scan(
        lambda states, *projected: step(projected, states, weights[1], inner_bias),
        [cells.project(cell, steps, weights)],
        states,
        count,
        prepare=lambda slices: cells.parts(cell, slices[0]),
    )
    return kept


def _backward(cell, tensors, weights, padding, truncation):
    """Gradients of sequences, states and weights of one group."""
    sequences, lengths, *others = tensors
    count = 2 if cell == "lstm" else 1
    states, outputs, last, saved = others[:count], others[count], others[count + 1 : 2 * count + 1], others[2 * count + 1 :]
    recurrent_kernel = weights[1]
    every = cells.states(cell, saved)
    before = [_delayed(every[index], states[index]) for index in cells.PREVIOUS[cell]]
    hidden, past, carry = padding.write_gradient(outputs, lengths), [tf.zeros_like(state) for state in states], []
    if padding.masked:  # rows end at different steps
        (final, *carry), past = zip(*(padding.last_gradient(one, lengths, tf.shape(hidden)[0]) for one in last), strict=True)
        hidden, last = hidden + final, [tf.zeros_like(state) for state in states]
    bounds = []
    if truncation:
        step = tf.range(tf.shape(hidden)[0])
        bounds = [tf.cast((step == 0) | (step % truncation > 0), hidden.dtype)[:, None, None]]
    transposed = tf.transpose(recurrent_kernel)

    def prepare(slices):
        own, (hidden, *others) = slices[: len(saved) + len(before)], slices[len(saved) + len(before) :]
        return [hidden, *cells.BEFORE[cell](own[: len(saved)], own[len(saved) :]), *others]

    def step(gradients, *slices):
        inputs, passed = (slices[:-1], slices[-1]) if truncation else (slices, None)
        gradients, kept = cells.BACK[cell](gradients, transposed, *inputs)
        return [gradient if passed is None else gradient * passed for gradient in gradients], kept

    sequences_back = [*saved, *before, hidden, *carry, *bounds]
    kept, first = scan(step, sequences_back, last, cells.KEPT[cell], prepare=prepare, reverse=True)
    projected, inner = cells.projected_gradient(cell, saved, kept)
    bias = tf.reduce_sum(projected, axis=[0, 1])
    return [
        tf.ensure_shape(projected, [None, None, weights[0].shape[-1]]),
        *(gradient + empty for gradient, empty in zip(first, past, strict=True)),
        _products(padding.read(sequences, lengths), projected),
        _products(states[0][None], inner[:1]) + _products(every[0][:-1], inner[1:]),
        tf.stack([bias, tf.reduce_sum(inner, axis=[0, 1])]) if cell == "gru" else bias,
    ]


def _delayed(states, first):
    """[1st, 2nd, 3rd] → [first, 1st, 2nd]."""
    return tf.concat([first[None], states[:-1]], axis=0)


def _products(steps, gradients):
    """Gradient of a kernel: the sum over steps and rows of the outer products of [T, N, F] and [T, N, G]."""
    return tf.matmul(_flat(steps), _flat(gradients), transpose_a=True)


def _flat(steps):
    return tf.reshape(steps, [-1, tf.shape(steps)[-1]])


def _first_order(function, grouped, shared):
    """`rows.run`, whose own gradient is not defined, and says so if it is asked for."""

    def refuse(*_):
        raise NotImplementedError(
            "A gradient of a gradient through a zoo recurrent layer is not defined on a CPU. Take the keras.layers one, "
            "or compile the computation with jit_compile=True."
        )

    return tf.custom_gradient(lambda *grouped: (rows.run(function, list(grouped), shared), refuse))(*grouped)
