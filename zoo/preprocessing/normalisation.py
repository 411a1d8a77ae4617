"""What looks alike in a text is written in one way: one table, in TensorFlow ops, for words and sub-words alike."""

import html.entities
import unicodedata

import tensorflow as tf

# Scripts in which a joiner (U+200C, U+200D) shapes the letters beside it are left out, and so are emoji, which it joins to one.
UNJOINED = r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Han}\p{N}\p{P}\p{Z}\p{Cc}\x{300}-\x{36f}!-~]"

# Pattern and what is written in its place, in this order.
ALIKE = (
    # soft hyphen, zero-width spaces, marks of direction, byte order mark: nothing to be seen
    (r"[\x{ad}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{feff}]", ""),
    (rf"(^|{UNJOINED})[\x{{200c}}\x{{200d}}]+", r"\1"),
    ("\u2581", "_"),  # marks spaces in sub-words
    ("[\u2018-\u201b\u02b9\u02bb\u02bc\u02c8\u00b4\u2032\x91\x92]", "'"),  # the last two: Windows's, taken for Latin-1
    ("(\\p{L})[`\uff40](\\p{L})", r"\1'\2"),
    ("[\u201c-\u201f\u2033\x93\x94]", '"'),
    ("[\u2010-\u2012\u2212\ufe63]", "-"),  # hyphens and the minus sign; dashes remain
    ("[\x96\x97]", "\u2013"),
    ("\u2026", "..."),
    ("\ufb00", "ff"),
    ("\ufb01", "fi"),
    ("\ufb02", "fl"),
    ("\ufb03", "ffi"),
    ("\ufb04", "ffl"),
)

# In such a text nothing of all this occurs. Most are: this one look at them saves the others.
PLAIN = r"[\t\n\r !-%'-_a-~]*"

ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,7});"
NAMES = tuple(f"&{name};" for name in html.entities.name2codepoint)  # the 252 of HTML 4
NAMED = tuple(html.entities.name2codepoint.values())
# Numbers from 128 to 159 mean Windows's characters, as browsers have it.
WINDOWS = tuple(ord(bytes([code]).decode("cp1252", "replace")) for code in range(0x80, 0xA0))

FIRST_LETTER, FIRST_ACCENT, ACCENTS = 0x40, 0x300, 0x29  # A to z, and the combining marks of Latin Extended-A
FIRST_WIDE, WIDE = 0xFF01, 0x5E  # "!" to "~" in full width


def normalise(text, *, lower: bool = False, tags: bool = True):
    """Writes in one way what differs in encoding, spacing, quotes, hyphens, accents and width only.

    HTML's character references (`&amp;`, `&eacute;`, `&#39;`, `&#x27;`) become what they stand for, once. Accented letters
    become one character each where Latin-1 or Latin Extended-A has it (Spanish, French, German, Polish ...), full-width
    letters, digits and marks the ordinary ones. TensorFlow has no op for more of Unicode's NFC and NFKC: what they
    compose beyond these stays as it is.

    Args:
        text: string [N], UTF-8. Bytes that are not UTF-8 become U+FFFD.
        lower: whether to write it in lower case.
        tags: whether HTML's tags stay; else each becomes a space.

    Returns:
        String [N] in UTF-8, with single spaces between words, without control characters and without U+2581.
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
    if not tags:
        text = tf.strings.regex_replace(text, "</?[A-Za-z!][^<>]{0,100}>", " ")
    plain = tf.reduce_all(tf.strings.regex_full_match(text, PLAIN))
    text = tf.cond(plain, lambda: tf.identity(text), lambda: _shared_alike(text))
    if lower:
        text = tf.strings.lower(text, encoding="utf-8")
    return tf.strings.strip(tf.strings.regex_replace(text, r"[\p{Z}\p{Cc}]+", " "))


def _alike(text):
    with tf.device("/device:CPU:0"):  # the numbers too, as in `SubWords`
        return _written_alike(text)


def _written_alike(text):
    text = _if_any(text, ENTITY, _without_references)
    for pattern, rewrite in ALIKE:
        text = tf.strings.regex_replace(text, pattern, rewrite)
    # last: what stood between a letter and its accent is gone
    last = FIRST_ACCENT + ACCENTS - 1, FIRST_WIDE + WIDE - 1
    return _if_any(text, rf"[\x{{{FIRST_ACCENT:x}}}-\x{{{last[0]:x}}}\x{{{FIRST_WIDE:x}}}-\x{{{last[1]:x}}}]", _compose)


def _if_any(text, pattern, change):
    found = tf.reduce_any(tf.strings.regex_full_match(text, f"(?s).*{pattern}.*"))
    return tf.cond(found, lambda: change(text), lambda: tf.identity(text))


def _without_references(text):
    """String [N] → string [N], with characters in place of HTML's references to them; unknown names stay."""
    # control characters are spaces in the end: one of them can mark where to cut
    text = tf.strings.regex_replace(tf.strings.regex_replace(text, "\x1f", " "), ENTITY, "\x1f\\0\x1f")
    parts = tf.raw_ops.StringSplitV2(input=text, sep="\x1f")
    part = parts.values
    named = part[:, None] == tf.constant(NAMES)
    code = tf.reduce_sum(tf.where(named, tf.constant(NAMED), 0), axis=1)
    code += _number(part, "&#([0-9]{1,7});", 10) + _number(part, "&#[xX]([0-9a-fA-F]{1,6});", 16)
    windows = tf.gather(tf.constant(WINDOWS), tf.clip_by_value(code - 0x80, 0, len(WINDOWS) - 1))
    code = tf.where((code >= 0x80) & (code < 0xA0), windows, code)
    part = tf.where(code > 0, tf.strings.unicode_encode(code[:, None], "UTF-8"), part)
    return tf.strings.unsorted_segment_join(part, parts.indices[:, 0], tf.size(text))


def _number(part, pattern, base, places=7):
    """The number that each string is, [M] → int32 [M]; 0 for one that the pattern does not match."""
    matches = tf.strings.regex_full_match(part, pattern)
    digits = tf.where(matches, tf.strings.regex_replace(part, pattern, r"\1"), "0")
    padded = tf.strings.substr(tf.strings.join(["0" * places, digits]), -places, places)
    codes = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int32)
    values = tf.where(codes <= ord("9"), codes - ord("0"), codes % 32 + 9)  # upper and lower case alike
    return tf.reduce_sum(values * tf.constant([base**place for place in reversed(range(places))]), axis=1)


def _compose(text):
    """String [N] → string [N]: a letter and the combining mark after it are one character, full-width ones are ordinary."""
    table = [[0] * ACCENTS for _ in range(0x40)]
    for code in range(0xC0, 0x180):
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) == 2:
            table[ord(parts[0]) - FIRST_LETTER][ord(parts[1]) - FIRST_ACCENT] = code
    characters = tf.strings.unicode_decode(text, "UTF-8")
    codes, splits = characters.flat_values, characters.row_splits
    codes = tf.where((codes >= FIRST_WIDE) & (codes < FIRST_WIDE + WIDE), codes - FIRST_WIDE + ord("!"), codes)
    begins = tf.scatter_nd(splits[:, None], tf.ones_like(splits), [tf.size(codes, tf.int64) + 1])[1:-1] > 0
    letter, accent = codes[:-1] - FIRST_LETTER, codes[1:] - FIRST_ACCENT
    pair = ~begins & (letter >= 0) & (letter < 0x40) & (accent >= 0) & (accent < ACCENTS)
    cell = tf.where(pair, letter * ACCENTS + accent, 0)  # cell 0 is "@" with a grave: nothing
    composed = tf.gather(tf.reshape(tf.constant(table), [-1]), cell)
    codes = tf.where(tf.pad(composed, [[0, 1]]) > 0, tf.pad(composed, [[0, 1]]), codes)
    kept = tf.pad(composed, [[1, 0]]) == 0
    splits = tf.gather(tf.pad(tf.cumsum(tf.cast(kept, tf.int64)), [[1, 0]]), splits)
    codes = tf.gather(codes, tf.where(kept)[:, 0])
    return tf.strings.unicode_encode(tf.RaggedTensor.from_row_splits(codes, splits, validate=False), "UTF-8")


# A function of its own, so that a SavedModel holds it once, however often it is called.
_shared_alike = tf.function(_alike, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
