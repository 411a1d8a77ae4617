"""ROUGE: known values, the best of several references, and what is said where the package is missing."""

import sys

import pytest

import zoo
from zoo import rouge


def test_known_values():
    scores = rouge.rouge(["The budget meetings", "nothing in common"], [["Budget meeting moved"], ["else"]])
    # of three words two are the other's, stemmed and in lower case; of two pairs one
    assert scores["ROUGE-1"]["value"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert scores["ROUGE-2"]["value"] == pytest.approx(100 * (1 / 2 + 0) / 2)
    assert scores["ROUGE-L"]["value"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    for score in scores.values():
        assert score["low"] < score["value"] < score["high"]
        assert score["n"] == 2
        assert score["signature"].startswith("rouge-score ")


def test_of_several_references_the_best_counts():
    assert rouge.rouge(["gas prices"], [["oil", "gas prices"]])["ROUGE-2"]["value"] == pytest.approx(100)


def test_order_counts_for_the_longest_common_sequence_alone():
    scores = rouge.rouge(["a b c d"], [["d c b a"]])
    assert scores["ROUGE-1"]["value"] == pytest.approx(100)
    assert scores["ROUGE-L"]["value"] == pytest.approx(25)


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(zoo.ZooError, match=r"sequence-zoo\[summaries\]"):
        rouge.rouge(["a"], [["a"]])
