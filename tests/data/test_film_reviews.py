import math
import re
from collections import Counter
from itertools import pairwise

import pytest

from zoo.data.film_reviews import JUDGEMENTS, MOST_TEXTS, QUALITIES, film_reviews

# What turns an opinion round. A text without any of these is plain.
TURNS = re.compile(
    r"\b(not|never|wasn't|nothing|nobody|barely|anything|cannot|far|but|although|though|despite|even|compared|original"
    r"|first|told|critic|gladly|impossible|wait)\b"
)
OPINIONS = [set(QUALITIES[label] + JUDGEMENTS[label]) for label in (0, 1)]


@pytest.fixture(scope="module")
def splits():
    return film_reviews()


@pytest.fixture(scope="module")
def reviews(splits):
    return [review for split in splits.values() for review in split]


def words(text):
    return re.findall(r"[\w']+", text.lower())


def word_pairs(text):
    return [*words(text), *pairwise(words(text))]


def naive_bayes_accuracy(train, test, features):
    counts = [Counter(), Counter()]
    for text, label in train:
        counts[label].update(features(text))
    totals = [count.total() for count in counts]

    def log_odds(text):
        return sum(
            math.log((counts[1][feature] + 1) / totals[1]) - math.log((counts[0][feature] + 1) / totals[0])
            for feature in features(text)
        )

    return sum((log_odds(text) > 0) == label for text, label in test) / len(test)


def test_the_seed_decides_the_texts(splits):
    assert film_reviews() == splits
    other = film_reviews(seed=1)
    assert len(set(other["train"]) & set(splits["train"])) < len(splits["train"]) / 10


def test_sizes_and_label_balance():
    splits = film_reviews(train=301, validation=100, test=51)
    assert {split: len(reviews) for split, reviews in splits.items()} == {"train": 301, "validation": 100, "test": 51}
    for reviews in splits.values():
        assert 0.48 <= sum(label for _, label in reviews) / len(reviews) <= 0.52


def test_labels_come_in_random_order(splits):
    first = [label for _, label in splits["train"][:64]]
    assert 16 <= sum(one != next for one, next in pairwise(first)) <= 48


def test_more_training_texts_leave_the_other_splits_alone(splits):
    small = film_reviews(train=10)
    assert small["validation"] == splits["validation"]
    assert small["test"] == splits["test"]


def test_no_text_occurs_twice_even_in_the_largest_sample():
    splits = film_reviews(train=MOST_TEXTS - 2_000, validation=1_000, test=1_000)
    texts = [text.lower() for reviews in splits.values() for text, _ in reviews]
    assert len(set(texts)) == len(texts) == MOST_TEXTS


def test_texts_are_proper_english(reviews):
    for text, _ in reviews:
        assert 5 <= len(text.split()) <= 60, text
        sentences = re.split(r"(?<=[.!]) ", text)
        assert 1 <= len(sentences) <= 4, text
        assert all(re.fullmatch(r"[A-Z][\w ,;:'\"-]+[.!]", sentence) for sentence in sentences), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]|  ", text), text


def test_plain_texts_mean_what_their_adjectives_say(reviews):
    plain = [(set(words(text)), label) for text, label in reviews if not TURNS.search(text.lower())]
    assert 0.25 <= len(plain) / len(reviews) <= 0.45
    wrong = [found for found, label in plain if not found & OPINIONS[label]]
    assert not wrong


def test_adjectives_of_composed_texts_do_not_tell_the_label(reviews):
    composed = [(set(words(text)), label) for text, label in reviews if TURNS.search(text.lower())]
    for word in sorted(OPINIONS[0] | OPINIONS[1]):
        labels = [label for found, label in composed if word in found]
        assert len(labels) > 50, word
        assert 0.25 <= sum(labels) / len(labels) <= 0.75, word


def test_word_order_tells_more_than_words(splits):
    by_words = naive_bayes_accuracy(splits["train"], splits["test"], words)
    by_order = naive_bayes_accuracy(splits["train"], splits["test"], word_pairs)
    assert 0.6 < by_words < 0.88
    assert by_order > by_words + 0.05


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 0}, "`train` must be at least 1, not 0"),
        ({"test": -3}, "`test` must be at least 1, not -3"),
        ({"train": MOST_TEXTS}, f"at most {MOST_TEXTS} different texts, not {MOST_TEXTS + 800}"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        film_reviews(**sizes)
