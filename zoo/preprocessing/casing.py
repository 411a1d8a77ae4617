"""Capitals for a text that was written in lower case, from the text that it was made of."""

import tensorflow as tf

WORD = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*"
BREAK = "\x1f"  # normalised texts have no control characters


def recased(text, sources, owners):
    """Writes each word as its source does, where it occurs there, and the first letter of all in capital.

    A word that the source has both with and without capitals is in lower case: it was only the first of its sentence. One that
    the source does not have stays as it is.

    Args:
        text: string [R], normalised, in lower case.
        sources: string [N], normalised.
        owners: the source of each text, int [R].

    Returns:
        String [R].
    """
    owners = tf.cast(owners, tf.int64)
    part, rows = _parts(text)
    known, known_rows = _parts(sources)
    known_lower = tf.strings.lower(known, encoding="utf-8")
    keys = [_keys(part, tf.gather(owners, rows)), _keys(known_lower, known_rows)]
    count, total = tf.size(part), tf.size(known)
    _, numbers = tf.unique(tf.concat(keys, axis=0))
    # the first place of the source that has a word, those in lower case before all others
    place = tf.range(total) + tf.where(known == known_lower, 0, total)
    best = tf.math.unsorted_segment_min(place, numbers[count:], tf.reduce_max(tf.concat([numbers, [-1]], axis=0)) + 1)
    best = tf.gather(best, numbers[:count])
    found = best < 2 * total
    forms = tf.gather(tf.concat([known, [""]], axis=0), tf.where(found, best % tf.maximum(total, 1), total))
    text = tf.strings.unsorted_segment_join(tf.where(found, forms, part), rows, tf.size(text))
    first = tf.strings.upper(tf.strings.substr(text, 0, 1, unit="UTF8_CHAR"), encoding="utf-8")
    after = tf.minimum(1, tf.strings.length(text, unit="UTF8_CHAR"))
    rest = tf.strings.substr(text, after, tf.fill(tf.shape(text), tf.int32.max), unit="UTF8_CHAR")
    return tf.strings.join([first, rest])


def _parts(text):
    """String [N] → words and what is between them, string [M], and the text that each is of, int64 [M]."""
    parts = tf.raw_ops.StringSplitV2(input=tf.strings.regex_replace(text, WORD, rf"{BREAK}\0{BREAK}"), sep=BREAK)
    return parts.values, parts.indices[:, 0]


def _keys(words, rows):
    return tf.strings.join([tf.strings.as_string(rows), words], separator=" ")
