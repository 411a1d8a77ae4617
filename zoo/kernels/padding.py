"""Between rows [N, T, F] with padding on the right, as Keras has them, and steps [T, N, F] in the order of a kernel.

What a kernel computes at padded steps is never read. Steps are picked by index on the way in (which also reverses) and on the
way out (which also pads), one pass over the data each; the gradients take the same ways back.
"""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Padding:
    """How the rows of a layer are read and its outputs written.

    Attributes:
        masked: rows have lengths; else all steps are valid.
        go_backwards: read from the last valid step to the first; outputs are in the order of reading, padding first.
        zero_output: outputs of padded steps are zeros; else the last valid output is repeated.
    """

    masked: bool
    go_backwards: bool
    zero_output: bool

    def read(self, sequences, lengths):
        """Inputs [N, T, F] → steps [T, N, F]: a row of length 2 in 3 steps is read backwards as [2nd, 1st, -]."""
        if self.go_backwards and self.masked:
            rows, steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
            reading = lengths[None, :] - 1 - tf.range(steps)[:, None]
            return _pick(sequences, tf.range(rows)[None, :], tf.maximum(reading, 0))
        return _swap(tf.reverse(sequences, [1]) if self.go_backwards else sequences)

    def read_gradient(self, steps, lengths):
        """Gradient of the steps [T, N, F] → of the inputs [N, T, F]. That of padded steps is zero, in and out."""
        if self.go_backwards and self.masked:
            rows, count = tf.shape(steps)[1], tf.shape(steps)[0]
            reading = lengths[:, None] - 1 - tf.range(count)[None, :]
            inputs = _pick(steps, tf.maximum(reading, 0), tf.range(rows)[:, None])
            return tf.where((reading >= 0)[..., None], inputs, tf.zeros([], inputs.dtype))
        return tf.reverse(_swap(steps), [1]) if self.go_backwards else _swap(steps)

    def write(self, hidden, lengths):
        """Hidden states [T, N, U] → outputs [N, T, U]: the row read backwards is written as [-, 2nd, 1st]."""
        if not self.masked:
            return _swap(hidden)
        steps, last = tf.shape(hidden)[0], tf.maximum(lengths - 1, 0)[:, None]
        step = tf.range(steps)[None, :]  # the one that an output shows, in the order of reading; below 0 at padding in front
        if self.go_backwards:
            step -= steps - lengths[:, None]
        outputs = _pick(hidden, tf.minimum(tf.maximum(step, 0), last), tf.range(tf.shape(hidden)[1])[:, None])
        blank = (step < 0) if self.go_backwards else (step >= lengths[:, None]) if self.zero_output else lengths[:, None] == 0
        return tf.where(blank[..., None], tf.zeros([], outputs.dtype), outputs)

    def write_gradient(self, outputs, lengths):
        """Gradient of the outputs [N, T, U] → of the hidden states [T, N, U]."""
        if not self.masked:
            return _swap(outputs)
        zero, steps = tf.zeros([], outputs.dtype), tf.shape(outputs)[1]
        if self.go_backwards:
            place = tf.range(steps)[:, None] + steps - lengths[None, :]  # where a step of the reading is written
            hidden = _pick(outputs, tf.range(tf.shape(outputs)[0])[None, :], tf.minimum(place, steps - 1))
            return tf.where((place < steps)[..., None], hidden, zero)
        step = tf.range(steps)[None, :]
        valid = (step < lengths[:, None])[..., None]
        hidden = tf.where(valid, outputs, zero)
        if not self.zero_output:  # the last valid output stands at every padded step too
            repeated = tf.reduce_sum(tf.where(valid, zero, outputs), axis=1, keepdims=True)
            hidden += tf.where((step == lengths[:, None] - 1)[..., None], repeated, zero)
        return _swap(hidden)

    def last(self, states, lengths, first):
        """States at each step [T, N, U] → the last ones [N, U]: those after the last valid step; of an empty row the first."""
        if not self.masked:
            return tuple(state[-1] for state in states)
        rows, empty = tf.range(tf.shape(lengths)[0]), (lengths == 0)[:, None]
        last = [_pick(state, tf.maximum(lengths - 1, 0), rows) for state in states]
        return tuple(tf.where(empty, before, after) for before, after in zip(first, last, strict=True))

    def last_gradient(self, last, lengths, steps):
        """Gradient of a last state [N, U] → of that state at each step [T, N, U], and of the first one [N, U], if masked."""
        zero = tf.zeros([], last.dtype)
        every = tf.where((tf.range(steps)[:, None] == lengths - 1)[..., None], last, zero)
        return every, tf.where((lengths == 0)[:, None], last, zero)


def _swap(sequences):
    return tf.transpose(sequences, [1, 0, 2])


def _pick(sequences, first, second):
    """Vectors of [A, B, F] sequences at pairs of indices into A and B, given as integer tensors that broadcast."""
    return tf.gather_nd(sequences, tf.stack([first + tf.zeros_like(second), second + tf.zeros_like(first)], axis=-1))
