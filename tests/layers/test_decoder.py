"""Decoders: all steps at once say the same as one after the other, and see what they may see."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import layers

ROWS, STEPS, LENGTH, WIDTH, VOCABULARY = 4, 5, 6, 7, 11
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(1, VOCABULARY, (ROWS, STEPS)).astype("int32")
MEMORY = RANDOM.normal(size=(ROWS, LENGTH, WIDTH)).astype("float32")
MASK = np.arange(LENGTH) < np.array([6, 1, 3, 0])[:, None]
SOURCE = RANDOM.integers(1, VOCABULARY, (ROWS, LENGTH)).astype("int32")

DECODERS = {
    **{
        f"{cell}, {attention}": (layers.Decoder, {"cell": cell, "attention": attention, "embedding_dim": 4, "units": 6})
        for cell in ("rnn", "gru", "lstm")
        for attention in ("multiplicative", "additive")
    },
    "gru, copying": (layers.Decoder, {"cell": "gru", "embedding_dim": 4, "units": 6, "copy": True}),
    "lstm, coverage": (layers.Decoder, {"cell": "lstm", "embedding_dim": 4, "units": 6, "copy": True, "coverage": True}),
    "transformer": (layers.TransformerDecoder, {"units": 8}),
    "transformer, coverage": (layers.TransformerDecoder, {"units": 8, "copy": True, "coverage": True}),
    "transformer with two heads": (layers.TransformerDecoder, {"units": 128}),
}
each_decoder = pytest.mark.parametrize("name", DECODERS)


def decoder(name, layers=2, **options):
    kind, arguments = DECODERS[name]
    layer = kind(VOCABULARY, layers=layers, **arguments, **options)
    layer.build(TOKENS.shape, MEMORY.shape)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(weight + random.normal(0, 0.2, weight.shape))
    return layer


def one_by_one(layer, mask):
    state, context = layer.prepare(tf.constant(MEMORY), mask, STEPS, tf.constant(SOURCE))
    logits = []
    for position in range(STEPS):
        step, state = layer.step(tf.constant(TOKENS[:, position]), tf.constant(position), state, context)
        logits.append(step)
    return tf.stack(logits, axis=1)


@each_decoder
@pytest.mark.parametrize("mask", [tf.constant(MASK), None], ids=["masked", "all valid"])
@pytest.mark.parametrize("depth", [1, 3])
def test_all_steps_at_once_say_the_same_as_one_after_the_other(name, mask, depth):
    layer = decoder(name, layers=depth)
    logits, weights = layer(TOKENS, MEMORY, mask, SOURCE)
    assert logits.dtype == tf.float32
    assert logits.shape == (ROWS, STEPS, VOCABULARY)
    assert weights.shape == (ROWS, STEPS, LENGTH)
    np.testing.assert_allclose(one_by_one(layer, mask), logits, atol=2e-5)


@each_decoder
def test_it_looks_at_valid_steps_alone(name):
    layer = decoder(name)
    logits, weights = layer(TOKENS, MEMORY, MASK, SOURCE)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=2), np.repeat(MASK.any(1)[:, None], STEPS, axis=1), atol=1e-6)
    assert not weights.numpy()[np.broadcast_to(~MASK[:, None], weights.shape)].any()
    others = np.where(MASK[..., None], MEMORY, 100)
    np.testing.assert_allclose(layer(TOKENS, others, MASK, SOURCE)[0], logits, atol=1e-5)
    longer = np.pad(others, [(0, 0), (0, 3), (0, 0)]), *(np.pad(each, [(0, 0), (0, 3)]) for each in (MASK, SOURCE))
    np.testing.assert_allclose(layer(TOKENS, *longer)[0], logits, atol=1e-5)


@each_decoder
def test_the_memory_and_all_tokens_before_matter_and_none_after(name):
    layer = decoder(name)
    logits = layer(TOKENS, MEMORY, MASK, SOURCE)[0].numpy()
    tokens = TOKENS.copy()
    tokens[:, 2] = tokens[:, 2] % (VOCABULARY - 1) + 1
    changed = np.abs(layer(tokens, MEMORY, MASK, SOURCE)[0] - logits).max(axis=(0, 2))
    assert (changed[:2] < 1e-5).all()
    assert (changed[2:] > 1e-4).all()
    memory = np.abs(layer(TOKENS, MEMORY + 1, MASK, SOURCE)[0] - logits).max(axis=(1, 2))
    assert (memory[:3] > 1e-3).all()
    assert memory[3] < 1e-5


@each_decoder
def test_all_weights_learn(name):
    layer = decoder(name)
    with tf.GradientTape() as tape:
        logits, _ = layer(TOKENS, MEMORY, MASK, SOURCE, training=True)
        loss = tf.reduce_sum(tf.nn.log_softmax(logits)[..., 0])
    for weight, gradient in zip(layer.trainable_weights, tape.gradient(loss, layer.trainable_weights), strict=True):
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient).all()
        assert np.any(gradient), weight.path


@each_decoder
def test_shapes_and_configuration(name):
    layer = decoder(name, dropout=0.25)
    source = keras.Input((None,), dtype="int32")
    symbolic = layer(keras.Input((None,), dtype="int32"), keras.Input((None, WIDTH)), source=source)
    assert [tensor.shape for tensor in symbolic] == [(None, None, VOCABULARY), (None, None, None)]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
