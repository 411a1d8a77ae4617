"""The one place that chooses how a recurrence runs, and that gives masked steps the same values on every device."""

import contextlib
import functools

import tensorflow as tf

from zoo.kernels import block, cudnn, loop

_exporting = False


@contextlib.contextmanager
def export_scope():
    """Inside it a recurrence is traced with both bodies, CPU and cuDNN, and the runtime picks by device.

    For inference only: the gradient through such a graph is not defined. Everywhere else the kernel is chosen while tracing.
    """
    global _exporting
    before, _exporting = _exporting, True
    try:
        yield
    finally:
        _exporting = before


def recurrence(cell, sequences, states, weights, *, mask=None, go_backwards=False, zero_output=False, training=False):
    """Runs a recurrent cell over time with the semantics of stock Keras on a CPU.

    Args:
        cell: "lstm", "gru" (reset after the product) or "rnn" (tanh); the activations are the standard ones.
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        weights: kernel [F, G*U], recurrent kernel [U, G*U], bias [G*U] (GRU: [2, G*U]), in Keras's gate order.
        mask: bool [N, T], true on the left, false on the right, or None. Rows may be empty.
        go_backwards: read from the last valid step to the first; outputs are in the order of reading, padding first.
        zero_output: outputs of masked steps are zeros; else the last valid output is repeated.
        training: whether a gradient will be asked for.

    Returns:
        Outputs, float [N, T, U], and the list of last states, each float [N, U].

    Raises:
        tf.errors.InvalidArgumentError: when run, if the mask is not right-padded.
    """
    steps = tf.shape(sequences)[1]
    lengths = tf.fill([tf.shape(sequences)[0]], steps)
    if mask is not None:
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        if not _exporting:  # in an export the mask comes from the task's own preprocessing
            require_right_padding(mask, lengths)
    if go_backwards:
        sequences = tf.reverse(sequences, [1]) if mask is None else tf.reverse_sequence(sequences, lengths, seq_axis=1)
    outputs, last = _run(cell, sequences, states, lengths, weights, training)
    if mask is None:
        return outputs, list(last)
    filled = lengths[:, None] > 0
    last = [tf.where(filled, after, before) for after, before in zip(last, states, strict=True)]
    padding = tf.zeros_like(last[0]) if zero_output or go_backwards else tf.where(filled, last[0], tf.zeros_like(last[0]))
    outputs = tf.where(tf.sequence_mask(lengths, steps)[..., None], outputs, padding[:, None])
    if go_backwards:  # [3 2 1 - -] -> [1 2 3 - -] -> [- - 3 2 1]
        outputs = tf.reverse(tf.reverse_sequence(outputs, lengths, seq_axis=1), [1])
    return outputs, last


def require_right_padding(mask, lengths):
    """Refuses a mask with a gap or with padding on the left: the fused kernels know a row by its length alone."""
    tf.debugging.Assert(
        tf.reduce_all(tf.equal(tf.cast(mask, tf.bool), tf.sequence_mask(lengths, tf.shape(mask)[1]))),
        [
            "The mask of a zoo recurrent layer must be right-padded: every True of a row left of every False, as in "
            "[[True, True, False]]. Pad sequences on the right (padding='post')."
        ],
    )


def _run(cell, sequences, states, lengths, weights, training):
    """Chooses the kernel: while tracing, or in an export by a branch on the device that the runtime takes."""
    if _exporting:
        return _branch_on_device(cell, sequences, states, lengths, weights)
    if tf.config.list_logical_devices("GPU"):
        return cudnn.run(cell, sequences, states, lengths, weights, training)
    return _last_steps(loop.run(cell, sequences, states, weights), lengths)


def _last_steps(sequences, lengths):
    """Turns states at every step, each [T, N, U], into outputs [N, T, U] and the states at the end of each row."""
    rows = tf.range(tf.shape(lengths)[0])
    at = tf.stack([tf.maximum(lengths - 1, 0), rows], axis=1)
    return tf.transpose(sequences[0], [1, 0, 2]), tuple(tf.gather_nd(sequence, at) for sequence in sequences)


def _cpu(cell, sequences, states, lengths, weights):
    if cell != "lstm" or sequences.dtype not in (tf.float16, tf.float32):
        return _last_steps(loop.run(cell, sequences, states, weights), lengths)
    every = tf.cond(
        tf.shape(sequences)[0] <= block.LARGEST_BATCH,
        lambda: block.run(sequences, states, weights),
        lambda: loop.run(cell, sequences, states, weights),
    )
    return _last_steps(every, lengths)


def _branch_on_device(cell, sequences, states, lengths, weights):
    """Emits both bodies under a `Case` that is not lowered.

    A lowered one (`tf.switch_case`) becomes part of the outer graph, where the placer fails on a machine without a GPU: there
    is no CPU kernel of `CudnnRNNV3`. Un-lowered, only the branch taken is ever instantiated.
    """
    count = len(states)

    def body(run, sequences, lengths, *rest):
        outputs, last = run(sequences=sequences, states=rest[:count], lengths=lengths, weights=rest[count:])
        return outputs, *last

    arguments = [sequences, lengths, *states, *weights]
    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    branches = [
        tf.function(functools.partial(body, run), autograph=False).get_concrete_function(*specs)
        for run in (
            functools.partial(_cpu, cell),
            functools.partial(cudnn.run, cell, training=False),
        )
    ]
    results = tf.raw_ops.Case(
        branch_index=tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"]),
        input=arguments,
        Tout=[sequences.dtype] * (1 + count),
        branches=branches,
        output_shapes=[sequences.shape[:2] + states[0].shape[-1:], *(state.shape for state in states)],
    )
    return results[0], tuple(results[1:])
