"""What a table of texts looks like, and what is chosen by it."""

import pytest
import tensorflow as tf

import zoo
from zoo.data import text_profile
from zoo.data.text_profile import TextProfile


def look(texts, labels, **options):
    examples = tf.data.Dataset.from_tensor_slices((texts, tf.constant(labels, tf.int64)))
    return text_profile.look(examples, **({"classes": max(labels) + 1, "order": 2, "limit": 100} | options))


def test_texts_are_counted():
    profile = look(["a b a", "a b", "c"], [0, 0, 1])
    assert profile == TextProfile(texts=3, words=2, longest=3, ngrams=5, classes=(2, 1))  # a, b, c, "a b", "b a"
    (line,) = profile.lines(["good", "bad"])
    assert line == (
        "3 training texts of 2 words (median; 3 at most), 5 distinct n-grams, 2 classes; the smallest, 'bad', has 1."
    )


def test_writing_without_spaces_is_seen():
    profile = look(["这部电影很好", "不好"], [0, 1])
    assert profile.longest == 6, "each sign is a word"
    assert profile.unspaced == 1
    assert "writing without spaces" in profile.lines(["a", "b"])[1]


@pytest.mark.parametrize(
    ("ngrams", "classes", "buckets"),
    [
        (751, 20, 4_096),  # four places for each, to the next power of two
        (3, 2, 256),
        (text_profile.COUNTED, 2, 524_288),
        (text_profile.COUNTED, 20, 32_768),  # 20 weights each: what fits
    ],
)
def test_the_table_of_ngrams_is_as_large_as_the_texts_need(ngrams, classes, buckets):
    profile = TextProfile(5_000, 10, 20, ngrams, (100,) * classes)
    assert zoo.TextClassifier.suited(profile) == {"ngram_buckets": buckets, "ngram_weight": 4.0}
    assert zoo.TextClassifier.suited(profile, 1024, 2.0) == {"ngram_buckets": 1024, "ngram_weight": 2.0}
    assert zoo.TextClassifier.suited(profile, 1024, 0.0)["ngram_weight"] == 0, "0 is a weight, too"


def test_the_table_of_imdb_is_what_it_was():
    assert zoo.TextClassifier.suited(text_profile.FILM_REVIEWS) == {"ngram_buckets": 524_288, "ngram_weight": 4.0}


def test_rare_classes_count_for_more():
    assert zoo.data.class_weights((50, 60, 40)) == ()
    rare, other = zoo.data.class_weights((19, 1))
    assert 19 * rare + other == pytest.approx(20)
    assert other / rare == pytest.approx(19**0.75)
    assert zoo.data.class_weights((19, 1), False) == ()
    assert len(zoo.data.class_weights((60, 40), True)) == 2
