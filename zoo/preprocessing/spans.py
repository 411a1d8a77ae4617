"""Labelled spans of a text to labels of its words and back: BIO."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.labels import Names


class Spans(Names):
    """Types of spans, and the BIO labels that words have by them; a tuple of strings.

    A label is a number: 0 is O, 1 the first type's B, 2 its I, 3 the second type's B, and so on.

    Args:
        types: names, each once.
        file: name of their file among the assets of a SavedModel.

    Raises:
        ZooError: if there is none, one twice, or one that is empty or of several lines.

    Source: Ramshaw & Marcus 1995, "Text Chunking using Transformation-Based Learning".
    """

    def __new__(cls, types, *, file: str | None = None):
        types = tuple(map(str, types))
        if not types or len(set(types)) < len(types) or any("\n" in name or not name for name in types):
            raise ZooError(f"Types of spans are names, each once and on one line, not {', '.join(map(repr, types)) or 'none'}.")
        return super().__new__(cls, types, file=file)

    @property
    def tags(self) -> list[str]:
        """Names of the labels, in the order of their numbers."""
        return ["O", *(f"{part}-{name}" for name in self for part in "BI")]

    def encode(self, label, start, end, starts, ends):
        """Labels of words by the spans over them.

        Args:
            label: types of the spans, string [N, E], "" as padding; E at least 1.
            start, end: their places, int32 [N, E], the end exclusive.
            starts, ends: those of the words, int32 [N, T], 0 as padding.

        Returns:
            Numbers of labels, int32 [N, T]. A word that a span covers in part is in it; of several spans, in the first.
        """
        inside = (starts[:, :, None] < end[:, None]) & (ends[:, :, None] > start[:, None]) & (label != "")[:, None]
        first = inside & ~tf.pad(inside, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        types = tf.argmax(tf.cast(label[..., None] == tf.constant(list(self)), tf.int32), axis=2, output_type=tf.int32)
        tags = 1 + 2 * types[:, None] + tf.where(first, 0, 1)
        which = tf.argmax(tf.cast(inside, tf.int32), axis=2, output_type=tf.int32)
        return tf.where(tf.reduce_any(inside, axis=2), tf.gather(tags, which, axis=2, batch_dims=2), 0)

    def decode(self, tags, starts, ends):
        """Spans of words with labels.

        Args:
            tags: numbers of labels, int32 [N, T]: an I follows a B or an I of its type.
            starts, ends: places of the words, int32 [N, T].

        Returns:
            Types, string [N, E], "" as padding, and places, int32 [N, E] both, -1 as padding.
        """
        first = tags % 2 == 1
        goes_on = (tags > 0) & ~first
        last = (tags > 0) & ~tf.pad(goes_on, [[0, 0], [0, 1]])[:, 1:]

        def taken(values, where, padding):
            rows = tf.cast(tf.where(where)[:, 0], tf.int32)
            found = tf.RaggedTensor.from_value_rowids(
                tf.boolean_mask(values, where), rows, nrows=tf.shape(tags)[0], validate=False
            )
            return found.to_tensor(padding, shape=[None, None])

        types = tf.gather(tf.constant(list(self)), tf.maximum(tags - 1, 0) // 2)
        return taken(types, first, ""), taken(starts, first, -1), taken(ends, last, -1)

    def __call__(self, tags):
        """Numbers of labels, int [...] → their names, string [...]."""
        return tf.gather(tf.constant(self.tags), tags)
