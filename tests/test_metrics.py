"""Scores of answers that are given, where the libraries behind them have an edge."""

import pytest
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
