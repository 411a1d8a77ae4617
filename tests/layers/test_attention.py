"""Attention against the formulas of the papers, in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import layers

ROWS, STEPS, LENGTH, UNITS, WIDTH = 4, 3, 6, 5, 7
RANDOM = np.random.default_rng(0)
QUERY = RANDOM.normal(size=(ROWS, STEPS, UNITS)).astype("float32")
MEMORY = RANDOM.normal(size=(ROWS, LENGTH, WIDTH)).astype("float32")
LENGTHS = np.array([6, 1, 3, 0])
MASK = np.arange(LENGTH) < LENGTHS[:, None]

KINDS = {"multiplicative": layers.MultiplicativeAttention, "additive": layers.AdditiveAttention}
each_kind = pytest.mark.parametrize("kind", KINDS)


def attention(kind, **options):
    layer = KINDS[kind](UNITS, **options)
    layer.build(QUERY.shape, MEMORY.shape)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    return layer


def in_numpy(kind, layer):
    """Context and weights, one row and one step at a time."""
    weights = {weight.path.split("/", 1)[1]: weight.numpy().astype("float64") for weight in layer.weights}
    contexts, looks = np.zeros((ROWS, STEPS, WIDTH)), np.zeros((ROWS, STEPS, LENGTH))
    for row in range(ROWS):
        memory = MEMORY[row, : LENGTHS[row]]
        for step in range(STEPS if len(memory) else 0):
            query, keys = QUERY[row, step], memory @ weights["memory/kernel"]
            if kind == "multiplicative":
                scores = keys @ query / np.sqrt(UNITS)
            else:
                hidden = np.tanh(query @ weights["query/kernel"] + weights["query/bias"] + keys)
                scores = (hidden @ weights["score/kernel"])[:, 0]
            look = np.exp(scores - scores.max())
            looks[row, step, : len(memory)] = look / look.sum()
            contexts[row, step] = looks[row, step, : len(memory)] @ memory
    return contexts, looks


@each_kind
def test_context_and_weights_are_those_of_the_paper(kind):
    layer = attention(kind)
    for result, expected in zip(layer(QUERY, MEMORY, MASK), in_numpy(kind, layer), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5)


@each_kind
def test_weights_sum_to_one_over_the_valid_steps(kind):
    context, weights = attention(kind)(QUERY, MEMORY, MASK)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=2), np.repeat(LENGTHS[:, None] > 0, STEPS, axis=1), atol=1e-6)
    assert not weights.numpy()[np.broadcast_to(~MASK[:, None], weights.shape)].any()
    assert not context.numpy()[LENGTHS == 0].any()


@each_kind
def test_masked_values_do_not_matter(kind):
    layer = attention(kind)
    others = np.where(MASK[..., None], MEMORY, 1e4)
    for result, expected in zip(layer(QUERY, others, MASK), layer(QUERY, MEMORY, MASK), strict=True):
        np.testing.assert_array_equal(result, expected)


@each_kind
def test_without_a_mask_all_steps_are_valid(kind):
    layer = attention(kind)
    for result, expected in zip(layer(QUERY, MEMORY), layer(QUERY, MEMORY, np.ones_like(MASK)), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


@each_kind
def test_steps_one_at_a_time_see_the_same(kind):
    layer = attention(kind)
    keys = layer.keys(MEMORY)
    steps = [layer.attend(QUERY[:, step : step + 1], keys, MEMORY, MASK)[0] for step in range(STEPS)]
    np.testing.assert_allclose(tf.concat(steps, axis=1), layer(QUERY, MEMORY, MASK)[0], atol=1e-6)


@each_kind
def test_all_weights_learn(kind):
    layer = attention(kind)
    with tf.GradientTape() as tape:
        context, _ = layer(QUERY, MEMORY, MASK)
        loss = tf.reduce_sum(context**2)
    for weight, gradient in zip(layer.trainable_weights, tape.gradient(loss, layer.trainable_weights), strict=True):
        assert np.isfinite(gradient).all()
        assert np.any(gradient), weight.path


@each_kind
def test_half_precision_is_finite_with_an_empty_row(kind):
    context, weights = attention(kind, dtype="mixed_float16")(QUERY, MEMORY, MASK)
    assert context.dtype == weights.dtype == tf.float16
    assert np.isfinite(context).all()
    np.testing.assert_allclose(context, attention(kind)(QUERY, MEMORY, MASK)[0], atol=0.02)


@each_kind
def test_shapes_and_configuration(kind):
    layer = attention(kind, name="look")
    symbolic = layer(keras.Input((None, UNITS)), keras.Input((None, WIDTH)))
    assert [tensor.shape for tensor in symbolic] == [(None, None, WIDTH), (None, None, None)]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


def test_inner_products_need_queries_of_their_width():
    with pytest.raises(ValueError, match=f"queries are {UNITS} wide and not 8"):
        layers.MultiplicativeAttention(8)(QUERY, MEMORY)
