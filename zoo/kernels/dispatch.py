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


def recurrence(cell, sequences, states, weights, *, mask=None, go_backwards=False, zero_output=False):
    """Runs a recurrent cell over time with the semantics of stock Keras on a CPU.

    Args:
        cell: "lstm", "gru" (reset after the product) or "rnn" (tanh); the activations are the standard ones.
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        weights: kernel [F, G*U], recurrent kernel [U, G*U], bias [G*U] (GRU: [2, G*U]), in Keras's gate order.
        mask: bool [N, T], true on the left, false on the right, or None. Rows may be empty.
        go_backwards: read from the last valid step to the first; outputs are in the order of reading, padding first.
        zero_output: outputs of masked steps are zeros; else the last valid output is repeated.

    Returns:
        Outputs, float [N, T, U], and the list of last states, each float [N, U].

    Raises:
        tf.errors.InvalidArgumentError: when run, if the mask is not right-padded.
    """
    lengths = tf.fill([tf.shape(sequences)[0]], tf.shape(sequences)[1])
    if mask is not None:
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        if not _exporting:  # in an export the mask comes from the task's own preprocessing
            require_right_padding(mask, lengths)
    options = {"cell": cell, "masked": mask is not None, "go_backwards": go_backwards, "zero_output": zero_output}
    cpu = functools.partial(_on_cpu, **options)
    # TensorFlow differentiates the cuDNN op only if it was told that it trains, and a gradient may be asked for at any time
    gpu = functools.partial(_on_gpu, **options, training=not _exporting)
    if _exporting:
        outputs, last = _branch_on_device(cpu, gpu, sequences, states, lengths, weights)
    else:
        run = gpu if tf.config.list_logical_devices("GPU") else functools.partial(cpu, kernel=loop.run)
        outputs, last = run(sequences, states, lengths, weights)
    return outputs, list(last)


def require_right_padding(mask, lengths):
    """Refuses a mask with a gap or with padding on the left: the fused kernels know a row by its length alone."""
    tf.debugging.Assert(
        tf.reduce_all(tf.equal(tf.cast(mask, tf.bool), tf.sequence_mask(lengths, tf.shape(mask)[1]))),
        [
            "The mask of a zoo recurrent layer must be right-padded: every True of a row left of every False, as in "
            "[[True, True, False]]. Pad sequences on the right (padding='post')."
        ],
    )


def _on_cpu(sequences, states, lengths, weights, *, cell, masked, go_backwards, zero_output, kernel=None):
    """Outputs and last states by a kernel that runs all steps of every row.

    What such a kernel computes at padded steps is never read: the steps are picked by index on the way in (which also
    reverses) and on the way out (which also pads), one pass over the data each.
    """
    rows, steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
    last_step = lengths[:, None] - 1
    step = tf.range(steps)[None, :]
    if masked and go_backwards:
        # a row of length 2 in 3 steps is read as [2nd, 1st, -]
        sequences = _pick(sequences, tf.range(rows)[None, :], tf.transpose(tf.maximum(last_step - step, 0)))
    else:
        sequences = tf.transpose(tf.reverse(sequences, [1]) if go_backwards else sequences, [1, 0, 2])
    every = (kernel or _fastest)(cell, sequences, states, weights)
    if not masked:
        return every[0], tuple(state[:, -1] for state in every)
    last = [_pick(state, tf.range(rows), tf.maximum(lengths - 1, 0)) for state in every]
    last = [tf.where(last_step >= 0, after, before) for after, before in zip(last, states, strict=True)]
    if go_backwards:  # and written as [-, 2nd, 1st]
        step = step - (steps - lengths[:, None])
    outputs = _pick(every[0], tf.range(rows)[:, None], tf.minimum(tf.maximum(step, 0), tf.maximum(last_step, 0)))
    blank = (step < 0) if go_backwards else (step > last_step) if zero_output else (last_step < 0)
    return tf.where(blank[..., None], tf.zeros([], outputs.dtype), outputs), tuple(last)


def _on_gpu(sequences, states, lengths, weights, *, cell, masked, go_backwards, zero_output, training):
    """The same by cuDNN, which takes lengths and leaves zeros at padded steps."""
    steps = tf.shape(sequences)[1]
    if go_backwards:
        sequences = tf.reverse_sequence(sequences, lengths, seq_axis=1)
    outputs, last = cudnn.run(cell, sequences, states, lengths, weights, training)
    if not masked:
        return outputs, last
    filled = lengths[:, None] > 0
    padding = tf.zeros_like(last[0]) if zero_output or go_backwards else tf.where(filled, last[0], tf.zeros_like(last[0]))
    outputs = tf.where(tf.sequence_mask(lengths, steps)[..., None], outputs, padding[:, None])
    if go_backwards:  # [3 2 1 - -] -> [1 2 3 - -] -> [- - 3 2 1]
        outputs = tf.reverse(tf.reverse_sequence(outputs, lengths, seq_axis=1), [1])
    return outputs, tuple(tf.where(filled, after, before) for after, before in zip(last, states, strict=True))


def _pick(sequences, rows, steps):
    """Vectors of [N, T, F] sequences at pairs of row and step, given as integer tensors that broadcast."""
    return tf.gather_nd(sequences, tf.stack([rows + tf.zeros_like(steps), steps + tf.zeros_like(rows)], axis=-1))


def _fastest(cell, sequences, states, weights):
    """The fastest kernel of a CPU for inference."""
    if cell == "lstm" and sequences.dtype in (tf.float16, tf.float32):
        return block.run(sequences, states, weights)
    return loop.run(cell, sequences, states, weights)


def _branch_on_device(cpu, gpu, sequences, states, lengths, weights):
    """Emits both bodies under a `Case` that is not lowered.

    A lowered one (`tf.switch_case`) becomes part of the outer graph, where the placer fails on a machine without a GPU: there
    is no CPU kernel of `CudnnRNNV3`. Un-lowered, only the branch taken is ever instantiated.
    """
    count = len(states)

    def body(run, sequences, lengths, *rest):
        outputs, last = run(sequences, rest[:count], lengths, rest[count:])
        return outputs, *last

    arguments = [sequences, lengths, *states, *weights]
    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    branches = [tf.function(functools.partial(body, run), autograph=False).get_concrete_function(*specs) for run in (cpu, gpu)]
    results = tf.raw_ops.Case(
        branch_index=tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"]),
        input=arguments,
        Tout=[sequences.dtype] * (1 + count),
        branches=branches,
        output_shapes=[sequences.shape[:2] + states[0].shape[-1:], *(state.shape for state in states)],
    )
    return results[0], tuple(results[1:])
