"""The one place that chooses how a recurrence runs, and that gives masked steps the same values on every device."""

import contextlib
import functools

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # whether XLA compiles what is traced: nothing public says it

from zoo.kernels import cudnn, fused, loop, rows
from zoo.kernels.packing import Inputs, Packing, Results

_bodies = None  # within an export: (cell, zero_output, specs of the arguments) → the bodies for a CPU and a GPU
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
        cell: `zoo.kernels.LSTM`, `GRU` (reset after the product) or `RNN` (tanh); the activations are the standard ones.
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
    states = [_full_state(state, sequences, weights[1].shape[0]) for state in states]
    mask = () if mask is None else _full_mask(mask, sequences)
    if go_backwards:  # here, so that both directions share what is traced
        sequences, mask = tf.nest.map_structure(lambda each: tf.reverse(each, [1]), (sequences, mask))
    inputs = Inputs(sequences, mask, states)
    options = {"zero_output": zero_output and tf.is_tensor(mask)}
    if _loop or (_bodies is None and (_under_xla() or (_on_a_gpu() and _truncation))):
        outputs, last = loop.run(cell, inputs, weights, truncation=_truncation, **options)
    elif _bodies is not None:
        outputs, last = _branch_on_device(cell, inputs, weights, **options)
    elif _on_a_gpu():
        # TensorFlow differentiates the cuDNN op only if it was told that it trains, and a gradient may be asked for at any time
        outputs, last = _on_gpu(cell, inputs, weights, training=True, **options)
    else:
        outputs, last = fused.differentiable(cell, inputs, weights, training=training, truncation=_truncation, **options)
    outputs.set_shape(sequences.shape[:2] + states[0].shape[-1:])
    for after, before in zip(last, states, strict=True):
        after.set_shape(before.shape)
    return outputs, list(last)


def _full_mask(mask, sequences):
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


def _full_state(state, sequences, units):
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


def _on_gpu(cell, inputs, weights, *, zero_output, training):
    """By cuDNN, which takes lengths, leaves zeros at the steps after them, and refuses empty rows."""
    sequences, mask, states = inputs
    packing = Packing(mask, zero_output)
    if not packing.masked:
        lengths = tf.fill([tf.shape(sequences)[0]], tf.shape(sequences)[1])
        return Results(*cudnn.run(cell, sequences, states, lengths, weights, training))
    sequences = tf.gather(sequences, packing.places, batch_dims=1)
    outputs, last = cudnn.run(cell, sequences, states, tf.cast(packing.lengths, tf.int32), weights, training)
    return Results(packing.placed(outputs, packing.shown), packing.or_initial(last, states))


def _branch_on_device(cell, inputs, weights, *, zero_output):
    """Emits both bodies under a `Case` that is not lowered.

    A lowered one (`tf.switch_case`) becomes part of the outer graph, where the placer fails on a machine without a GPU: there
    is no CPU kernel of `CudnnRNNV3`. Un-lowered, only the branch taken is ever instantiated.
    """
    arguments = tf.nest.flatten((inputs, weights))
    key = (cell, zero_output, *((argument.shape, argument.dtype) for argument in arguments))
    if key not in _bodies:  # layers of one shape share them, and so do the signatures
        runs = fused.infer, functools.partial(_on_gpu, training=False)
        runs = [functools.partial(run, cell, zero_output=zero_output) for run in runs]
        _bodies[key] = [rows.trace(run, inputs, weights) for run in runs]
    sequences, _, states = inputs
    results = tf.raw_ops.Case(
        branch_index=tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"]),
        input=arguments,
        Tout=[sequences.dtype] * (1 + len(states)),
        branches=_bodies[key],
        output_shapes=[sequences.shape[:2] + states[0].shape[-1:], *(state.shape for state in states)],
    )
    return Results(results[0], results[1:])
