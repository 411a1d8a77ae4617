"""Texts with labelled spans: how they are put together from parts, and as data sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaggedText:
    """A text and its spans.

    Attributes:
        text: as it is written.
        spans: type, start and end of each, in Unicode characters, the end exclusive; in the order of the text.
        about: what else is known of the text: its intent, or the collection that it is of.
    """

    text: str
    spans: tuple[tuple[str, int, int], ...]
    about: str = ""

    @classmethod
    def join(cls, parts, about: str = "") -> TaggedText:
        """Puts a text together from (text, type of span or None); spaces at the ends of a span are not of it."""
        text, spans = "", []
        for part, label in parts:
            inside = part.strip()
            if label and inside:
                start = len(text) + part.index(inside)
                spans.append((label, start, start + len(inside)))
            text += part
        return cls(text, tuple(spans), about)


def tagged_types(texts) -> tuple[str, ...]:
    """The types of spans that texts have, by the alphabet."""
    return tuple(sorted({label for text in texts for label, *_ in text.spans}))


def dataset(texts, about: bool = True):
    """Texts → a `tf.data.Dataset` of (text, label, start, end, about).

    The text is a string scalar; of its spans `label` are the types, string [E], `start` and `end` the places, int32 [E] both,
    padded with "" and -1 to the most spans of a text. `about` is a string scalar; without it there are four components.
    """
    import tensorflow as tf  # not before a person's own file has been read

    most = max([len(text.spans) for text in texts] + [1])
    rows = [(*text.spans, *[("", -1, -1)] * (most - len(text.spans))) for text in texts]
    label, start, end = ([[span[part] for span in row] for row in rows] for part in range(3))
    shape = [len(texts), most]
    columns = [
        tf.constant([text.text for text in texts], tf.string, [len(texts)]),
        tf.constant(label, tf.string, shape),
        tf.constant(start, tf.int32, shape),
        tf.constant(end, tf.int32, shape),
    ]
    extra = [tf.constant([text.about for text in texts], tf.string, [len(texts)])] if about else []
    return tf.data.Dataset.from_tensor_slices((*columns, *extra))
