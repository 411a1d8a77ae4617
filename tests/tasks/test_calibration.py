"""The temperature of a classifier: fitted on validation, kept with the task, and no change of a label."""

import numpy as np
import pytest
import tensorflow as tf
from small import reviews

import zoo
from zoo.metrics import calibration_error
from zoo.preprocessing import Words
from zoo.tasks.calibration import temperature


def drawn(n, classes=4, seed=0):
    """Logits of a model that is as sure as it is right, and the truths."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(n, classes))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits, np.array([random.choice(classes, p=row) for row in chances])


def error(logits, truths):
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return calibration_error(chances.max(axis=1), chances.argmax(axis=1) == truths)


@pytest.mark.parametrize("factor", [0.1, 1, 8])
def test_a_model_that_is_too_sure_or_too_little_is_put_right(factor):
    logits, truths = drawn(2_000)
    found = temperature(factor * logits, truths)
    assert found == pytest.approx(factor, rel=0.1)
    assert found == temperature(factor * logits + 7.0, truths)
    assert error(factor * logits / found, truths)["value"] < 0.03
    assert factor == 1 or error(factor * logits, truths)["value"] > 0.15


def test_a_few_examples_do_not_drive_it_far():
    right, wrong = np.eye(2)[[0, 1] * 5], np.array([0, 1] * 5)
    assert 0.1 < temperature(right, wrong) < 1  # all are right
    assert 1 < temperature(10 * right, 1 - wrong) < 50  # none is
    assert temperature(np.zeros((3, 2)), [0, 1, 0]) == pytest.approx(1)  # the logits say nothing
    assert temperature(np.array([[0.0, -np.log(1e30)]]), [1]) < 50


def test_the_calibration_error_is_the_gap_between_sure_and_right():
    score = calibration_error([0.8] * 100 + [0.55] * 100, [True] * 60 + [False] * 40 + [True] * 55 + [False] * 45)
    assert score["value"] == pytest.approx((0.2 + 0.0) / 2)
    assert score["low"] <= score["value"] <= score["high"]
    assert score["n"] == 200
    assert calibration_error([1.0, 1.0], [True, True])["value"] == 0
    assert calibration_error([0.0], [False])["value"] == 0  # a file that cannot be read


@pytest.fixture(scope="module")
def task():
    words = Words(["good", "bad", "film"], limit=16)
    model = zoo.create_model("text_classifier", cell="rnn", units=4, vocabulary_size=words.size, num_classes=2)
    return zoo.TextClassifier(model, words, ("negative", "positive"))


def test_it_changes_probabilities_and_no_label(task):
    texts = tf.constant([text for text, _ in reviews(count=30).train.as_numpy_iterator()])
    before = task.serving_default(texts)
    logits = np.log(before["probabilities"].numpy())
    task.calibrate(reviews(count=30).validation)
    assert task.temperature != 1
    after = task.serving_default(texts)
    np.testing.assert_array_equal(after["label"], before["label"])
    expected = tf.nn.softmax(logits / task.temperature)
    np.testing.assert_allclose(after["probabilities"], expected, atol=1e-5)
    found = task.temperature
    task.calibrate(reviews(count=30).validation)
    assert task.temperature == found, "a second time it begins anew"


def test_it_is_kept_with_the_task(task):
    task.temperature = 2.5
    again = type(task).from_config(task.config(), task.assets, task.examples)
    assert again.temperature == 2.5
    old = {key: value for key, value in task.config().items() if key != "temperature"}
    assert type(task).from_config(old, task.assets, task.examples).temperature == 1
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(zoo.ZooError, match="temperature"):
            type(task).from_config({**old, "temperature": wrong}, task.assets, task.examples)


def test_files_that_cannot_be_read_do_not_count(capsys):
    model = zoo.create_model("image_classifier", height=4, width=4, channels=1, num_classes=2, units=1, layers=1)
    good = zoo.data.drawn_digits.examples()
    task = zoo.ImageClassifier(model, ("a", "b"), examples=good)
    task.calibrate(tf.data.Dataset.from_tensor_slices(([*good, b"junk"], tf.zeros(len(good) + 1, tf.int64))))
    assert f"on {len(good):,} validation examples" in capsys.readouterr().out
