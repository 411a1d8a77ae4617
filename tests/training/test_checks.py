"""What `fit` asks of data before anything is trained: examples of the kind that the task takes, and its classes, by name."""

import functools

import numpy as np
import pytest
import tiny
from families import FAMILIES, TASKS
from small import SENTIMENTS, assert_equal, splits, weights

import zoo
from zoo.training import checks


@pytest.fixture
def task(tiny_artefact):
    return zoo.load_task(tiny_artefact)


@pytest.fixture(scope="module")
def task_of():
    """Name of a tiny task → the task."""
    return functools.cache(lambda name: TASKS[name].tasks[name]())


OTHER_LABELS = {
    "as many others": ("bad", "good"),
    "one other": ("good", "positive"),
    "more": ("negative", "neutral", "positive"),
    "fewer": ("positive",),
    "another case": ("Negative", "Positive"),
    "none": (),
}


@pytest.mark.parametrize("labels", OTHER_LABELS.values(), ids=OTHER_LABELS)
def test_other_classes_are_refused_before_anything_is_trained(labels, task, tmp_path):
    before = weights(task.model)
    with pytest.raises(zoo.ZooError) as error:
        zoo.fit(task, splits((["a", "b"], [0, 0]), labels), zoo.RunConfig(runs=tmp_path / "runs"))
    said = str(error.value)
    assert "the model has 2 classes ('negative', 'positive')" in said
    if not labels:
        assert "The data have no named classes" in said
        assert "Splits(..., labels=('negative', 'positive'))" in said
    elif set(labels) < set(SENTIMENTS):
        assert "The data have 1 classes ('positive')" in said
        assert "has a name all the same: Splits(..., labels=('positive', 'negative'))" in said
    else:
        assert f"The data have {len(labels)} classes ({', '.join(map(repr, labels))})" in said
        assert f"zoo.load_task('{task.model.lineage.directory}', labels={labels!r})" in said
        assert f"num_classes={len(labels)}, weights=" in said
    assert not (tmp_path / "runs").exists()
    assert_equal(weights(task.model), before)


MISFITS = [(next(iter(family.tasks)), what) for family in FAMILIES.values() for what in family.misfits]


@pytest.mark.parametrize(("name", "what"), MISFITS)
def test_examples_of_another_kind_are_refused_before_anything_is_trained(name, what, task_of, tmp_path):
    task, (examples, expected) = task_of(name), TASKS[name].misfits[what]
    with pytest.raises(zoo.ZooError, match=expected):
        zoo.fit(task, splits(examples, task.labels), zoo.RunConfig(runs=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_both_splits_are_looked_at_and_a_bad_example_among_good_ones_is_none(task_of):
    task = task_of("classifier gru")
    good = (["a film", b"\xff\xfe"], [0, 1])
    parts = checks.fitting(task, splits(good, SENTIMENTS))
    assert {name: len(list(examples)) for name, examples in parts.items()} == {"train": 2, "validation": 2}
    with pytest.raises(zoo.ZooError, match="the first 1 validation examples"):
        checks.fitting(task, splits(good, SENTIMENTS, validation=(tiny.FILES[:1], [0])))
    with pytest.raises(zoo.ZooError, match=r"zoo\.data\.Splits .*not tuple"):
        zoo.fit(task, good, zoo.RunConfig())
    whole_numbers = task_of("regressor gru")
    checks.fitting(whole_numbers, splits((np.zeros((2, 5, 2), int), np.zeros((2, 2), int))))
