"""Texts to words, words to ids."""

import random

import numpy as np
import pytest
import tensorflow as tf

from zoo import ZooError
from zoo.preprocessing import Words, split_words

SPLIT = {
    "plain": ("A fine film", "a fine film"),
    "case": ("ÉTÉ Straße ΣΊΣΥΦΟΣ", "été straße σίσυφος"),
    "apostrophes": ("I don't, it's the '90s'", "i don't , it's the '90s'"),
    "punctuation": ("Wow!! (4/10)... ok?", "wow ! ! ( 4 / 10 ) . . . ok ?"),
    "html": ("fine<br /><br />film <I>really</I> fine", "fine film really fine"),
    "no html": ("1 < 2 <3", "1 < 2 < 3"),
    "hyphen and underscore": ("well-made _x_", "well - made _ x _"),
    "spaces": ("  a\t\n b \r\n", "a b"),
    "other scripts": ("фильм 映画だ", "фильм 映 画 だ"),
    "emoji": ("great😀film", "great 😀 film"),
    "empty": ("", ""),
    "only spaces": (" \n ", ""),
    "only html": ("<br />", ""),
}


def texts(*items):
    return tf.constant(items, tf.string, shape=[len(items)])


def split(*items):
    return [[word.decode() for word in row] for row in split_words(texts(*items)).to_list()]


def dataset(*items):
    return tf.data.Dataset.from_tensor_slices(texts(*items))


@pytest.mark.parametrize(("text", "words"), SPLIT.values(), ids=SPLIT)
def test_split(text, words):
    assert " ".join(split(text)[0]) == words


def test_split_keeps_texts_apart():
    assert split("one two", "", "three") == [["one", "two"], [], ["three"]]
    assert split() == []


def test_bytes_that_are_not_utf8_are_unknown_characters():
    assert split(b"caf\xe9 noir") == [["caf", "�", "noir"]]


def test_the_vocabulary_is_by_count_then_by_word():
    items = ["b a c", "b c", "b d", "e"]
    words = Words.fit(dataset(*items), size=6, limit=9)
    assert words.vocabulary == ["b", "c", "a", "d"]
    assert words.size == 6
    random.Random(0).shuffle(items)
    assert Words.fit(dataset(*items), size=6, limit=9).vocabulary == words.vocabulary
    assert Words.fit(dataset(*items), size=100, limit=9).size == 2 + 5


def test_the_vocabulary_may_come_from_labelled_texts():
    labelled = tf.data.Dataset.from_tensor_slices((texts("a b", "a"), [0, 1]))
    assert Words.fit(labelled, size=9, limit=9).vocabulary == ["a", "b"]


def test_ids():
    words = Words(["the", "film", "!"], limit=4)
    ids = words(split_words(texts("The film!", "unseen FILM", "", "the the the the the the")))
    assert ids.dtype == tf.int32
    np.testing.assert_array_equal(ids, [[2, 3, 4, 0], [1, 3, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2]])


@pytest.mark.parametrize("items", [("",), ("", " "), ()])
def test_texts_without_words_have_one_step(items):
    np.testing.assert_array_equal(Words(["a"], limit=4)(split_words(texts(*items))), np.zeros((len(items), 1)))


def test_any_word_of_a_vocabulary_is_found_again():
    odd = ["#", '"', "'", "�", "|", "¶", "😀"]
    words = Words.fit(dataset(*odd), size=99, limit=9)
    assert sorted(words.vocabulary) == sorted(odd)
    assert sorted(words(split_words(texts(*odd))).numpy().ravel()) == list(range(2, 2 + len(odd)))


def test_ids_inside_a_graph_are_the_same():
    words = Words(["a", "b"], limit=3)
    items = texts("b a", "c")
    graph = tf.function(lambda items: words(split_words(items)), input_signature=[tf.TensorSpec([None], tf.string)])
    np.testing.assert_array_equal(graph(items), words(split_words(items)))


def test_what_cannot_be_is_refused():
    with pytest.raises(ZooError, match="at least 1 word, not limit=0"):
        Words(["a"], limit=0)
    with pytest.raises(ZooError, match="vocabulary is empty"):
        Words.fit(dataset("", " "), size=9, limit=1)


def test_a_very_long_text_is_not_searched_to_its_end():
    words = Words(["good"], limit=3)
    long = "good " * 40 + "<" * 10_000_000
    assert len(words.split(tf.constant([long, "good"]))[0]) <= 3 * 64
    assert words(words.split(tf.constant([long, "good"]))).numpy().tolist() == [[2, 2, 2], [2, 0, 0]]
