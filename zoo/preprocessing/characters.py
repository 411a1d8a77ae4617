"""Texts to characters, characters to ids, and back."""

import collections

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.vocabulary import Vocabulary

REPLACEMENT = 0xFFFD
NUMBER = (tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
CODE = (tf.int64, 0)  # the first column


class Characters(Vocabulary):
    """A vocabulary of characters: texts in, ids out, and back, in TensorFlow ops only.

    Ids 0 to 3 are padding, unknown character, start and end, as those of `SubWords`; the characters follow. A text stays as it
    is, white space too, but that all its line ends are "\\n".

    Args:
        vocabulary: a line for each character, as `entry` writes it.
        limit: how many ids a text has at most; the rest is cut off.
        file: name of the vocabulary's file among the assets of a SavedModel.

    Raises:
        ZooError: if the limit is less than 1, or the vocabulary is empty or not of such lines.
    """

    PADDING, UNKNOWN, START, END = range(4)
    RESERVED = 4

    def __init__(self, vocabulary, *, limit: int, file: str = "characters.txt"):
        if limit < 1:
            raise ZooError(f"A text must keep at least 1 character, not limit={limit}.")
        super().__init__(vocabulary, limit=limit, file=file)
        if not self.vocabulary:
            raise ZooError("The vocabulary is empty: there must be at least one character, or a text to learn them from.")
        for line in self.vocabulary:
            if not line.split("\t")[0].isdecimal():
                raise ZooError(f"A line of characters begins with the number of one and a tab, such as 'A' = 65, not {line!r}.")
        self._ids = self.lookup_table(CODE, NUMBER, -1)
        self._codes = self.lookup_table(NUMBER, CODE, REPLACEMENT)

    @staticmethod
    def entry(character: str) -> str:
        """The line of a character: its number in Unicode, a tab, and itself, if it can be printed."""
        return f"{ord(character)}\t{character if character.isprintable() else ''}"

    @property
    def resources(self):
        """See `Codec.resources`."""
        return self._ids, self._codes

    @classmethod
    def fit(cls, texts, *, limit: int, least: int = 1, file: str = "characters.txt"):
        """Takes the characters of a data set, the most frequent first.

        Args:
            texts: `tf.data.Dataset` of string scalars, unbatched: the training split.
            limit: see the class.
            least: how often a character has to occur; the others are unknown.
            file: see the class.

        Raises:
            ZooError: if there is none.
        """
        counts = collections.Counter()
        for text in texts.as_numpy_iterator():
            counts.update(text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))
        # ties by the character itself, so that the order does not depend on that of the texts
        ranked = sorted(
            (character for character in counts if counts[character] >= least), key=lambda each: (-counts[each], each)
        )
        return cls(map(cls.entry, ranked), limit=limit, file=file)

    def __call__(self, text):
        """Turns texts, string [N], into ids, int32 [N, T], 0 where a text has ended; T ≥ 1, at most `limit`."""
        with tf.device("/device:CPU:0"):  # where strings are
            text = tf.strings.substr(text, 0, min(8 * self.limit, tf.int32.max))  # bytes: beyond, it is not even looked at
            text = tf.strings.regex_replace(text, "\r\n?", "\n")
            codes = tf.strings.unicode_decode(text, "UTF-8", errors="replace", replacement_char=REPLACEMENT)
            lengths = tf.minimum(tf.cast(codes.row_lengths(), tf.int32), self.limit)
            codes = codes.to_tensor(default_value=-1, shape=[None, None])[:, : self.limit]
            codes = tf.pad(codes, [[0, 0], [0, tf.cast(tf.shape(codes)[1] == 0, tf.int32)]], constant_values=-1)
            lines = tf.cast(self._ids.lookup(tf.cast(codes, tf.int64)), tf.int32)
            ids = tf.where(lines >= 0, lines + self.RESERVED, self.UNKNOWN)
            return tf.where(tf.sequence_mask(lengths, tf.shape(codes)[1]), ids, self.PADDING)

    def pieces(self, ids):
        """Ids, int [...] → characters, string [...]: "" for padding, start and end, U+FFFD for the unknown."""
        ids = tf.cast(ids, tf.int64)
        silent = (ids == self.PADDING) | (ids == self.START) | (ids == self.END)
        codes = tf.cast(self._codes.lookup(ids - self.RESERVED), tf.int32)
        characters = tf.strings.unicode_encode(tf.reshape(codes, [-1, 1]), "UTF-8")
        return tf.where(silent, "", tf.reshape(characters, tf.shape(ids)))

    def decode(self, ids):
        """Ids, int [N, T] → texts, string [N], each up to its first end."""
        ended = tf.cumsum(tf.cast(tf.equal(ids, self.END), tf.int32), axis=-1) > 0
        return tf.strings.reduce_join(tf.where(ended, "", self.pieces(ids)), axis=-1)
