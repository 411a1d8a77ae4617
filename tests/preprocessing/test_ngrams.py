"""Words to hashed n-grams."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.preprocessing import NGrams, split_words


def hashes(*items, order=3, limit=16):
    """The hashes of each text, zeros left out."""
    result = NGrams(order=order, limit=limit)(split_words(tf.constant(items, tf.string, shape=[len(items)])))
    assert result.dtype == tf.int32
    assert result.shape[2] == order
    return [row[row != 0].tolist() for row in result.numpy()]


@pytest.mark.parametrize(("order", "count"), [(1, 4), (2, 4 + 3), (3, 4 + 3 + 2), (5, 4 + 3 + 2 + 1)])
def test_a_text_has_all_its_ngrams(order, count):
    (grams,) = hashes("one two three four", order=order)
    assert len(grams) == len(set(grams)) == count
    assert min(grams) > 0


def test_each_ngram_once():
    (once,), (often,) = hashes("so so", order=2), hashes("so so so so so", order=2)
    assert len(often) == len(once) == 2  # "so", "so so"
    assert set(often) == set(once)


def test_the_order_of_words_matters_but_to_single_words():
    (forth,), (back,) = hashes("dog bites man"), hashes("man bites dog")
    assert len(set(forth) & set(back)) == 3
    (forth,), (back,) = hashes("dog bites man", order=1), hashes("man bites dog", order=1)
    assert set(forth) == set(back)


def test_an_ngram_is_the_same_wherever_it_is():
    (short,), (long,) = hashes("never dull"), hashes("the film was never dull at all")
    assert set(short) < set(long)


def test_batch_mates_and_padding_change_nothing():
    items = ["never dull", "", "a much longer text with many words", "dull"]
    together = hashes(*items)
    assert [set(row) for row in together] == [set(hashes(item)[0]) for item in items]
    assert together[1] == []


def test_the_limit_cuts_off():
    assert set(hashes("a b c d e", limit=3)[0]) == set(hashes("a b c")[0])


def test_nothing_to_read():
    assert hashes() == []
    assert hashes("", " ") == [[], []]
    assert NGrams(order=3, limit=9)(split_words(tf.constant([""]))).shape == (1, 1, 3)


def test_the_hashes_are_those_that_artefacts_were_trained_on():
    """A change here makes every published n-gram path read garbage."""
    assert sorted(hashes("never dull", order=2)[0]) == [100653279, 758939389, 1809830776]


def test_few_collisions():
    items = [f"{first} {second} {third}" for first in "abcdefghij" for second in "klmnopqrst" for third in "uvwxyz1234"]
    distinct = {gram for row in hashes(*items) for gram in row}
    assert len(distinct) == 30 + 2 * 100 + 1000
    assert np.std([gram / 2**31 for gram in distinct]) == pytest.approx(12**-0.5, abs=0.02)  # spread evenly
