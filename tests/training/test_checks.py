"""What `fit` asks of data before anything is trained: examples of the kind that the task takes, and its classes, by name."""

import numpy as np
import pytest
import tiny
from small import SENTIMENTS, assert_equal, splits, weights

import zoo
from zoo.training import checks


@pytest.fixture
def task(tiny_artefact):
    return zoo.load_task(tiny_artefact)


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


PNG = tiny.FILES[0]
WRONG = {
    "arrays for texts": (
        "classifier lstm",
        (np.zeros((3, 8, 8, 3), "uint8"), [0, 1, 0]),
        r"label int64\).*uint8 \[8, 8, 3\]",
    ),
    "image files for texts": (
        "classifier lstm",
        ([PNG] * 3, [0, 1, 0]),
        r"any of the first 3 train .*not UTF-8.*begins with",
    ),
    "numbers for texts": ("classifier lstm", (np.zeros(3, "float32"), [0, 1, 0]), r"text string.*has \(float32, int32\)"),
    "names for class numbers": ("classifier lstm", (["a", "b"], ["negative", "positive"]), r"label int64.*\(string, string\)"),
    "no class numbers": ("classifier lstm", (["a", "b"],), r"takes unbatched examples .*has \(string\)"),
    "a dict": ("classifier lstm", {"text": ["a"], "label": [0]}, r"a dict of text, label"),
    "batches": ("classifier lstm", ([["a", "b"]], [[0, 1]]), r"unbatched.*string \[2\], int32 \[2\]"),
    "class numbers too high": (
        "classifier lstm",
        (["a", "b"], [1, 2]),
        r"from 1 to 2; those of .* 2 classes are 0 to 1",
    ),
    "class numbers too low": ("classifier lstm", (["a", "b"], [-1, 1]), r"from -1 to 1"),
    "texts for images": ("image classifier", (["a", "b"], [0, 1]), r"any of the first 2 train .*not a PNG or JPEG image"),
    "pixels for images": (
        "image classifier",
        (np.zeros((3, 14, 14, 3)), [0, 1, 0]),
        r"string.*float64 \[14, 14, 3\]",
    ),
    "one caption": ("captioner lstm", ([PNG], ["a dog"]), r"captions string \[\?\]\); the train split has \(string, string\)"),
    "texts to be described": ("captioner lstm", (["a"], [["a dog"]]), r"not a PNG or JPEG image"),
    "classes of texts": ("translator gru", (["a", "b"], [0, 1]), r"translation string.*\(string, int32\)"),
    "image files to translate": ("translator gru", ([PNG], ["a"]), r"not UTF-8"),
    "more features": ("regressor gru", (np.zeros((3, 5, 4)), np.zeros((3, 2))), r"series float32 \[\?, 2\].*float64 \[5, 4\]"),
    "fewer targets": ("regressor gru", (np.zeros((3, 5, 2)), np.zeros((3, 1))), r"value float32 \[2\].*float64 \[1\]"),
    "texts for series": ("regressor gru", (["a"], np.zeros((1, 2))), r"series float32 \[\?, 2\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_examples_of_another_kind_are_refused_before_anything_is_trained(name, export_of, tmp_path):
    family, examples, expected = WRONG[name]
    task = export_of(family).task
    with pytest.raises(zoo.ZooError, match=expected):
        zoo.fit(task, splits(examples, task.labels), zoo.RunConfig(runs=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_both_splits_are_looked_at_and_a_bad_example_among_good_ones_is_none(export_of):
    task = export_of("classifier lstm").task
    good = (["a film", b"\xff\xfe"], [0, 1])
    parts = checks.fitting(task, splits(good, SENTIMENTS))
    assert {name: len(list(examples)) for name, examples in parts.items()} == {"train": 2, "validation": 2}
    with pytest.raises(zoo.ZooError, match="the first 1 validation examples"):
        checks.fitting(task, splits(good, SENTIMENTS, validation=([PNG], [0])))
    with pytest.raises(zoo.ZooError, match=r"zoo\.data\.Splits .*not tuple"):
        zoo.fit(task, good, zoo.RunConfig())
    whole_numbers = export_of("regressor gru").task
    checks.fitting(whole_numbers, splits((np.zeros((2, 5, 2), int), np.zeros((2, 2), int))))
