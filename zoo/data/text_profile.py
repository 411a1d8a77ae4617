"""What labelled texts look like: how many and how long they are, how many n-grams they hold, how large their classes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf  # else not here: a person's own file is read before TensorFlow is imported

# Distinct n-grams that are counted, at most: more do not change what is chosen.
COUNTED = 2**17
# Share of the letters that are of a writing without spaces, from which on that is said.
MUCH = 0.2


@dataclass(frozen=True)
class TextProfile:
    """What labelled texts look like.

    Args:
        texts: how many there are to train on.
        words: the median of their words and marks.
        longest: the most of them.
        ngrams: distinct n-grams of up to the longest order asked for; of more than `COUNTED`, no more.
        classes: number of texts of each class.
        unspaced: share of the letters that are of a writing without spaces between words.
    """

    texts: int
    words: int
    longest: int
    ngrams: int
    classes: tuple[int, ...]
    unspaced: float = 0.0

    def lines(self, labels) -> list[str]:
        """What was seen, in words, to be printed; `labels` are the names of the classes."""
        rarest = min(range(len(self.classes)), key=self.classes.__getitem__)
        more = "more than " if self.ngrams >= COUNTED else ""
        lines = [
            f"{self.texts:,} training texts of {self.words:,} words (median; {self.longest:,} at most), {more}{self.ngrams:,} "
            f"distinct n-grams, {len(self.classes)} classes; the smallest, {labels[rarest]!r}, has {self.classes[rarest]:,}."
        ]
        if self.unspaced > MUCH:
            lines.append(
                f"{self.unspaced:.0%} of their letters are of a writing without spaces between words: each such sign is read "
                "as a word."
            )
        return lines


# IMDB's reviews, and those made in their place.
FILM_REVIEWS = TextProfile(22_500, 201, 2_818, COUNTED, (11_250, 11_250))


def look(train: tf.data.Dataset, *, classes: int, order: int, limit: int) -> TextProfile:
    """Reads texts once.

    Args:
        train: examples (text, class number), string and int64 scalars.
        classes: how many there are.
        order: the longest n-gram, in words; 0 for none.
        limit: how many words of a text are read.
    """
    import numpy as np
    import tensorflow as tf

    from zoo.preprocessing import NGrams
    from zoo.preprocessing.words import UNSPACED, split_words

    lengths, numbers, found, letters, unspaced = [], [], np.zeros(0, np.int32), 0, 0
    for texts, labels in train.batch(512):
        words = split_words(texts)
        lengths.append(words.row_lengths().numpy())
        numbers.append(labels.numpy())
        without = tf.strings.regex_replace(texts, UNSPACED, "")
        sizes = [int(tf.reduce_sum(tf.strings.length(each, "UTF8_CHAR"))) for each in (texts, without)]
        letters, unspaced = letters + sizes[0], unspaced + sizes[0] - sizes[1]
        if order and len(found) < COUNTED:
            hashes = NGrams(order=order, limit=limit)(words).numpy().ravel()
            found = np.union1d(found, hashes[hashes > 0])
    lengths, numbers = np.concatenate(lengths), np.concatenate(numbers)
    return TextProfile(
        texts=len(lengths),
        words=int(np.median(lengths)),
        longest=int(lengths.max()),
        ngrams=min(len(found), COUNTED),
        classes=tuple(np.bincount(numbers, minlength=classes).tolist()),
        unspaced=unspaced / max(letters, 1),
    )
