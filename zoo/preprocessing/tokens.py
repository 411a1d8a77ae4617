"""Texts to words with their places: what a tagger reads of each word, and where in the text the word stands."""

import collections
from typing import NamedTuple

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.normalisation import normalise
from zoo.preprocessing.vocabulary import LINE, NUMBER, Vocabulary
from zoo.preprocessing.words import UNSPACED

# Each character of a text becomes one byte that tells its kind, in this order: control characters, of which none is left then,
# stand for what is not to be looked at again, and signs of ASCII for themselves.
SPACE, PART, ALONE, UPPER, LOWER, DIGIT = b" \1\2\3\4\5"
OTHER, UNDERSCORE = b"?_"
KINDS = (
    (r"[\p{Z}\p{Cc}]", SPACE),
    (r"[\x{fe0e}\x{fe0f}\x{200d}\x{1f3fb}-\x{1f3ff}]", PART),  # goes on with the sign before: parts of an emoji
    (UNSPACED, ALONE),
    (r"[\p{Lu}\p{Lt}]", UPPER),
    (r"[\p{L}\p{M}]", LOWER),
    (r"\p{N}", DIGIT),
    (r"[^\x00-\x7f]", OTHER),
)

# Numbers of characters: code points below have one each (Latin, Greek, Cyrillic, Hebrew, Arabic), those above share them.
CHARACTERS = 2048
# Kinds of capitals and figures: see `Tokens.__call__`; each with and without a space before the word, and padding.
KINDS_OF_WORDS = 7
SHAPES = 1 + 2 * KINDS_OF_WORDS
# Characters of a text that are looked at for each word that is kept.
PER_WORD = 16


class Read(NamedTuple):
    """Words of a batch of texts, right-padded.

    Attributes:
        tokens: string [N, T], as they stand in the text; "" as padding.
        starts, ends: int32 [N, T], places in the text, in Unicode characters, the end exclusive; 0 as padding.
        words: int32 [N, T], ids; 0 as padding, 1 for what is not in the vocabulary.
        characters: int32 [N, T, L], numbers of the first characters, 0 after a word's end.
        shapes: int32 [N, T], number of the kind of word by capitals and figures, and of whether a space precedes it.
    """

    tokens: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    words: tf.Tensor
    characters: tf.Tensor
    shapes: tf.Tensor

    @property
    def mask(self):
        """Where there is a word, bool [N, T]."""
        return self.words > 0


class Tokens(Vocabulary):
    """Words with their places: a vocabulary of lower-case words, and a tokeniser that loses no character's place.

    A word is a run of letters with their marks, figures and underscores; any other visible sign is a word of its own, an emoji
    with its parts and each sign of a writing without spaces too; so is a link (`https://...`) up to the next space. Id 0 is
    padding, 1 a word that is not in the vocabulary.

    Args:
        vocabulary: words as `key` writes them, without the two reserved entries.
        limit: how many words of a text are read; the rest is cut off, so that one long text cannot exhaust the memory.
        length: how many characters of a word are read.
        file: name of the vocabulary's file among the assets of a SavedModel.
    """

    RESERVED = 2

    def __init__(self, vocabulary, *, limit: int = 4096, length: int = 16, file: str = "words.txt"):
        if limit < 1 or length < 1:
            raise ZooError(f"At least 1 word and 1 character of it are read, not limit={limit}, length={length}.")
        super().__init__(vocabulary, limit=limit, file=file)
        if not self.vocabulary:
            raise ZooError("The vocabulary is empty: no word occurs often enough in the texts.")
        self.length = length
        self.table = self.lookup_table(LINE, NUMBER, 1 - self.RESERVED)

    @property
    def resources(self):
        """See `Codec.resources`."""
        return (self.table,)

    def config(self):
        """See `Codec.config`."""
        return {**super().config(), "length": self.length}

    @classmethod
    def fit(cls, texts, *, size: int, least: int = 2, more=None, **options):
        """Takes the most frequent words of texts.

        Args:
            texts: `tf.data.Dataset` of texts, unbatched.
            size: number of ids at most, the two reserved ones included.
            least: how often a word has to occur. A word seen once teaches more as one that is not in the vocabulary: how to
                read such words by their characters.
            more: texts of another collection, whose most frequent words fill what is left of the size; None for none.
            **options: see the class.
        """
        own, others = cls._count(texts, options), cls._count(more, options) if more is not None else collections.Counter()
        total = own + others

        def ranked(words):  # ties by the word itself, so that the order does not depend on that of the texts
            return sorted(words, key=lambda word: (-total[word], word))

        kept = ranked(word for word, count in own.items() if count >= least)[: max(size - cls.RESERVED, 0)]
        kept += ranked(others.keys() - set(kept))[: size - cls.RESERVED - len(kept)]
        return cls([word.decode() for word in ranked(kept)], **options)

    @classmethod
    def _count(cls, texts, options) -> collections.Counter:
        """How often each word occurs."""
        counts, tokens = collections.Counter(), cls(["-"], **options)
        for batch in texts.batch(512):
            words = tokens.split(batch)[0]
            counts.update(cls.key(tf.boolean_mask(words, words != "")).numpy().tolist())
        counts.pop(b"", None)  # of a sign that is not to be seen
        return counts

    @staticmethod
    def key(tokens):
        """Words, string [M] → as the vocabulary has them: lower case, all figures 0, what looks alike in one way."""
        return tf.strings.regex_replace(normalise(tokens, lower=True), r"\p{N}", "0")

    def split(self, text):
        """Texts, string [N] → tokens, starts and ends as `Read` has them, code points and kinds of characters, int32 [N, C]."""
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
        text = tf.strings.substr(text, 0, min(self.limit * PER_WORD, tf.int32.max), unit="UTF8_CHAR")
        kind = text
        for pattern, replacement in KINDS:
            kind = tf.strings.regex_replace(kind, pattern, chr(replacement))
        codes, offsets = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
        longest = tf.maximum(tf.cast(tf.reduce_max(tf.concat([codes.row_lengths(), [0]], axis=0)), tf.int32), 1)
        kinds = tf.cast(tf.io.decode_raw(kind, tf.uint8, fixed_length=longest), tf.int32)
        rows = tf.shape(kinds)[0]
        codes = codes.to_tensor(shape=[None, None])
        codes = tf.pad(codes, [[0, 0], [0, longest - tf.shape(codes)[1]]])

        visible = (kinds != 0) & (kinds != SPACE)
        in_word = (kinds == UPPER) | (kinds == LOWER) | (kinds == DIGIT) | (kinds == UNDERSCORE)
        before = tf.pad(kinds, [[0, 0], [1, 0]], constant_values=SPACE)[:, :-1]
        together = in_word & tf.pad(in_word, [[0, 0], [1, 0]])[:, :-1]
        together |= (kinds == PART) | (kinds == OTHER) & (before == PART)
        together |= visible & _in_links(kinds)
        first = visible & ~(together & (before != SPACE))
        last = visible & tf.pad(first | ~visible, [[0, 0], [0, 1]], constant_values=True)[:, 1:]

        def places(found):
            where = tf.cast(tf.where(found), tf.int32)
            return tf.RaggedTensor.from_value_rowids(where[:, 1], where[:, 0], nrows=rows, validate=False)[:, : self.limit]

        starts, ends = places(first), places(last) + 1
        # where each character begins in bytes, and where the text ends
        size = tf.strings.length(text)
        offsets = tf.concat([tf.cast(offsets, tf.int32), tf.RaggedTensor.from_tensor(size[:, None])], axis=1)
        lengths = starts.row_lengths()
        count = tf.maximum(tf.reduce_max(tf.concat([lengths, [0]], axis=0)), 1)
        starts, ends = (part.to_tensor(shape=[None, None]) for part in (starts, ends))
        starts, ends = (tf.pad(part, [[0, 0], [0, tf.cast(count, tf.int32) - tf.shape(part)[1]]]) for part in (starts, ends))
        tokens = self.cut(text, starts, ends, offsets)
        return tokens, starts, ends, codes, kinds

    @staticmethod
    def cut(text, starts, ends, offsets=None):
        """Pieces of texts: string [N], places in characters int32 [N, T] → string [N, T]."""
        if offsets is None:
            text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
            _, offsets = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
            offsets = tf.concat(
                [tf.cast(offsets, tf.int32), tf.RaggedTensor.from_tensor(tf.strings.length(text)[:, None])], axis=1
            )
        offsets = offsets.to_tensor(shape=[None, None])
        begin, end = (tf.gather(offsets, part, axis=1, batch_dims=1) for part in (starts, ends))
        return tf.strings.substr(tf.repeat(text[:, None], tf.shape(begin)[1], axis=1), begin, end - begin)

    def __call__(self, text) -> Read:
        """Texts, string [N] → `Read`; T at least 1, at most `limit`.

        Shapes are: small letters (1), a capital first (2), capitals alone (3), others with letters (4), figures (5), figures
        with letters (6), none of these (7); 7 more without a space before the word.
        """
        tokens, starts, ends, codes, kinds = self.split(text)
        mask = ends > 0
        places = starts[..., None] + tf.range(self.length)
        inside = places < ends[..., None]
        places = tf.where(inside, places, 0)

        def read(values):
            return tf.where(inside, tf.gather(values, places, axis=1, batch_dims=1), 0)

        characters, kind = read(codes), read(kinds)
        characters = tf.where(inside, 1 + characters % (CHARACTERS - 1), 0)
        upper, lower, digit = (kind == each for each in (UPPER, LOWER, DIGIT))
        capitals, has_lower, has_digit = (tf.reduce_sum(tf.cast(each, tf.int32), axis=2) for each in (upper, lower, digit))
        letters = capitals + has_lower
        shape = tf.where(capitals == 0, 1, tf.where(upper[..., 0] & (capitals == 1), 2, tf.where(has_lower == 0, 3, 4)))
        shape = tf.where(has_digit > 0, tf.where(letters > 0, 6, 5), tf.where(letters > 0, shape, 7))
        glued = starts == tf.pad(ends, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
        shape = tf.where(mask, shape + tf.where(glued, KINDS_OF_WORDS, 0), 0)
        ids = tf.cast(self.table.lookup(self.key(tf.reshape(tokens, [-1]))), tf.int32) + self.RESERVED
        words = tf.where(mask, tf.reshape(ids, tf.shape(tokens)), 0)
        return Read(tokens, starts, ends, words, characters, shape)


def _in_links(kinds):
    """Where the characters of texts, by their kinds, int32 [N, C], are after the name of a protocol: bool [N, C]."""
    ahead = tf.pad(kinds, [[0, 0], [0, 2]])
    begins = (kinds == ord(":")) & (ahead[:, 1:-1] == ord("/")) & (ahead[:, 2:] == ord("/"))
    rows, width = tf.shape(kinds)[0], tf.shape(kinds)[1] + 1
    # pieces between spaces, numbered through all texts
    piece = tf.cumsum(tf.cast(kinds == SPACE, tf.int32), axis=1) + width * tf.range(rows)[:, None]
    seen = tf.cumsum(tf.cast(begins, tf.int32), axis=1)
    before = tf.math.unsorted_segment_min(seen - tf.cast(begins, tf.int32), piece, rows * width)
    return seen > tf.gather(before, piece)
