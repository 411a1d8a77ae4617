"""Between rows [N, T, F] with any mask, as Keras has them, and steps [T, N, F] in the order of a kernel.

A masked step leaves a state as it is. So a kernel runs a row's valid steps, one after the other, and knows nothing of the rest:
what it computes after the last valid one is never read. Steps are picked by index on the way in (which closes the gaps)
and on the way out (which repeats or blanks), one pass over the data each; the gradients take the same ways.
"""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Padding:
    """How the rows of a layer are read and its outputs written.

    Attributes:
        masked: rows have a mask; else all steps are valid.
        zero_output: outputs of masked steps are zeros; else that of the step before is repeated, and is zeros before the first.
    """

    masked: bool
    zero_output: bool


class Reading:
    """Which step a kernel reads when, and where its states are written, in int64: on a GPU, int32 lives on the host.

    Args:
        padding: a `Padding`.
        mask: bool [N, T], true where a step is valid; None if `padding` is not masked.
    """

    def __init__(self, padding: Padding, mask):
        self.masked = padding.masked
        if mask is None:
            return
        seen = tf.cumsum(tf.cast(mask, tf.int64), axis=1)
        self.count = tf.shape(seen, tf.int64)[1]
        self.lengths = tf.reduce_max(seen, axis=1)
        self.rows = tf.range(tf.shape(seen, tf.int64)[0])
        self.read_at = tf.where(mask, seen - 1, tf.constant(-1, tf.int64))  # [N, T]: when the kernel reads a place; -1: never
        self.shown = self.read_at if padding.zero_output else seen - 1  # [N, T]: whose output stands at a place; -1: zeros
        steps = tf.broadcast_to(tf.range(1, self.count + 1), tf.shape(seen))
        place = tf.raw_ops.LowerBound(sorted_inputs=seen, values=steps, out_type=tf.int64)  # where that many were seen first
        self.time = tf.minimum(place, self.count - 1)  # [N, T]: what the kernel reads, step by step

    def read(self, sequences):
        """Inputs [N, T, F] → steps [T, N, F]: of the mask [0, 1, 1], [2nd, 3rd, -]."""
        if self.masked:
            return _pick(sequences, self.rows[None, :], tf.transpose(self.time))
        return _swap(sequences)

    def read_gradient(self, steps):
        """Gradient of the steps as rows, [N, T, F] → of the inputs [N, T, F]."""
        return self.placed(steps, self.read_at) if self.masked else steps

    def write(self, hidden):
        """Hidden states [T, N, U] → outputs [N, T, U]: with the mask [0, 1, 0], [zeros, 1st, 1st] or [zeros, 1st, zeros]."""
        if not self.masked:
            return _swap(hidden)
        outputs = _pick(hidden, tf.maximum(self.shown, 0), self.rows[:, None])
        return tf.where((self.shown < 0)[..., None], tf.zeros([], hidden.dtype), outputs)

    def write_gradient(self, outputs):
        """Gradient of the outputs [N, T, U] → of the hidden states [T, N, U]: of each, the sum over where it stands."""
        if not self.masked:
            return _swap(outputs)
        rows = tf.size(self.rows, tf.int64)
        step = tf.where(self.shown < 0, tf.constant(-1, tf.int64), self.shown * rows + self.rows[:, None])
        units = outputs.shape[-1]
        flat = tf.reshape(outputs, [-1, units]), tf.reshape(step, [-1])
        return tf.reshape(tf.math.unsorted_segment_sum(*flat, self.count * rows), tf.stack([self.count, rows, units]))

    def last(self, states, first):
        """States at each step [T, N, U] → the last ones [N, U]: those after the last valid step; of an empty row the first."""
        if not self.masked:
            return tuple(state[-1] for state in states)
        empty, step = (self.lengths == 0)[:, None], tf.maximum(self.lengths - 1, 0)
        last = [_pick(state, step, self.rows) for state in states]
        return tuple(tf.where(empty, before, after) for before, after in zip(first, last, strict=True))

    def last_gradient(self, last):
        """Gradient of a last state [N, U] → of that state at each step [T, N, U], and of the first one [N, U], if masked."""
        zero = tf.zeros([], last.dtype)
        every = tf.where((tf.range(self.count)[:, None] == self.lengths - 1)[..., None], last, zero)
        return every, tf.where((self.lengths == 0)[:, None], last, zero)

    @staticmethod
    def placed(steps, which):
        """Steps as rows, [N, T, U], and the step that is to stand at each place [N, T] → [N, T, U]; zeros where that is -1."""
        placed = tf.gather(steps, tf.maximum(which, 0), batch_dims=1)
        return tf.where((which < 0)[..., None], tf.zeros([], steps.dtype), placed)


def _swap(sequences):
    return tf.transpose(sequences, [1, 0, 2])


def _pick(sequences, first, second):
    """Vectors of [A, B, F] sequences at pairs of indices into A and B, given as integer tensors that broadcast."""
    return tf.gather_nd(sequences, tf.stack([first + tf.zeros_like(second), second + tf.zeros_like(first)], axis=-1))
