"""Texts to sub-words, sub-words to ids, and back."""

import collections
import copy
import heapq
import itertools

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.normalisation import normalise
from zoo.preprocessing.vocabulary import LINE, NUMBER, Vocabulary

MARK = "\u2581"  # stands for the space before a word, as in SentencePiece
REPLACEMENT = "\ufffd"
USUAL_LIMIT, LARGEST_LIMIT = 64, 512  # ids of a text
LONGEST = 16  # characters of a learnt piece, as in SentencePiece: encoding tries every length

# A word with its apostrophes, or one other character, each with the space before it; a digit, or its space, is on its own.
PRE_TOKEN = rf"{MARK}?[\p{{L}}\p{{M}}]+(?:'[\p{{L}}\p{{M}}]+)*|{MARK}?[^\p{{L}}\p{{M}}\p{{N}}{MARK}]|."


def _mark_spaces(text):
    """Normalised string [N] → string [N] with U+2581 before every word; an empty text stays empty."""
    return tf.strings.regex_replace(tf.strings.regex_replace(text, "^.", r" \0"), " ", MARK)


def _pre_tokens(marked):
    """String [N], spaces marked → what no piece reaches across, string [M], and the text that each is of, int64 [M]."""
    parts = tf.raw_ops.StringSplitV2(input=tf.strings.regex_replace(marked, PRE_TOKEN, r"\0 "), sep="")
    return parts.values, parts.indices[:, 0]


class SubWords(Vocabulary):
    """A vocabulary of sub-words: texts in, ids out, and back, in TensorFlow ops only.

    Ids 0 to 3 are padding, unknown character, start and end; the pieces follow. A piece is a word or a part of one, and
    starts with "▁" (U+2581) if a space stood before it, so that decoding gives back the text. Punctuation marks and digits
    are pieces of their own. A text is cut from the left, each time at the longest piece that fits.

    Args:
        vocabulary: the pieces, without the reserved entries.
        limit: how many ids a text has at most; the rest is cut off, so that one long text cannot exhaust the memory.
        file: name of the vocabulary's file among the assets of a SavedModel.
        lower: whether texts are read in lower case.

    Raises:
        ZooError: if the limit is less than 1 or the vocabulary is empty.

    Source: longest match as in WordPiece (Schuster & Nakajima 2012; Wu et al. 2016); spaces as in SentencePiece (Kudo &
    Richardson 2018).
    """

    PADDING, UNKNOWN, START, END = range(4)
    RESERVED = 4

    def __init__(self, vocabulary, *, limit: int, file: str = "vocabulary.txt", lower: bool = False):
        if limit < 1:
            raise ZooError(f"A text must keep at least 1 piece, not limit={limit}.")
        super().__init__(vocabulary, limit=limit, file=file)
        self.lower = lower
        if not self.vocabulary:
            raise ZooError("The vocabulary is empty: there must be at least one piece, or a text to learn pieces from.")
        self._longest = max(map(len, self.vocabulary))
        self._lines = self.lookup_table(LINE, NUMBER, -1)
        self._pieces = self.lookup_table(NUMBER, LINE, REPLACEMENT)

    @property
    def resources(self):
        """See `Codec.resources`."""
        return self._lines, self._pieces

    def config(self):
        """See `Codec.config`."""
        return super().config() | ({"lower": True} if self.lower else {})

    @classmethod
    def fit(cls, texts, *, size: int, limit: int | None, least: int | None = 2, file="vocabulary.txt", lower=False):
        """Learns the pieces of a data set by byte-pair encoding.

        The vocabulary holds the characters (the most frequent first; one that occurs once only if it is ASCII), then the
        merged pairs in the order in which they were learnt. Since encoding takes the longest piece in place of repeating
        the merges, a word may be cut otherwise than it was while learning.

        Args:
            texts: `tf.data.Dataset` of string scalars, unbatched: the training split.
            size: number of ids at most, the four reserved ones included.
            limit: see the class; None: `USUAL_LIMIT`, and more where 2 texts in 1,000 are longer, up to `LARGEST_LIMIT`.
            least: how often a pair of neighbours has to occur to be joined; None: never, the pieces are the characters.
            file, lower: see the class.

        Raises:
            ZooError: if the characters alone need more than `size` ids, or there is no text.

        Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units".
        """
        counts = _counts(texts, lower)
        characters = collections.Counter()
        for token, count in counts.items():
            for character in token:
                characters[character] += count
        # ties by the character itself, so that the order does not depend on that of the texts
        ranked = sorted(characters.items(), key=lambda item: (-item[1], item[0]))
        alphabet = [character for character, count in ranked if count > 1 or character.isascii() or character == MARK]
        room = size - cls.RESERVED - len(alphabet)
        if room < 0:
            least = cls.RESERVED + len(alphabet)
            raise ZooError(f"size={size} is too small: the characters of these texts need {least} ids, pieces some thousands.")
        pieces = alphabet + (_merged_pairs(counts, room, least) if least else [])
        if limit is None:
            lengths = cls(pieces, limit=LARGEST_LIMIT, file=file, lower=lower).lengths(texts)
            limit = min(max(USUAL_LIMIT, 1 + int(np.quantile(lengths, 0.998, method="higher"))), LARGEST_LIMIT)
        return cls(pieces, limit=limit, file=file, lower=lower)

    def limited(self, limit: int) -> "SubWords":
        """The same vocabulary, of which a text has at most so many ids."""
        same = copy.copy(self)
        same.limit = limit
        return same

    def lengths(self, texts):
        """How many ids each text of a `tf.data.Dataset` of string scalars has, int [N]."""
        batches = texts.batch(1024).map(lambda text: tf.math.count_nonzero(self(text), axis=1))
        return np.concatenate([np.zeros(0, "int64"), *batches.as_numpy_iterator()])

    def __call__(self, text):
        """Turns texts, string [N], into ids, int32 [N, T], 0 where a text has ended; T ≥ 1, at most `limit`."""
        # No id reaches further than the longest piece; one character more tells if an apostrophe is inside a word.
        reach = min(self.limit * self._longest + 1, tf.int32.max)
        # Strings are on the CPU. The numbers that cut them stay there too, or they would go to and fro in every step.
        with tf.device("/device:CPU:0"):
            text = tf.strings.substr(text, 0, min(16 * reach, tf.int32.max))  # bytes: beyond, it is not even looked at
            text = tf.strings.substr(normalise(text, lower=self.lower), 0, reach, unit="UTF8_CHAR")
            _, owners, ids, lengths = self.cut(text)
            return self.padded(ids, tf.math.unsorted_segment_sum(lengths, owners, tf.size(text)))

    def cut(self, text):
        """Cuts texts that are normalised, string [N], into pieces.

        Returns:
            What no piece reaches across (words, marks, digits), string [M]; the text that each is of, int64 [M]; the ids of
            all their pieces in order, int32 [K]; and how many each of them has, int64 [M], `limit` at most.
        """
        tokens, owners = _pre_tokens(_mark_spaces(text))
        return tokens, owners, *self._longest_matches(tokens)

    def padded(self, ids, lengths):
        """Ids in order, int32 [K], and how many each row has, int64 [N] → int32 [N, T] as `__call__` gives them."""
        longest = tf.minimum(tf.reduce_max(tf.pad(lengths, [[0, 1]], constant_values=1)), self.limit)
        step = tf.range(longest)
        inside = step < lengths[:, None]
        places = tf.where(inside, tf.cumsum(lengths, exclusive=True)[:, None] + step, tf.size(ids, tf.int64))
        return tf.gather(tf.pad(ids, [[0, 1]]), places)

    def _longest_matches(self, tokens):
        """Cuts pre-tokens, string [M], into pieces: all ids in order, int32 [K], and how many each has, int64 [M]."""
        lines = self._lines.lookup(tokens)
        whole, rest = tf.where(lines >= 0)[:, 0], tf.where(lines < 0)[:, 0]
        # Most are one piece. From the others, all at once, a piece is cut in each step, until all are used up.
        state = (
            tf.constant(0, tf.int64),
            rest,
            tf.gather(tokens, rest),
            tf.gather(lines, whole) + self.RESERVED,
            whole,
            tf.zeros_like(whole),
        )

        def cut(step, owners, texts, ids, ids_owners, ids_steps):
            lengths = tf.strings.length(texts, unit="UTF8_CHAR")
            tried = tf.range(1, tf.minimum(tf.reduce_max(lengths), self._longest) + 1)[tf.newaxis]
            prefixes = tf.strings.substr(texts[:, tf.newaxis], tf.zeros_like(tried), tried, unit="UTF8_CHAR")
            lines = self._lines.lookup(prefixes)
            found = tf.maximum(tf.reduce_max(tf.where(lines >= 0, tried, 0), axis=1), 1)  # an unknown character is cut too
            new = tf.gather(lines, found - 1, batch_dims=1)
            new = tf.where(new >= 0, new + self.RESERVED, self.UNKNOWN)
            go_on = tf.where(found < lengths)[:, 0]
            begin = tf.gather(found, go_on)
            return (
                step + 1,
                tf.gather(owners, go_on),
                tf.strings.substr(tf.gather(texts, go_on), begin, tf.fill(tf.shape(begin), tf.int32.max), unit="UTF8_CHAR"),
                tf.concat([ids, new], axis=0),
                tf.concat([ids_owners, owners], axis=0),
                tf.concat([ids_steps, tf.fill(tf.shape(owners, tf.int64), step)], axis=0),
            )

        def unfinished(step, owners, *_):
            return (tf.size(owners) > 0) & (step < self.limit)

        shapes = (tf.TensorShape([]),) + (tf.TensorShape([None]),) * 5
        _, _, _, ids, owners, steps = tf.while_loop(unfinished, cut, state, shape_invariants=shapes)
        lengths = tf.math.unsorted_segment_sum(tf.ones_like(owners), owners, tf.size(tokens))
        places = tf.gather(tf.cumsum(lengths, exclusive=True), owners) + steps
        ordered = tf.scatter_nd(places[:, tf.newaxis], tf.cast(ids, tf.int32), tf.shape(ids, tf.int64))
        return ordered, lengths

    def pieces(self, ids):
        """Ids, int [N, T] → pieces, string [N, T]: "" for padding, start and end, U+FFFD for an unknown character."""
        ids = tf.cast(ids, tf.int64)
        silent = (ids == self.PADDING) | (ids == self.START) | (ids == self.END)
        return tf.where(silent, "", self._pieces.lookup(ids - self.RESERVED))

    def decode(self, ids):
        """Ids, int [N, T] → texts, string [N], each up to its first end."""
        ended = tf.cumsum(tf.cast(tf.equal(ids, self.END), tf.int32), axis=-1) > 0
        text = tf.strings.reduce_join(tf.where(ended, "", self.pieces(ids)), axis=-1)
        return tf.strings.strip(tf.strings.regex_replace(text, MARK, " "))


def word_counts(texts) -> dict[str, int]:
    """Word → how often it occurs in a `tf.data.Dataset` of string scalars; marks and digits are none."""
    return {token: count for token, count in _counts(texts).items() if any(map(str.isalpha, token))}


def _counts(texts, lower: bool = False) -> dict[str, int]:
    """Pre-token → how often it occurs in a `tf.data.Dataset` of string scalars."""
    counts = collections.Counter()
    for tokens in texts.batch(1024).map(lambda text: _pre_tokens(_mark_spaces(normalise(text, lower=lower)))[0]):
        counts.update(tokens.numpy().tolist())
    return {token.decode(): count for token, count in counts.items()}


def _merged_pairs(counts: dict[str, int], number: int, least: int) -> list[str]:
    """Joins the most frequent pair of neighbours to a piece, again and again; the pieces in the order they were made.

    Args:
        counts: pre-token → how often it occurs.
        number: how many pieces at most; there are fewer where no pair is left that occurs often enough.
        least: how often that is.
    """
    words = [list(token) for token in counts]
    weights = list(counts.values())
    pair_counts, places = collections.Counter(), collections.defaultdict(set)
    for word, symbols in enumerate(words):
        for pair in itertools.pairwise(symbols):
            pair_counts[pair] += weights[word]
            places[pair].add(word)
    heap = [(-count, pair) for pair, count in pair_counts.items()]  # ties by the pair itself
    heapq.heapify(heap)
    pieces = {}  # the same piece may come of two pairs, "a" + "bc" and "ab" + "c"
    while heap and len(pieces) < number:
        count, pair = heapq.heappop(heap)
        joined = "".join(pair)
        if -count != pair_counts[pair] or len(joined) > LONGEST:  # an entry from before the count changed
            continue
        if -count < least:
            break
        pieces[joined] = None
        changes = collections.Counter()
        for word in places.pop(pair):
            old, weight = words[word], weights[word]
            new = words[word] = _join(old, pair, joined)
            for neighbours in itertools.pairwise(old):
                changes[neighbours] -= weight
            for neighbours in itertools.pairwise(new):
                changes[neighbours] += weight
                places[neighbours].add(word)
        for neighbours, change in changes.items():
            if change:
                pair_counts[neighbours] += change
                heapq.heappush(heap, (-pair_counts[neighbours], neighbours))
    return list(pieces)


def _join(symbols, pair, joined):
    """A copy of a list of symbols with every such pair of neighbours in one."""
    result, position = [], 0
    while position < len(symbols):
        match = symbols[position : position + 2] == list(pair)
        result.append(joined if match else symbols[position])
        position += 2 if match else 1
    return result
