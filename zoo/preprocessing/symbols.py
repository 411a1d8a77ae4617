"""Sequences of symbols without spaces, such as DNA: letters to ids."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.codec import Codec


class Symbols(Codec):
    """Letters to ids, of sequences of one length; capital and small letters are the same.

    Args:
        alphabet: the letters, at least two, each once; their places are their ids.
        length: letters of a sequence.
    """

    def __init__(self, alphabet: str, *, length: int):
        alphabet = str(alphabet)
        if len(alphabet) < 2 or len(set(alphabet)) < len(alphabet) or not (alphabet.isascii() and alphabet.isprintable()):
            raise ZooError(f"An alphabet is of at least two ASCII characters, each once, not {alphabet!r}.")
        if alphabet != alphabet.upper() or " " in alphabet:
            raise ZooError(f"An alphabet has neither small letters, which are read as capitals, nor spaces: not {alphabet!r}.")
        if length < 1:
            raise ZooError(f"A sequence has at least 1 letter, not length={length}.")
        self.alphabet, self.length = alphabet, length

    def config(self):
        """See `Codec.config`."""
        return {"alphabet": self.alphabet, "length": self.length}

    @classmethod
    def fit(cls, sequences, **options):
        """Takes the letters of a data set, an iterable of bytes, in the order of the alphabet."""
        letters = sorted(set(b"".join(sequences).decode().upper()))
        return cls("".join(letters), **options)

    def __call__(self, sequence):
        """Turns sequences into ids.

        Args:
            sequence: string [N]; white space at either end is left out.

        Returns:
            Ids, int32 [N, length], and what is wrong with each sequence, string [N], "" where nothing is; ids are then 0.
        """
        sequence = tf.strings.upper(tf.strings.strip(sequence))
        lengths = tf.strings.length(sequence, unit="UTF8_CHAR")
        codes = tf.io.decode_raw(tf.strings.substr(sequence, 0, self.length), tf.uint8, fixed_length=self.length)
        matches = tf.cast(codes, tf.int32)[..., None] == list(self.alphabet.encode())
        known = tf.reduce_any(matches, axis=2)
        # the first that is not known, as a character and not as a byte
        other = tf.strings.regex_replace(sequence, self._known, "")
        shown = tf.strings.substr(other, 0, 1, unit="UTF8_CHAR")
        error = tf.where(
            lengths != self.length,
            tf.strings.join([f"a sequence has {self.length} letters, this one has ", tf.strings.as_string(lengths)]),
            "",
        )
        wrong = tf.strings.join(["the letter '", shown, f"' is none of {self.alphabet}"])
        error = tf.where(other != "", wrong, error)
        error = tf.where(sequence == "", "empty", error)
        ids = tf.argmax(tf.cast(matches, tf.int32), axis=2, output_type=tf.int32)
        return tf.where((error == "")[:, None] & known, ids, 0), error

    @property
    def _known(self) -> str:
        """A pattern for one letter of the alphabet."""
        return "[" + "".join(f"\\x{{{ord(letter):02x}}}" for letter in self.alphabet) + "]"
