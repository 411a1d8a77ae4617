"""Scores of answers that are given, where the libraries behind them have an edge."""

import pytest
import tensorflow as tf
from sacrebleu.metrics import BLEU, CHRF

from zoo import metrics

RIGHT = "there is a cat on the mat"


@pytest.mark.parametrize(("metric", "best"), [(BLEU, 100), (CHRF, 100)])
def test_one_right_answer_among_empty_ones_has_an_interval(metric, best):
    """Some samples of these have nothing right, of which sacreBLEU alone makes an error."""
    answers = [RIGHT, *[""] * 5]
    (score,) = metrics._sacre("score", metric(), answers, [[RIGHT, *["a dog"] * 5]]).values()
    assert score["n"] == 6
    assert score["low"] <= score["value"] <= score["high"] <= best
    assert score["low"] < score["high"]
    assert score["signature"].startswith("nrefs:1|")


def test_right_answers_have_the_whole_score():
    answers = [RIGHT, "a dog sleeps in the sun today"]
    (score,) = metrics._sacre("BLEU", BLEU(), answers, [answers], scale=100).values()
    assert score["value"] == pytest.approx(1)
    assert score["low"] == pytest.approx(1)


class Upper:
    """A translator to capitals."""

    def predict(self, inputs, *, signature, batch_size):
        if signature == "score":
            return [{"right": 1, "tokens": 2} for _ in inputs]
        return [{"translation": text.decode().upper()} for text in inputs]


def test_translations_are_right_to_the_letter_if_they_are_one_of_their_references():
    references = [["x", "ONE TWO"], ["One two", ""], ["ÜBER", ""]]
    test = tf.data.Dataset.from_tensor_slices((["one two", "one two", "über"], references))
    scores = metrics.translation(Upper(), test)
    assert list(scores) == ["BLEU", "chrF", "BLEU, greedy", "right to the letter", "token accuracy"]
    assert (scores["right to the letter"]["value"], scores["token accuracy"]["value"]) == (2 / 3, 0.5)
