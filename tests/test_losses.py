"""Losses and metrics against plain numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.losses import ClassCrossentropy, TokenAccuracy, TokenCrossentropy

TARGETS = np.array([[3, 4, 5, 0], [3, 0, 0, 0], [0, 0, 0, 0], [1, 2, 6, 3]])
LOGITS = np.random.default_rng(0).normal(0, 3, (4, 4, 7)).astype("float32")


@pytest.mark.parametrize("ignored", [1, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_that_of_the_definition(ignored, smoothing):
    losses = []
    for target, logits in zip(TARGETS.ravel(), LOGITS.reshape(-1, 7).astype("float64"), strict=True):
        if target >= ignored:
            wanted = np.where(np.arange(7) >= ignored, smoothing / (7 - ignored), 0)
            wanted[target] += 1 - smoothing
            losses.append(-np.sum(wanted * (logits - np.log(np.exp(logits).sum()))))
    loss = TokenCrossentropy(smoothing, ignored=ignored)
    for dtype in ("int32", "float32"):  # Keras hands all targets over as floats
        assert float(loss(tf.cast(TARGETS, dtype), LOGITS)) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_has_no_gradient_and_that_of_others_is_finite(smoothing):
    logits = tf.Variable(LOGITS * 1e4)
    with tf.GradientTape() as tape:
        loss = TokenCrossentropy(smoothing)(TARGETS, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[TARGETS == 0].any()
    assert all(row.any() for row in gradient[(TARGETS > 0) & (LOGITS.argmax(-1) != TARGETS)])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nothing_but_padding_costs_nothing(smoothing):
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = TokenCrossentropy(smoothing)(np.zeros((4, 4), "int32"), logits)
    assert float(loss) == 0
    assert not tape.gradient(loss, logits).numpy().any()


def test_accuracy_counts_the_tokens_of_all_batches():
    accuracy = TokenAccuracy(ignored=3)
    assert float(accuracy.result()) == 0
    for rows in (slice(0, 1), slice(1, 4)):  # the mean of two batches of different size is another number
        accuracy.update_state(tf.constant(TARGETS[rows], tf.float32), LOGITS[rows])
    counted = TARGETS >= 3
    assert float(accuracy.result()) == pytest.approx((LOGITS.argmax(-1) == TARGETS)[counted].mean())
    accuracy.reset_state()
    accuracy.update_state(tf.zeros([2, 3]), LOGITS[:2, :3])
    assert float(accuracy.result()) == 0
    accuracy.update_state(TARGETS, tf.one_hot(TARGETS, 7))
    assert float(accuracy.result()) == 1


@pytest.mark.parametrize("thing", [TokenCrossentropy(0.2, ignored=3), TokenAccuracy(ignored=3)], ids=lambda each: each.name)
def test_configuration_comes_back(thing):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(thing))
    assert type(again) is type(thing)
    assert again.get_config() == thing.get_config()


def test_classes_count_by_their_weights():
    logits, labels = np.array([[2.0, 0.0], [0.5, 1.0], [1.0, 1.0]], "float32"), np.array([0, 1, 1])
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(labels, logits).numpy()
    weighted = ClassCrossentropy((0.5, 3.0))(labels, logits)
    np.testing.assert_allclose(weighted, (plain * [0.5, 3.0, 3.0]).mean(), rtol=1e-6)
