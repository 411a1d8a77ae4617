"""The one place that chooses how a recurrence runs, and that gives masked steps the same values on every device."""

import contextlib
import functools

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from zoo.kernels import cells, cudnn, fused, loop
from zoo.kernels.padding import Padding

_bodies = None  # within an export: (cell, padding, specs of the arguments) → the bodies for a CPU and a GPU
_truncation = None


@contextlib.contextmanager
def export_scope():
    """Inside it a recurrence is traced with both bodies, CPU and cuDNN, and the runtime picks by device.

    For inference only: the gradient through such a graph is not defined. Everywhere else the kernel is chosen while tracing.
    """
    global _bodies
    before, _bodies = _bodies, {}
    try:
        yield
    finally:
        _bodies = before


@contextlib.contextmanager
def truncation_scope(steps):
    """Inside it gradients through time do not cross a multiple of so many steps (truncated backpropagation through time).

    Args:
        steps: of a window; None for whole sequences.

    Source: Williams & Peng 1990; here every window ends a gradient and the weights change once, after the last.
    """
    global _truncation
    before, _truncation = _truncation, steps
    try:
        yield
    finally:
        _truncation = before


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
        training: a gradient is likely to be asked for; without it the forward pass is leaner and a gradient costs more.

    Returns:
        Outputs, float [N, T, U], and the list of last states, each float [N, U].

    Raises:
        tf.errors.InvalidArgumentError: when run, if the mask is not right-padded.
    """
    lengths = tf.fill([tf.shape(sequences)[0]], tf.shape(sequences)[1])
    if mask is not None:
        # int64, since int32 numbers live on the host: a mask on a GPU would be copied there
        lengths = tf.cast(tf.reduce_sum(tf.cast(mask, tf.int64), axis=1), tf.int32)
        if _bodies is None:  # in an export the mask comes from the task's own preprocessing
            require_right_padding(mask, lengths)
    padding = Padding(mask is not None, go_backwards, zero_output)
    arguments = (sequences, tuple(states), lengths, tuple(weights))
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    if _bodies is not None:
        outputs, last = _branch_on_device(cell, padding, *arguments)
    elif on_gpu and not _truncation:
        # TensorFlow differentiates the cuDNN op only if it was told that it trains, and a gradient may be asked for at any time
        outputs, last = _on_gpu(cell, *arguments, padding=padding, training=True)
    elif on_gpu or _under_xla():
        outputs, last = _looped(cell, padding, *arguments)
    elif tf.executing_eagerly():
        shapes = (sequences.shape[-1], states[0].shape[-1], sequences.dtype)
        outputs, last = _compiled(cell, padding, training, _truncation, *shapes)(*arguments)
    else:
        outputs, last = fused.differentiable(cell, *arguments, padding=padding, training=training, truncation=_truncation)
    outputs.set_shape(sequences.shape[:2] + states[0].shape[-1:])
    for after, before in zip(last, states, strict=True):
        after.set_shape(before.shape)
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


def _under_xla():
    """Whether a `tf.function(jit_compile=True)` is being traced: XLA knows neither `MapDefun` nor `BlockLSTMV2`."""
    return not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


@functools.cache
def _compiled(cell, padding, training, truncation, features, units, dtype):
    """Outside a `tf.function` as inside one: op by op, a step would take a millisecond."""
    gates = cells.GATES[cell] * units
    shapes = [features, gates], [units, gates], [2, gates] if cell == "gru" else [gates]
    options = {"padding": padding, "training": training, "truncation": truncation}
    return tf.function(
        functools.partial(fused.differentiable, cell, **options),
        input_signature=[
            tf.TensorSpec([None, None, features], dtype),
            (tf.TensorSpec([None, units], dtype),) * (2 if cell == "lstm" else 1),
            tf.TensorSpec([None], tf.int32),
            tuple(tf.TensorSpec(shape, dtype) for shape in shapes),
        ],
        autograph=False,
    )


def _looped(cell, padding, sequences, states, lengths, weights):
    """By the loop that any device runs."""
    every = loop.run(cell, padding.read(sequences, lengths), states, weights, _truncation)
    return padding.write(every[0], lengths), padding.last(every, lengths, states)


def _on_gpu(cell, sequences, states, lengths, weights, *, padding, training):
    """By cuDNN, which takes lengths and leaves zeros at padded steps."""
    steps, zeros = tf.shape(sequences)[1], padding.zero_output or padding.go_backwards
    if padding.go_backwards:
        sequences = tf.reverse_sequence(sequences, lengths, seq_axis=1)
    outputs, last = cudnn.run(cell, sequences, states, lengths, weights, training)
    if not padding.masked:
        return outputs, last
    filled = lengths[:, None] > 0
    filling = tf.zeros_like(last[0]) if zeros else tf.where(filled, last[0], tf.zeros_like(last[0]))
    outputs = tf.where(tf.sequence_mask(lengths, steps)[..., None], outputs, filling[:, None])
    if padding.go_backwards:  # [3 2 1 - -] -> [1 2 3 - -] -> [- - 3 2 1]
        outputs = tf.reverse(tf.reverse_sequence(outputs, lengths, seq_axis=1), [1])
    return outputs, tuple(tf.where(filled, after, before) for after, before in zip(last, states, strict=True))


def _branch_on_device(cell, padding, sequences, states, lengths, weights):
    """Emits both bodies under a `Case` that is not lowered.

    A lowered one (`tf.switch_case`) becomes part of the outer graph, where the placer fails on a machine without a GPU: there
    is no CPU kernel of `CudnnRNNV3`. Un-lowered, only the branch taken is ever instantiated.
    """
    count = len(states)
    # int64, since on a GPU an int32 argument would be looked for on the host by the body and be on the device
    arguments = [sequences, tf.cast(lengths, tf.int64), *states, *weights]
    specs = tuple(tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments)
    if (cell, padding, specs) not in _bodies:  # layers of one shape share them, and so do the signatures

        def body(run, sequences, lengths, *rest):
            outputs, last = run(cell, sequences, rest[:count], tf.cast(lengths, tf.int32), rest[count:], padding=padding)
            return outputs, *last

        runs = fused.infer, functools.partial(_on_gpu, training=False)
        functions = [tf.function(functools.partial(body, run), autograph=False) for run in runs]
        _bodies[cell, padding, specs] = [function.get_concrete_function(*specs) for function in functions]
    results = tf.raw_ops.Case(
        branch_index=tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"]),
        input=arguments,
        Tout=[sequences.dtype] * (1 + count),
        branches=_bodies[cell, padding, specs],
        output_shapes=[sequences.shape[:2] + states[0].shape[-1:], *(state.shape for state in states)],
    )
    return results[0], tuple(results[1:])
