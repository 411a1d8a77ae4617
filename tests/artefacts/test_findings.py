"""What a card says of its scores: beside simple answers, class by class, on few examples."""

import re

import pytest
import small_cards

from zoo.artefacts import card as cards
from zoo.artefacts import findings
from zoo.metrics import proportion


def card(right, count=200, name="accuracy", confusion=(), **others):
    """A card with so many right answers, and others beside them."""
    scores = [proportion([row < hits for row in range(count)]) for hits in (right, *others.values())]
    named = dict(zip((key.replace("_", " ") for key in others), scores[1:], strict=True))
    return small_cards.card(scores={name: scores[0]}, baselines=named, confusion=list(confusion))


SAID = {
    "worse than a constant": (card(90, always_answering_a=100), "NO BETTER THAN always answering a: accuracy 0.4500"),
    "as a constant": (card(100, always_answering_a=100), "NO BETTER THAN always answering a"),
    "hardly better than a constant": (card(104, always_answering_a=100), "Not surely better than always answering a"),
    "better than a constant": (card(130, always_answering_a=100), None),
    "worse than a linear model": (card(150, linear=190), "WORSE THAN linear: accuracy 0.7500, and 0.9500 with linear. Until"),
    "a little worse": (card(184, linear=190), "No better than linear: .* within the noise"),
    "the same": (card(190, linear=190), "As good as linear: accuracy 0.9500, and 0.9500"),
    "better": (card(190, linear=150), None),
    "an error, where less is better": (card(20, name="mean squared error", always_answering_the_mean=100), None),
    "a large error": (card(150, name="mean squared error", always_answering_the_mean=100), "NO BETTER THAN always"),
    "few examples": (card(15, 20), "Only 20 test examples: the interval is wide"),
    "an old card": (small_cards.card(scores={}), None),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said_of_a_score(case):
    facts, message = SAID[case]
    said = findings.remarks(facts)
    if message is None:
        assert said == []
        return
    (remark,) = said
    assert re.match(message, remark)
    assert findings.is_grave(remark) == message.startswith(("NO BETTER", "WORSE"))
    assert remark in cards.render(facts)


def test_baselines_stand_beside_the_score():
    rendered = cards.render(card(150, always_answering_a=100, linear=140))
    assert "## What else answers" in rendered
    for row in ("| this artefact | 0.7500 |", "| always answering a | 0.5000 |", "| linear | 0.7000 |"):
        assert row in rendered
    assert "What else answers" not in cards.render(small_cards.card())


def cells(names, right=9, wrong=1):
    """Each class is found so often, and taken for the next one."""
    after = [*names[1:], names[0]]
    counts = [(name, name, right + row) for row, name in enumerate(names)] + [
        (name, other, wrong) for name, other in zip(names, after, strict=True)
    ]
    return [{"truth": truth, "answer": answer, "count": count} for truth, answer, count in counts]


def test_few_classes_have_a_table_of_all():
    unread = {"truth": "good", "answer": "", "count": 2}
    rendered = cards.render(card(150, confusion=[*cells(["bad", "good"]), unread]))
    assert "| class | `bad` | `good` | – | recall |" in rendered
    assert "| `bad` | 9 | 1 | 0 | 0.9000 |" in rendered
    assert "| `good` | 1 | 10 | 2 | 0.7692 |" in rendered
    assert "Class by class" not in cards.render(small_cards.card())


def test_of_many_classes_the_worst_are_shown():
    rendered = cards.render(card(150, confusion=cells([f"class {number}" for number in range(30)])))
    assert f"The {findings.COLUMNS} of 30 classes with the least recall" in rendered
    assert "| `class 0` | 10 | 0.9000 | `class 1` 1 |" in rendered
    assert "`class 29`" not in rendered


def test_names_of_classes_are_shown_and_not_obeyed():
    """They come from a file, or from a stranger's card."""
    names = ["a|b", "<script>x</script>", "[here](http://evil)", "`x`\n# c", "\x1b[2J", "n" * 300]
    facts = card(150, confusion=cells(names), **{"always <b>|\x1b": 10, "[here](http://evil)": 10})
    rendered = cards.render(facts)
    table = rendered[rendered.index("## Class by class") : rendered.index("## Where")].strip().splitlines()[4:]
    assert len(table) == 2 + len(names)
    assert {line.replace("\\|", "").count("|") for line in table} == {len(names) + 3}
    for part in ("\x1b", "\n# c", "n" * 60, "| <b>", "](http"):
        assert part not in rendered.replace("`[here](http://evil)`", "")
