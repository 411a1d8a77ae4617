"""`LSTM`, `GRU` and `SimpleRNN`: the Keras layers, argument for argument, with the loop over time replaced by `zoo.kernels`."""

import keras
import tensorflow as tf

from zoo import kernels


class _Kernel:
    """Runs a Keras recurrent layer through `zoo.kernels.recurrence`, or as stock Keras where `fallback_reason` says why."""

    zoo_cell: kernels.cells.Cell

    def fallback_reason(self):
        """Why this layer runs as stock Keras, as one clause, or None if it runs on the zoo's kernels."""
        cell = self.cell
        if self.unroll:
            return "unroll=True asks for an unrolled graph"
        if getattr(self, "use_cudnn", "auto") is False:
            return "use_cudnn=False asks for Keras's loop"
        if cell.activation is not keras.activations.tanh:
            return "activation is not tanh"
        if getattr(cell, "recurrent_activation", keras.activations.sigmoid) is not keras.activations.sigmoid:
            return "recurrent_activation is not sigmoid"
        if not cell.use_bias:
            return "use_bias=False"
        if cell.recurrent_dropout:
            return "recurrent_dropout changes the state at every step"
        if not getattr(cell, "reset_after", True):
            return "reset_after=False has no cuDNN kernel"
        return None

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Keras's hook for backends, which it does not document: float [N, T, F] → last output [N, U], outputs, states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        each_unit = mask is not None and mask.shape.rank == 3 and mask.shape[-1] != 1  # a mask that Keras's loop alone takes
        if self.fallback_reason() or each_unit or (getattr(self, "use_cudnn", "auto") is True and not kernels.have_cudnn()):
            return super().inner_loop(sequences, initial_state, mask, training)
        sequences = tf.cast(sequences, self.compute_dtype)
        cell = self.cell
        if training and cell.dropout:  # one mask for all steps, as in Keras, and from its cell: its seeds drop the same
            sequences = sequences * cell.get_dropout_mask(sequences[:, 0])[:, None]
        outputs, states = kernels.recurrence(
            self.zoo_cell,
            sequences,
            list(initial_state),
            [tf.convert_to_tensor(weight) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)],
            mask=mask,
            go_backwards=self.go_backwards,
            zero_output=self.zero_output_for_mask,
            training=training,
        )
        last = outputs[:, -1]
        return last, outputs if self.return_sequences else last[:, None], states


@keras.saving.register_keras_serializable("zoo")
class LSTM(_Kernel, keras.layers.LSTM):
    """`keras.layers.LSTM` on the zoo's kernels: same arguments, weights and results."""

    zoo_cell = kernels.LSTM


@keras.saving.register_keras_serializable("zoo")
class GRU(_Kernel, keras.layers.GRU):
    """`keras.layers.GRU` on the zoo's kernels: same arguments, weights and results."""

    zoo_cell = kernels.GRU


@keras.saving.register_keras_serializable("zoo")
class SimpleRNN(_Kernel, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` on the zoo's kernels: same arguments, weights and results."""

    zoo_cell = kernels.RNN
