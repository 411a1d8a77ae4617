"""Words with their places, and labelled spans over them."""

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.preprocessing.spans import Spans
from zoo.preprocessing.tokens import CHARACTERS, Tokens

TOKENS = Tokens(["play", "don", "000"], length=6)


def read(*texts):
    """Of each text the columns of its words."""
    found = TOKENS(tf.constant(texts))._asdict()
    columns = {name: value.numpy() for name, value in found.items()}
    return [
        [
            {name: value[row, place] for name, value in columns.items()}
            for place in range(columns["tokens"].shape[1])
            if columns["words"][row, place]
        ]
        for row in range(len(texts))
    ]


def words(text):
    return [word["tokens"].decode() for word in read(text)[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, U.S.!", ["Don", "'", "t", "stop", ",", "U", ".", "S", ".", "!"]),
        ("at 7pm (x_1)  \t\n4/5", ["at", "7pm", "(", "x_1", ")", "4", "/", "5"]),
        ("@user #tag http://t.co/a.b x", ["@", "user", "#", "tag", "http://t.co/a.b", "x"]),
        ("(see https://a.b/c?d=1) :// x://", ["(", "see", "https://a.b/c?d=1)", "://", "x://"]),
        ("élan e\u0301a Ökonom Ёлка", ["élan", "e\u0301a", "Ökonom", "Ёлка"]),
        ("映画は ok", ["映", "画", "は", "ok"]),
        ("👩‍👩‍👧 ❤️abc 👍🏽", ["👩‍👩‍👧", "❤️", "abc", "👍🏽"]),
        ("", []),
        (" \t\r\n ", []),
        ("a\x00b", ["a", "b"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "text", ["  é b\u0301c, 👩‍👩‍👧 x", b"broken \xff\xfe \xc3( end \xe2\x82", "映画 is ok", "a" * 100 + " b"]
)
def test_places_are_those_of_unicode_characters(text):
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    found = read(text)[0]
    assert len(found) > 1
    for word in found:
        assert plain[word["starts"] : word["ends"]] == word["tokens"].decode()


def test_neighbours_in_a_batch_change_nothing():
    texts = ["play 123", "", "Ab cd ef gh!"]
    for text, together in zip(texts, read(*texts), strict=True):
        for ours, alone in zip(together, read(text)[0], strict=True):
            assert all(np.array_equal(ours[name], alone[name]) for name in ours)
    assert TOKENS(tf.constant([""])).words.shape == (1, 1)
    assert TOKENS(tf.zeros([0], tf.string)).characters.shape == (0, 1, 6)


def test_what_a_word_is_made_of():
    assert [word["words"] for word in read("play PLAY Don 123 other")[0]] == [2, 2, 3, 4, 1]
    kinds = [word["shapes"] for word in read("low Cap ALL McD 12 4th - x- É")[0]]
    assert kinds == [1, 2, 3, 4, 5, 6, 7, 1, 14, 2]
    (word,) = read("aé映"[:2])[0]
    assert word["characters"].tolist() == [1 + ord("a"), 1 + ord("é"), 0, 0, 0, 0]
    (word,) = read("映")[0]
    assert word["characters"][0] == 1 + ord("映") % (CHARACTERS - 1)
    (word,) = read("abcdefgh")[0]
    assert len(word["characters"]) == 6


def test_a_long_text_is_cut():
    tokens = Tokens(["x"], limit=5)
    assert tokens(tf.constant(["x y " * 1000])).words.numpy().tolist() == [[2, 1, 2, 1, 2]]
    assert tokens(tf.constant(["é" * 10_000])).ends.numpy().tolist() == [[80]]


def test_the_vocabulary_has_what_occurs_often_enough():
    texts = tf.data.Dataset.from_tensor_slices(["Ab ab x", "x 12 34 once"])
    assert Tokens.fit(texts, size=10).vocabulary == ["00", "ab", "x"]
    assert Tokens.fit(texts, size=4).vocabulary == ["00", "ab"]
    assert "once" in Tokens.fit(texts, size=10, least=1).vocabulary
    with pytest.raises(zoo.ZooError, match="vocabulary is empty"):
        Tokens.fit(texts, size=10, least=9)
    with pytest.raises(zoo.ZooError, match="limit=0"):
        Tokens(["a"], limit=0)
    again = Tokens.from_config(TOKENS.config(), TOKENS.assets)
    assert (again.vocabulary, again.config()) == (TOKENS.vocabulary, TOKENS.config())


# Spans


SPANS = Spans(["artist", "genre"])


def encoded(text, *spans):
    """Labels of the words of a text."""
    label, start, end = (tf.constant([[span[part] for span in spans]]) for part in range(3))
    found = TOKENS(tf.constant([text]))
    return SPANS.encode(label, start, end, found.starts, found.ends), found


def names(tags):
    return [tag.decode() for tag in SPANS(tags).numpy()[0]]


def test_spans_become_labels_and_labels_spans():
    text = "play jazz by Nina Simone now"
    tags, found = encoded(text, ("artist", 13, 24), ("genre", 5, 9), ("", -1, -1))
    assert names(tags) == ["O", "B-genre", "O", "B-artist", "I-artist", "O"]
    label, start, end = SPANS.decode(tags, found.starts, found.ends)
    assert (label.numpy().tolist(), start.numpy().tolist(), end.numpy().tolist()) == (
        [[b"genre", b"artist"]],
        [[5, 13]],
        [[9, 24]],
    )


def test_spans_side_by_side_and_over_parts_of_words():
    tags, _ = encoded("ab cd ef gh", ("artist", 0, 2), ("artist", 3, 7), ("genre", 9, 10))
    assert names(tags) == ["B-artist", "B-artist", "I-artist", "B-genre"]
    tags, _ = encoded("ab cd", ("", -1, -1))
    assert names(tags) == ["O", "O"]


def test_spans_of_a_batch_are_padded():
    tags = tf.constant([[1, 2, 0], [0, 0, 0], [1, 1, 3]])
    places = tf.constant([[0, 3, 6]] * 3)
    label, start, end = SPANS.decode(tags, places, places + 2)
    assert label.numpy().tolist() == [[b"artist", b"", b""], [b""] * 3, [b"artist", b"artist", b"genre"]]
    assert start.numpy().tolist() == [[0, -1, -1], [-1] * 3, [0, 3, 6]]
    assert end.numpy().tolist() == [[5, -1, -1], [-1] * 3, [2, 5, 8]]
    assert [part.shape for part in SPANS.decode(tags[:0], places[:0], places[:0])] == [(0, 0)] * 3


@pytest.mark.parametrize("types", [[], [""], ["a", "a"], ["a\nb"]])
def test_types_that_are_none_are_refused(types):
    with pytest.raises(zoo.ZooError, match="Types of spans"):
        Spans(types)
