"""Between rows [N, T, F] with any mask, as Keras has them, and steps [T, N, F] in the order of a kernel.

A masked step leaves a state as it is. So a kernel runs a row's valid steps, one after the other, and knows nothing of the rest:
what it computes after the last valid one is never read. Steps are picked by index on the way in (which closes the gaps)
and on the way out (which repeats or blanks), one pass over the data each; the gradients take the same ways.
"""

from typing import NamedTuple

import tensorflow as tf


class Inputs(NamedTuple):
    """What each row has a part of, in the order of reading.

    Attributes:
        sequences: float [N, T, F].
        mask: bool [N, T], true where a step is valid; an empty tuple if all are, which `tf.nest` takes for no tensor.
        states: list of the initial states, each float [N, U].
    """

    sequences: tf.Tensor
    mask: tf.Tensor | tuple
    states: list


class Results(NamedTuple):
    """What a recurrence gives, or the gradients of that: outputs, float [N, T, U], and last states, each float [N, U]."""

    outputs: tf.Tensor
    states: list


class Packing:
    """Which step a kernel reads when, and where its states are written, in int64: on a GPU, int32 lives on the host.

    Args:
        mask: see `Inputs`.
        zero_output: outputs of masked steps are zeros; else that of the step before is repeated, and is zeros before the first.
    """

    def __init__(self, mask, zero_output):
        self.masked = tf.is_tensor(mask)
        if not self.masked:
            return
        seen = tf.cumsum(tf.cast(mask, tf.int64), axis=1)
        self.count = tf.shape(seen, tf.int64)[1]
        self.lengths = tf.reduce_max(seen, axis=1)
        self.rows = tf.range(tf.shape(seen, tf.int64)[0])
        self.packed = tf.where(mask, seen - 1, tf.constant(-1, tf.int64))  # [N, T]: at which step a place is read; -1: never
        self.shown = self.packed if zero_output else seen - 1  # [N, T]: whose output stands at a place; -1: zeros
        steps = tf.broadcast_to(tf.range(1, self.count + 1), tf.shape(seen))
        place = tf.raw_ops.LowerBound(sorted_inputs=seen, values=steps, out_type=tf.int64)  # where that many were seen first
        self.places = tf.minimum(place, self.count - 1)  # [N, T]: what the kernel reads, step by step

    def pack(self, sequences):
        """Inputs [N, T, F] → steps [T, N, F]: of the mask [0, 1, 1], [2nd, 3rd, -]."""
        if self.masked:
            return _gather(sequences, self.rows[None, :], tf.transpose(self.places))
        return _transposed(sequences)

    def pack_gradient(self, steps):
        """Gradient of the steps as rows, [N, T, F] → of the inputs [N, T, F]."""
        return self.placed(steps, self.packed) if self.masked else steps

    def unpack(self, hidden):
        """Hidden states [T, N, U] → outputs [N, T, U]: with the mask [0, 1, 0], [zeros, 1st, 1st] or [zeros, 1st, zeros]."""
        if not self.masked:
            return _transposed(hidden)
        outputs = _gather(hidden, tf.maximum(self.shown, 0), self.rows[:, None])
        return tf.where((self.shown < 0)[..., None], tf.zeros([], hidden.dtype), outputs)

    def unpack_gradient(self, outputs):
        """Gradient of the outputs [N, T, U] → of the hidden states [T, N, U]: of each, the sum over where it stands."""
        if not self.masked:
            return _transposed(outputs)
        rows = tf.size(self.rows, tf.int64)
        step = tf.where(self.shown < 0, tf.constant(-1, tf.int64), self.shown * rows + self.rows[:, None])
        units = outputs.shape[-1]
        flat = tf.reshape(outputs, [-1, units]), tf.reshape(step, [-1])
        return tf.reshape(tf.math.unsorted_segment_sum(*flat, self.count * rows), tf.stack([self.count, rows, units]))

    def last(self, states, initial):
        """States at each step [T, N, U] → those after the last valid one [N, U]; of an empty row the initial ones."""
        if not self.masked:
            return [state[-1] for state in states]
        step = tf.maximum(self.lengths - 1, 0)
        return self.or_initial([_gather(state, step, self.rows) for state in states], initial)

    def or_initial(self, last, initial):
        """States after the last valid step, but of an empty row the initial ones, each [N, U]."""
        empty = (self.lengths == 0)[:, None]
        return [tf.where(empty, before, after) for before, after in zip(initial, last, strict=True)]

    def last_gradient(self, last):
        """Gradient of a last state [N, U] → of that state at each step [T, N, U], and of the initial one [N, U], if masked."""
        zero = tf.zeros([], last.dtype)
        each_step = tf.where((tf.range(self.count)[:, None] == self.lengths - 1)[..., None], last, zero)
        return each_step, tf.where((self.lengths == 0)[:, None], last, zero)

    @staticmethod
    def placed(steps, which):
        """Steps as rows, [N, T, U], and the step that is to stand at each place [N, T] → [N, T, U]; zeros where that is -1."""
        placed = tf.gather(steps, tf.maximum(which, 0), batch_dims=1)
        return tf.where((which < 0)[..., None], tf.zeros([], steps.dtype), placed)


def _transposed(sequences):
    return tf.transpose(sequences, [1, 0, 2])


def _gather(sequences, first, second):
    """Vectors of [A, B, F] sequences at pairs of indices into A and B, given as integer tensors that broadcast."""
    return tf.gather_nd(sequences, tf.stack([first + tf.zeros_like(second), second + tf.zeros_like(first)], axis=-1))
