"""Text to words and words to ids."""

import collections

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.normalisation import normalise
from zoo.preprocessing.vocabulary import LINE, NUMBER, Vocabulary

# Signs of a writing without spaces between words.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def split_words(text):
    """Splits texts into lower-case words and punctuation marks; HTML tags are dropped.

    Args:
        text: string [N], UTF-8. Bytes that are not UTF-8 count as unknown characters.

    Returns:
        Ragged string [N, None]. A word is a run of letters with their marks, digits and apostrophes; any other visible
        character is a word of its own, and so is each sign of a writing without spaces between words. What looks alike is the
        same word; see `normalise`.
    """
    text = normalise(text, lower=True, tags=False)
    return tf.strings.split(tf.strings.regex_replace(text, rf"([^\p{{L}}\p{{M}}\p{{N}}'\s]|{UNSPACED})", r" \1 "))


# Bytes of a text that are looked at for each word that is kept: what is beyond costs seconds of regular expressions.
BYTES = 64


class Words(Vocabulary):
    """A vocabulary of words: ragged words in, ids out.

    Id 0 is padding and 1 stands for every word that is not in the vocabulary; the words follow, most frequent first.

    Args:
        vocabulary: the words, without the two reserved entries.
        limit: how many words of a text are kept; the rest is cut off, so that one long text cannot exhaust the memory.
        file: name of the vocabulary's file among the assets of a SavedModel.
    """

    RESERVED = 2

    def __init__(self, vocabulary, *, limit: int, file: str = "vocabulary.txt"):
        if limit < 1:
            raise ZooError(f"A text must keep at least 1 word, not limit={limit}.")
        super().__init__(vocabulary, limit=limit, file=file)
        if not self.vocabulary:
            raise ZooError(f"The vocabulary is empty: the texts hold no word, or its size is less than {self.RESERVED + 1}.")
        self.table = self.lookup_table(LINE, NUMBER, 1 - self.RESERVED)

    @property
    def resources(self):
        """See `Codec.resources`."""
        return (self.table,)

    @classmethod
    def fit(cls, texts, *, size: int, limit: int):
        """Takes the most frequent words of a data set.

        Args:
            texts: `tf.data.Dataset` of (text, ...) or of texts, unbatched: the training split.
            size: number of ids at most, the two reserved ones included.
            limit: see the class.
        """
        counts = collections.Counter()
        only_text = texts.map(lambda text, *_: text)
        for words in only_text.batch(1024).map(lambda text: split_words(text).flat_values):
            counts.update(words.numpy().tolist())
        # ties by the word itself, so that the order does not depend on that of the texts
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls([word.decode() for word, _ in ranked[: max(size - cls.RESERVED, 0)]], limit=limit)

    def split(self, text):
        """The words of texts as `split_words` has them, of very long ones as many as may be kept: ragged string [N, None]."""
        return split_words(tf.strings.substr(text, 0, min(self.limit * BYTES, tf.int32.max)))

    def __call__(self, words):
        """Turns ragged words, string [N, None], into ids, int32 [N, T], 0 where a text has ended; T ≥ 1, at most `limit`."""
        kept = words[:, : self.limit]
        ids = kept.with_flat_values(tf.cast(self.table.lookup(kept.flat_values), tf.int32) + self.RESERVED).to_tensor()
        return tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])
