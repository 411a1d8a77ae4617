"""Texts of any length to sentences, and to rows of sub-words that a model can read."""

import typing

import tensorflow as tf

from zoo.preprocessing.normalisation import normalise

# A full stop after these ends no sentence, and none after a single capital: titles and the like that a name or number follows.
ABBREVIATIONS = (
    "Sr Sra Sres Sras Srta Srtas Dr Dra Drs Prof Profa Ud Uds Vd Vds Dña Lic Ing Gral Mons Av Avda EE Núm núm pág págs ej aprox"
    " Mr Mrs Ms St Sgt Capt Lt Gov Rev vs cf Tel Hr Hrn Nr Mme Mlle MM Mgr"
).split()
ABBREVIATED = rf"(^|[^\p{{L}}\p{{N}}])({'|'.join(ABBREVIATIONS)}|\p{{Lu}})\. "
CLOSING, OPENING = r"[\"'»”’)\]]*", r"[\p{Lu}\p{Lt}\p{Lo}\p{N}¿¡«\"'(\[–—-]"
NO_SPACE = "\x1f"  # in place of a space where no sentence ends; normalised texts have no control characters

MOST_ROWS = 64  # of a text: one request cannot take minutes
CHARACTERS = 8  # of a piece on average, at most


def split_sentences(text):
    """Splits texts at the ends of their sentences and lines.

    A sentence ends with `.`, `!`, `?` or `…` and quotes or brackets that close, where a space and a capital, a digit, a mark
    that opens or a letter of a script without case follow; after `!` and `?` and in a text without capitals anything may
    follow. Not after titles ("Sr. López"), initials or inside numbers. Chinese and Japanese marks need no space. A line ends
    a sentence, unless it is long and the next begins in lower case: then it is wrapped.

    Args:
        text: string [N], UTF-8.

    Returns:
        The sentences of all texts in order, string [S], normalised as `normalise` has it, and the text that each is of,
        int64 [S]. No sentence is empty, but a text without any has one, "".
    """
    count = tf.size(text)
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
    for pattern, rewrite in (
        (r"[ \t]*(\r\n|[\n\r\v\f\x{85}\x{2028}\x{2029}])[ \t]*", "\n"),
        (r"([^\n]{40})\n(\p{Ll})", r"\1 \2"),
        ("([。！？｡]+[”」』）]*)", "\\1\n"),
    ):
        text = tf.strings.regex_replace(text, pattern, rewrite)
    line, texts = _lines(text)
    line = normalise(line)
    for _ in range(2):  # of neighbours a pass sees every other one
        line = tf.strings.regex_replace(line, ABBREVIATED, rf"\1\2.{NO_SPACE}")
    split = tf.strings.regex_replace(line, rf"([.!?…]{CLOSING}) ({OPENING})", "\\1\n\\2")
    split = tf.strings.regex_replace(split, "([!?]) ", "\\1\n")
    everywhere = tf.strings.regex_replace(split, r"([.!?…]) ", "\\1\n")
    split = tf.where(tf.strings.regex_full_match(line, r"[^\p{Lu}]*"), everywhere, split)
    sentence, lines = _lines(tf.strings.regex_replace(split, NO_SPACE, " "))
    texts = tf.gather(texts, lines)
    kept = sentence != ""
    some = _any(kept, texts, count)
    chosen = tf.where(kept | (_first(texts, count) & ~tf.gather(some, texts)))[:, 0]
    return tf.gather(sentence, chosen), tf.gather(texts, chosen)


def _lines(text):
    """String [N] → lines, string [M], and the text that each is of, int64 [M]."""
    parts = tf.raw_ops.StringSplitV2(input=text, sep="\n")
    return parts.values, parts.indices[:, 0]


def _first(segments, count):
    """Which are the first of their segment; all segments in order."""
    number = tf.range(tf.size(segments))
    return tf.gather(tf.math.unsorted_segment_min(number, segments, count), segments) == number


def _any(flags, segments, count):
    return tf.math.unsorted_segment_max(tf.cast(flags, tf.int32), segments, count) > 0


def lowered(sentence, texts, count):
    """Sentences all in capitals as they would else be written.

    Args:
        sentence: string [S], normalised.
        texts: int64 [S], the text that each is of.
        count: number of texts.

    Returns:
        The sentences, those all in capitals in lower case but for the first letter: those of two words of two letters or
        more, and any of two letters where the whole text is; and which these are, bool [S].
    """
    capitals = ~tf.strings.regex_full_match(sentence, r".*\p{Ll}.*")
    several = tf.strings.regex_full_match(sentence, r".*\p{Lu}{2}.*[^\p{L}].*\p{Lu}{2}.*")
    two = tf.strings.regex_full_match(sentence, r".*\p{Lu}.*\p{Lu}.*")
    loud = capitals & (several | (two & ~tf.gather(_any(~capitals, texts, count), texts)))
    first = tf.strings.regex_replace(sentence, r"^([^\p{L}]*\p{L}).*", r"\1")
    rest = tf.strings.regex_replace(sentence, r"^[^\p{L}]*\p{L}(.*)", r"\1")
    quiet = tf.strings.join([first, tf.strings.lower(rest, encoding="utf-8")])
    return tf.where(loud, quiet, sentence), loud


class Rows(typing.NamedTuple):
    """Texts as rows of ids, in order.

    Attributes:
        ids: int32 [R, T], 0 after the last of a row; R ≥ N, since every text has at least one row; T ≥ 1, at most `limit`.
        owners: int64 [R], the text that a row is of.
        loud: bool [R], what is written in lower case here, and was all in capitals.
        cut: bool [N], texts of which something is missing.
    """

    ids: tf.Tensor
    owners: tf.Tensor
    loud: tf.Tensor
    cut: tf.Tensor


def sentence_rows(words, text, *, by_sentence: bool = True, fold: bool = True) -> Rows:
    """Cuts texts into rows that have no more pieces than a vocabulary's limit.

    A sentence is a row. One with too many pieces goes on in further rows, from one of its clauses or else of its words, each
    row half full or more. A text has at most `MOST_ROWS`; what is beyond them, or of one word beyond a row, is left out.

    Args:
        words: a `SubWords`.
        text: string [N], UTF-8.
        by_sentence: whether every sentence is a row of its own; else only those of texts that are too long for one row.
        fold: whether what is all in capitals is read in lower case; see `lowered`.
    """
    with tf.device("/device:CPU:0"):
        count = tf.size(text)
        reach = MOST_ROWS * words.limit * CHARACTERS
        cut = tf.strings.length(text, unit="UTF8_CHAR") > reach
        sentence, texts = split_sentences(tf.strings.substr(text, 0, reach, unit="UTF8_CHAR"))
        sentence, loud = lowered(sentence, texts, count) if fold else (sentence, tf.zeros_like(texts, tf.bool))
        tokens, owners, ids, sizes = words.cut(sentence)
        longest, sentences, of_text = tf.constant(words.limit, tf.int64), tf.size(sentence), tf.gather(texts, owners)
        cut |= _any(sizes >= longest, of_text, count)

        begins = _begins(tokens, owners, sizes, sentences, longest)
        apart = tf.ones_like(texts, tf.bool)
        if not by_sentence:
            apart = tf.gather(tf.math.unsorted_segment_sum(sizes, of_text, count) > longest, texts) | _first(texts, count)
        apart = tf.cast(apart, tf.int64)
        ends = tf.cumsum(apart + tf.math.unsorted_segment_sum(begins, owners, sentences))  # rows up to each sentence's end
        total = tf.reduce_max(tf.pad(ends, [[1, 0]]))
        row_of_token = tf.gather(tf.cumsum(apart), owners) - 1 + tf.cumsum(begins)
        lengths = tf.math.unsorted_segment_sum(sizes, row_of_token, total)
        sentence_of_row = tf.searchsorted(ends, tf.range(total), side="right")

        owners = tf.gather(texts, sentence_of_row)
        number = tf.range(tf.size(owners))
        kept = number - tf.gather(tf.math.unsorted_segment_min(number, owners, count), owners) < MOST_ROWS
        cut |= _any(~kept | (lengths > longest), owners, count)
        parts = words.padded(ids, lengths), owners, tf.gather(loud, sentence_of_row)
        chosen = tf.where(kept)[:, 0]
        return Rows(*(tf.gather(part, chosen) for part in parts), cut)


def _begins(tokens, owners, sizes, count, longest):
    """Which tokens begin a further row of their sentence, int64 [M]; see `sentence_rows`.

    Clauses that begin in the same half of a row's length share a row, so that none is too long if no clause is longer than
    that half; the words of longer clauses likewise, in rows of their own.
    """
    half = longest // 2
    all_sizes = tf.math.unsorted_segment_sum(sizes, owners, count)
    before = tf.cumsum(sizes, exclusive=True) - tf.gather(tf.cumsum(all_sizes, exclusive=True), owners)
    previous = tf.concat([[""], tokens], axis=0)[:-1]
    first = before == 0
    word = first | tf.strings.regex_full_match(tokens, "\u2581.*")
    after_mark = tf.strings.regex_full_match(previous, "\u2581?[,;:–—、]")
    clause = first | (after_mark & (word | tf.strings.regex_full_match(tokens, r"\p{L}.*")))  # not in "3,5"
    word |= clause

    def offsets(starts):
        number = tf.cumsum(tf.cast(starts, tf.int64)) - 1
        return number, tf.gather(tf.boolean_mask(before, starts), number)

    number, offset = offsets(clause)
    clause_sizes = tf.gather(tf.math.unsorted_segment_sum(sizes, number, tf.size(sizes, tf.int64)), number)
    long_clause = clause_sizes > half
    place = tf.where(long_clause, (offsets(word)[1] - offset) // half, offset // half)
    changes = (place[1:] != place[:-1]) | (number[1:] != number[:-1]) & (long_clause[1:] | long_clause[:-1])
    changes = tf.concat([[False], changes], axis=0)[: tf.size(tokens)]
    return tf.cast(changes & word & ~first & (tf.gather(all_sizes, owners) > longest), tf.int64)
