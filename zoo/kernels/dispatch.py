"""The one place that chooses how a recurrence runs, and that gives masked steps the same values on every device."""

import contextlib
import functools

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from zoo.kernels import cudnn, fused, group, loop
from zoo.kernels.padding import Padding, Reading

_bodies = None  # within an export: (cell, padding, specs of the arguments) → the bodies for a CPU and a GPU
_truncation = None
_loop = False


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


@contextlib.contextmanager
def loop_scope():
    """Inside it a recurrence is traced as a plain `tf.while_loop`, for what takes nothing else, as LiteRT's converter."""
    global _loop
    before, _loop = _loop, True
    try:
        yield
    finally:
        _loop = before


def recurrence(cell, sequences, states, weights, *, mask=None, go_backwards=False, zero_output=False, training=False):
    """Runs a recurrent cell over time with the semantics of stock Keras on a CPU.

    Args:
        cell: "lstm", "gru" (reset after the product) or "rnn" (tanh); the activations are the standard ones.
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        weights: kernel [F, G*U], recurrent kernel [U, G*U], bias [G*U] (GRU: [2, G*U]), in Keras's gate order.
        mask: bool [N, T] or [1, T], or None. Any mask: padding on either side, gaps, empty rows.
        go_backwards: read from the last valid step to the first; outputs are in the order of reading.
        zero_output: outputs of masked steps are zeros; else that of the step before is repeated, and is zeros before the first.
        training: a gradient is likely to be asked for; without it the forward pass is leaner and a gradient costs more.

    Returns:
        Outputs, float [N, T, U], and the list of last states, each float [N, U].

    Raises:
        ValueError: a mask or a state that does not fit the sequences; when run, what TensorFlow raises.
    """
    states = [_fitted_state(state, sequences, weights[1].shape[0]) for state in states]
    mask = None if mask is None else _fitted(mask, sequences)
    if go_backwards:  # here, so that both directions share what is traced
        sequences = tf.reverse(sequences, [1])
        mask = None if mask is None else tf.reverse(mask, [1])
    padding = Padding(mask is not None, zero_output and mask is not None)
    arguments = (sequences, states, mask, weights)
    if _loop:
        outputs, last = loop.run(cell, *arguments, padding=padding, truncation=_truncation)
    elif _bodies is not None:
        outputs, last = _branch_on_device(cell, padding, *arguments)
    elif _under_xla() or (_on_a_gpu() and _truncation):
        outputs, last = loop.run(cell, *arguments, padding=padding, truncation=_truncation)
    elif _on_a_gpu():
        # TensorFlow differentiates the cuDNN op only if it was told that it trains, and a gradient may be asked for at any time
        outputs, last = _on_gpu(cell, *arguments, padding=padding, training=True)
    else:
        outputs, last = fused.differentiable(cell, *arguments, padding=padding, training=training, truncation=_truncation)
    outputs.set_shape(sequences.shape[:2] + states[0].shape[-1:])
    for after, before in zip(last, states, strict=True):
        after.set_shape(before.shape)
    return outputs, list(last)


def _fitted(mask, sequences):
    """A mask as Keras takes it → bool [N, T] for these sequences."""
    mask = tf.cast(mask, tf.bool)
    if mask.shape.rank == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    rows, steps = sequences.shape[:2]
    if (
        mask.shape.rank != 2
        or mask.shape[0] not in (None, 1, rows or mask.shape[0])
        or steps not in (None, mask.shape[1] or steps)
    ):
        raise ValueError(
            f"A mask must have a value for each of the steps, [{rows}, {steps}] or [1, {steps}], not {mask.shape}."
        )
    if mask.shape.is_fully_defined() and mask.shape == sequences.shape[:2]:
        return mask
    rows, steps = tf.unstack(tf.shape(sequences)[:2])
    mask = tf.broadcast_to(mask, tf.stack([rows, tf.shape(mask)[1]]))
    # where only the run can tell, its message has this name; an Assert would be dropped by XLA
    return tf.reshape(mask, tf.stack([rows, steps]), name="a_mask_must_have_a_value_for_each_step")


def _fitted_state(state, sequences, units):
    """An initial state as Keras takes it, [N, U], [1, U] or [U] → [N, U]."""
    if state.shape[-1] != units:
        raise ValueError(f"An initial state must have {units} units, not {state.shape[-1]}.")
    if state.shape.rank == 2 and state.shape[0] is not None and state.shape[0] == sequences.shape[0]:
        return state
    return tf.broadcast_to(state, tf.stack([tf.shape(sequences)[0], units]))


def have_cudnn():
    """Whether a recurrence traced here can run by cuDNN: there is a GPU, or it goes into an export, which carries that too."""
    return _bodies is not None or _on_a_gpu()


def _on_a_gpu():
    return bool(tf.config.list_logical_devices("GPU"))


def _under_xla():
    """Whether a `tf.function(jit_compile=True)` is being traced: XLA knows neither `MapDefun` nor `BlockLSTMV2`."""
    return not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _on_gpu(cell, sequences, states, mask, weights, *, padding, training):
    """By cuDNN, which takes lengths, leaves zeros at the steps after them, and refuses empty rows."""
    reading = Reading(padding, mask)
    if not padding.masked:
        lengths = tf.fill([tf.shape(sequences)[0]], tf.shape(sequences)[1])
        return cudnn.run(cell, sequences, states, lengths, weights, training)
    sequences = tf.gather(sequences, reading.time, batch_dims=1)
    outputs, last = cudnn.run(cell, sequences, states, tf.cast(reading.lengths, tf.int32), weights, training)
    empty = (reading.lengths == 0)[:, None]
    return reading.placed(outputs, reading.shown), tuple(
        tf.where(empty, before, after) for before, after in zip(states, last, strict=True)
    )


def _branch_on_device(cell, padding, sequences, states, mask, weights):
    """Emits both bodies under a `Case` that is not lowered.

    A lowered one (`tf.switch_case`) becomes part of the outer graph, where the placer fails on a machine without a GPU: there
    is no CPU kernel of `CudnnRNNV3`. Un-lowered, only the branch taken is ever instantiated.
    """
    count = len(states)
    arguments = [*group.tensors(sequences, mask, states), *weights]
    specs = tuple(tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments)
    if (cell, padding, specs) not in _bodies:  # layers of one shape share them, and so do the signatures

        def body(run, *arguments):
            sequences, mask, others = group.apart(arguments, padding)
            outputs, last = run(cell, sequences, others[:count], mask, others[count:], padding=padding)
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
