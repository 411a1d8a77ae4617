"""The recurrence on a CPU: groups of rows side by side, with a gradient of its own.

Functions are traced once in a process for each shape of a layer, and called from whatever graph has such a layer.
"""

import functools
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.python.eager import record

from zoo.kernels import cells, group, loop, rows
from zoo.kernels.padding import Padding, Reading


def infer(cell, sequences, states, mask, weights, *, padding):
    """Outputs and last states, for inference; see `zoo.kernels.loop.run` for the arguments."""
    run = functools.partial(group.forward, cell, padding=padding, keep=False)
    outputs, *last = rows.cut_and_run(run, group.tensors(sequences, mask, states), list(weights))
    return outputs, tuple(last)


def differentiable(cell, sequences, states, mask, weights, *, padding, training, truncation=None):
    """The same with a gradient, and gradients of it; see `zoo.kernels.loop.run` for the arguments.

    Args:
        training: keep what the gradient needs; else the forward pass is run again if a gradient is asked for.
    """
    count = len(states)
    kernel = Kernel(cell, padding, truncation, sequences.shape[-1], states[0].shape[-1], sequences.dtype)

    @tf.custom_gradient
    def run(*arguments):
        sequences, states, weights = arguments[0], arguments[1 : 1 + count], arguments[1 + count :]
        tensors = group.tensors(sequences, mask, states)
        weights, kept = list(weights), None
        if training:
            outputs, last, kept = _unrecorded(_keep(kernel), tensors, weights)
        else:
            outputs, last = _unrecorded(_infer(kernel), tensors, weights)

        def gradient(*given):
            """Of the arguments; its own gradient is that of TensorFlow's through the plain loop."""

            @tf.custom_gradient
            def first(*_):
                saved = kept if training else _unrecorded(_keep(kernel), tensors, weights)[2]
                projected, *others = _unrecorded(_back(kernel), tensors, weights, list(given), saved)
                # apart, so that it falls away where nobody asks for it
                inputs = _unrecorded(_back_to_inputs(kernel), projected, tensors, weights)
                results = [
                    tf.ensure_shape(result, argument.shape)  # as a function's results, they have lost it
                    for result, argument in zip((inputs, *others), arguments, strict=True)
                ]
                return results, lambda *again: _second(kernel)(list(arguments), mask, list(given), list(again))

            return first(*arguments, *given)

        return (outputs, *last), gradient

    outputs, *last = run(sequences, *states, *weights)
    return outputs, tuple(last)


def _unrecorded(function, *arguments):
    """Calls a function on behalf of a custom gradient: a tape would trace it again for a gradient that it has not."""
    with record.stop_recording():
        return function(*arguments)


@dataclass(frozen=True)
class Kernel:
    """What the functions below are traced for, each once in a process: layers of one shape share them, in whatever graph.

    Attributes:
        truncation: no gradient crosses a multiple of so many steps; None for no such bounds.
        features: width of the inputs.
        dtype: of inputs, states and weights.
    """

    cell: str
    padding: Padding
    truncation: int | None
    features: int
    units: int
    dtype: tf.DType

    @property
    def states(self):
        """Number of states of a row."""
        return cells.STATES[self.cell]

    def function(self, run, *inputs):
        """A function of lists of tensors with these specs."""
        return tf.function(run, input_signature=inputs, autograph=False)

    @property
    def tensors(self):
        """Specs of what a group of rows has a part of: sequences, mask and states."""
        mask = [tf.TensorSpec([None, None], tf.bool)] if self.padding.masked else []
        return [self._spec(None, None, self.features), *mask, *[self._spec(None, self.units)] * self.states]

    @property
    def weights(self):
        """Specs of kernel, recurrent kernel and bias."""
        gates = cells.GATES[self.cell] * self.units
        bias = self._spec(2, gates) if self.cell == "gru" else self._spec(gates)
        return [self._spec(self.features, gates), self._spec(self.units, gates), bias]

    @property
    def results(self):
        """Specs of outputs and last states."""
        return [self._spec(None, None, self.units), *[self._spec(None, self.units)] * self.states]

    @property
    def kept(self):
        """Specs of what the steps keep for the gradient, in groups."""
        return [self._spec(None, None, None, self.units)] * cells.SAVED[self.cell]

    def _spec(self, *shape):
        return tf.TensorSpec(shape, self.dtype)


@functools.cache
def _infer(kernel):
    """Outputs and last states."""

    def run(tensors, weights):
        sequences, mask, states = group.apart(tensors, kernel.padding)
        return infer(kernel.cell, sequences, states, mask, weights, padding=kernel.padding)

    return kernel.function(run, kernel.tensors, kernel.weights)


@functools.cache
def _keep(kernel):
    """Outputs, last states, and what the gradient needs, in groups."""
    forward = functools.partial(group.forward, kernel.cell, padding=kernel.padding, keep=True)

    def run(tensors, weights):
        groups = rows.Rows(tf.shape(tensors[0])[0])
        results = rows.run(forward, [groups.group(tensor) for tensor in tensors], weights)
        outputs, *last = [groups.ungroup(result) for result in results[: 1 + kernel.states]]
        return outputs, last, results[1 + kernel.states :]

    return kernel.function(run, kernel.tensors, kernel.weights)


@functools.cache
def _back(kernel):
    """Gradients of the projected inputs, in groups, and of states and weights."""
    backward = functools.partial(group.backward, kernel.cell, padding=kernel.padding, truncation=kernel.truncation)

    def run(tensors, weights, given, kept):
        groups = rows.Rows(tf.shape(tensors[0])[0])
        grouped = [groups.group(tensor) for tensor in (*tensors, *given)]
        projected, *results = rows.run(backward, [*grouped, *kept], weights)
        states, parts = results[: kernel.states], results[kernel.states :]
        return projected, *(groups.ungroup(state) for state in states), *(tf.reduce_sum(part, axis=0) for part in parts)

    return kernel.function(run, kernel.tensors, kernel.weights, kernel.results, kernel.kept)


@functools.cache
def _back_to_inputs(kernel):
    """Gradient of the inputs."""

    def run(projected, tensors, weights):
        groups = rows.Rows(tf.shape(tensors[0])[0])
        _, mask, _ = group.apart(tensors, kernel.padding)
        steps = tf.matmul(tf.reshape(projected, [-1, projected.shape[-1]]), weights[0], transpose_b=True)
        steps = tf.reshape(steps, tf.concat([tf.shape(projected)[:-1], [kernel.features]], axis=0))
        return Reading(kernel.padding, mask).read_gradient(groups.ungroup(tf.transpose(steps, [0, 2, 1, 3])))

    gates = cells.GATES[kernel.cell] * kernel.units
    projected = tf.TensorSpec([None, None, None, gates], kernel.dtype)
    return kernel.function(run, projected, kernel.tensors, kernel.weights)


@functools.cache
def _second(kernel):
    """Gradient of the gradient: of the arguments (sequences, states, weights) and of what the gradient was given."""
    count = kernel.states

    def run(arguments, mask, given, again):
        sequences, states, weights = arguments[0], arguments[1 : 1 + count], arguments[1 + count :]
        with tf.GradientTape() as outer:
            outer.watch([arguments, given])
            with tf.GradientTape() as inner:
                inner.watch(arguments)
                options = {"padding": kernel.padding, "truncation": kernel.truncation}
                outputs, last = loop.run(kernel.cell, sequences, states, mask, weights, **options)
            gradients = inner.gradient([outputs, *last], arguments, given, unconnected_gradients="zero")
        return outer.gradient(gradients, [*arguments, *given], again, unconnected_gradients="zero")

    return tf.function(run, autograph=False)
