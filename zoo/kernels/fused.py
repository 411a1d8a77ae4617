"""The recurrence on a CPU: groups of rows side by side, with a gradient of its own.

Functions are traced once in a process for each shape of a layer, and called from whatever graph has such a layer.
"""

import functools
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.python.eager import record  # the public `stop_recording` is a method of a tape, and here no tape is known

from zoo.kernels import group, loop, rows
from zoo.kernels.cells import Cell
from zoo.kernels.packing import Inputs, Packing, Results


def infer(cell, inputs, weights, *, zero_output):
    """Outputs and last states, for inference; see `zoo.kernels.loop.run` for the arguments."""
    return rows.run_in_groups(functools.partial(group.infer, cell=cell, zero_output=zero_output), inputs, weights)


def differentiable(cell, inputs, weights, *, zero_output, training, truncation=None):
    """The same with a gradient, and gradients of it; see `zoo.kernels.loop.run` for the arguments.

    Args:
        training: keep what the gradient needs; else the forward pass is run again if a gradient is asked for.
    """
    features, units, masked = inputs.sequences.shape[-1], inputs.states[0].shape[-1], tf.is_tensor(inputs.mask)
    kernel = _kernel(cell, masked, zero_output, truncation, features, units, inputs.sequences.dtype)

    @tf.custom_gradient
    def run(sequences, states, weights):
        arguments, own = (sequences, states, weights), Inputs(sequences, inputs.mask, states)
        with record.stop_recording():  # else a tape would trace the functions again, for gradients that they have not
            results, residuals = kernel.forward(own, weights) if training else (kernel.infer(own, weights), None)

        def gradient(outputs, *last):
            @tf.custom_gradient
            def first_order(arguments, given):
                with record.stop_recording():
                    kept = residuals if training else kernel.forward(own, weights)[1]
                    gradients = kernel.backward(own, given, kept, weights)
                    # apart, so that it falls away where nobody asks for it
                    of_sequences = kernel.backward_to_sequences(gradients.projected, own, weights)
                flat = [of_sequences, *gradients.states, *gradients.weights]
                flat = [  # as a function's results, they have lost their shapes
                    tf.ensure_shape(result, argument.shape)
                    for result, argument in zip(flat, tf.nest.flatten(arguments), strict=True)
                ]
                return flat, lambda *second: kernel.second_order(arguments, inputs.mask, given, second)

            return first_order(arguments, Results(outputs, list(last)))

        return results, gradient

    return run(inputs.sequences, list(inputs.states), list(weights))


@dataclass(frozen=True)
class Kernel:
    """The functions of a layer, each traced once in a process: layers of one shape share them, in whatever graph.

    Attributes:
        masked: whether rows have a mask.
        zero_output: see `Packing`.
        truncation: no gradient crosses a multiple of so many steps; None for no such bounds.
        features: width of the inputs.
        units: width of a state.
        dtype: of inputs, states and weights.
    """

    cell: Cell
    masked: bool
    zero_output: bool
    truncation: int | None
    features: int
    units: int
    dtype: tf.DType

    @functools.cached_property
    def infer(self):
        """`Inputs`, weights → `Results`."""

        def run(inputs, weights):
            return infer(self.cell, inputs, weights, zero_output=self.zero_output)

        return self._function(run, self._inputs, self._weights)

    @functools.cached_property
    def forward(self):
        """`Inputs`, weights → `Results` and what the gradient needs, in groups."""
        of_group = functools.partial(group.forward, cell=self.cell, zero_output=self.zero_output)

        def run(inputs, weights):
            groups = rows.Groups(tf.shape(inputs.sequences)[0])
            results, residuals = rows.run_groups(of_group, groups.group(inputs), weights)
            return groups.ungroup(results), residuals

        return self._function(run, self._inputs, self._weights)

    @functools.cached_property
    def backward(self):
        """`Inputs`, gradients of the `Results`, residuals, weights → `Gradients`, those of the projected inputs in groups."""
        options = {"cell": self.cell, "zero_output": self.zero_output, "truncation": self.truncation}

        def of_group(grouped, weights):
            return group.backward(*grouped, weights, **options)

        def run(inputs, given, residuals, weights):
            groups = rows.Groups(tf.shape(inputs.sequences)[0])
            gradients = rows.run_groups(of_group, (groups.group(inputs), groups.group(given), residuals), weights)
            return group.Gradients(
                gradients.projected,
                groups.ungroup(gradients.states),
                [tf.reduce_sum(gradient, axis=0) for gradient in gradients.weights],
            )

        residuals = [self._spec(None, None, None, self.units)] * self.cell.residuals
        return self._function(run, self._inputs, self._results, residuals, self._weights)

    @functools.cached_property
    def backward_to_sequences(self):
        """Gradients of the projected inputs, in groups, `Inputs`, weights → gradient of the sequences."""

        def run(projected, inputs, weights):
            groups = rows.Groups(tf.shape(inputs.sequences)[0])
            steps = tf.matmul(tf.reshape(projected, [-1, projected.shape[-1]]), weights[0], transpose_b=True)
            steps = tf.reshape(steps, tf.concat([tf.shape(projected)[:-1], [self.features]], axis=0))
            steps = groups.ungroup(tf.transpose(steps, [0, 2, 1, 3]))
            return Packing(inputs.mask, self.zero_output).pack_gradient(steps)

        projected = self._spec(None, None, None, self.cell.gates * self.units)
        return self._function(run, projected, self._inputs, self._weights)

    @functools.cached_property
    def second_order(self):
        """Gradient of the gradient, TensorFlow's own through the plain loop: of its arguments and of what it was given."""

        def run(arguments, mask, given, second):
            flat, flat_given = tf.nest.flatten(arguments), tf.nest.flatten(given)
            with tf.GradientTape() as outer:
                outer.watch([flat, flat_given])
                with tf.GradientTape() as inner:
                    inner.watch(flat)
                    sequences, states, weights = arguments
                    options = {"zero_output": self.zero_output, "truncation": self.truncation}
                    results = loop.run(self.cell, Inputs(sequences, mask, states), weights, **options)
                gradients = inner.gradient(tf.nest.flatten(results), flat, flat_given, unconnected_gradients="zero")
            return outer.gradient(gradients, [*flat, *flat_given], list(second), unconnected_gradients="zero")

        return tf.function(run, autograph=False)

    @property
    def _inputs(self):
        mask = tf.TensorSpec([None, None], tf.bool) if self.masked else ()
        return Inputs(self._spec(None, None, self.features), mask, self._states)

    @property
    def _results(self):
        return Results(self._spec(None, None, self.units), self._states)

    @property
    def _states(self):
        return [self._spec(None, self.units)] * self.cell.states

    @property
    def _weights(self):
        return [self._spec(*shape) for shape in self.cell.weight_shapes(self.features, self.units)]

    def _spec(self, *shape):
        return tf.TensorSpec(shape, self.dtype)

    @staticmethod
    def _function(run, *specs):
        return tf.function(run, input_signature=specs, autograph=False)


_kernel = functools.cache(Kernel)
