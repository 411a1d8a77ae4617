"""The loader of e-mails, and the sample: its subjects can be read off the mails."""

import numpy as np
import pytest

import zoo
from zoo.data import emails
from zoo.data.drawn_emails import MOST_EMAILS, drawn_emails


def part(*pairs):
    bodies, subjects = (np.array([text.encode() for text in side], object) for side in zip(*pairs, strict=True))
    return {"email_body": bodies, "subject_line": subjects}


def test_newlines_at_the_end_are_no_subject_and_no_split_shares_a_mail(monkeypatch):
    data = {
        "train": part(("A", "a"), ("B", "b"), ("b ", "again"), ("Tested", "t"), ("Held out", "h")),
        "validation": part(("held  OUT", "h\n"), ("tested", "t\n")),
        "test": part(("Tested", "t\n"), ("Tested", "t\n")),
    }
    monkeypatch.setattr(emails, "load_tfds", lambda *_, **__: data)
    splits = zoo.data.email_subjects(zoo.RunConfig())
    assert splits.sizes == {"train": 3, "validation": 1, "test": 2}
    assert list(splits.train.as_numpy_iterator()) == [(b"A", b"a"), (b"B", b"b"), (b"b ", b"again")]
    assert list(splits.validation.as_numpy_iterator()) == [(b"held  OUT", b"h")]
    assert [(body, list(subjects)) for body, subjects in splits.test.as_numpy_iterator()] == [(b"Tested", [b"t"])] * 2
    assert "1 mails of validation" in splits.description
    assert "2 of train" in splits.description


def test_the_sample_is_said_to_be_one(capsys):
    splits = zoo.data.email_subjects(zoo.RunConfig(data="sample"))
    assert splits.source == "sample"
    assert "SAMPLE" in capsys.readouterr().out
    _, subjects = next(splits.test.as_numpy_iterator())
    assert subjects.shape == (1,)


def test_the_seed_decides_and_no_mail_is_there_twice():
    sizes = {"train": 300, "validation": 50, "test": 50}
    splits = drawn_emails(**sizes)
    assert {split: len(pairs) for split, pairs in splits.items()} == sizes
    assert drawn_emails(**sizes) == splits
    assert drawn_emails(**sizes, seed=1) != splits
    bodies = [body for pairs in splits.values() for body, _ in pairs]
    assert len(set(bodies)) == len(bodies)
    with pytest.raises(ValueError, match="at most"):
        drawn_emails(MOST_EMAILS)


def test_the_subject_can_be_read_off_the_mail():
    frame = {"reminder", "due", "meeting", "on", "the", "questions", "about", "moved", "to", "cancelled", "approved"}
    splits, new = drawn_emails(train=1_000, test=500), 0
    seen = {subject for _, subject in splits["train"]}
    for body, subject in splits["test"]:
        words = {word.strip(":,.?").lower() for word in subject.split()}
        assert words - frame <= {word.strip(":,.?").lower() for word in body.split()}, subject
        new += subject not in seen
    assert new > 200  # most are no subject of the training split: they cannot be learnt by heart
