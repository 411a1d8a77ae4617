"""The pointer-generator: against NumPy, values and gradients; what it copies, and what it knows of what it copied."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import Pointer

ROWS, STEPS, LENGTH, WIDTH, UNITS, VOCABULARY = 3, 4, 6, 5, 6, 11
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(ROWS, STEPS, VOCABULARY)).astype("float32")
STATES = RANDOM.normal(size=(ROWS, STEPS, UNITS)).astype("float32")
TOKENS = RANDOM.integers(4, 8, (ROWS, STEPS)).astype("int32")
MEMORY = RANDOM.normal(size=(ROWS, LENGTH, WIDTH)).astype("float32")
MASK = np.arange(LENGTH) < np.array([6, 4, 1])[:, None]
SOURCE = np.where(MASK, RANDOM.integers(4, 8, (ROWS, LENGTH)), 0).astype("int32")  # of four ids: some stand there twice
TARGETS = RANDOM.integers(4, VOCABULARY, (ROWS, STEPS))
each_kind = pytest.mark.parametrize("coverage", [False, True], ids=["plain", "coverage"])


def pointer(coverage=False, **options):
    layer = Pointer(UNITS, coverage=coverage, **options)
    layer.build(STATES.shape, MEMORY.shape)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(weight + random.normal(0, 0.4, weight.shape))
    return layer


def softmax(scores):
    scores = np.exp(scores - scores.max())
    return scores / scores.sum()


def reference(weights, states=STATES, memory=MEMORY, logits=LOGITS):
    """See et al. 2017, equations 8 and 9, in plain loops: probabilities [N, T, V] and weights [N, T, S], float64."""
    found, looked = np.zeros(logits.shape), np.zeros((ROWS, STEPS, LENGTH))
    for row in range(ROWS):
        length = int(MASK[row].sum())
        covered = np.zeros(length)
        keys = memory[row, :length] @ weights["attention/memory/kernel"]
        for step in range(STEPS):
            state = states[row, step]
            scores = keys @ state / np.sqrt(UNITS) + weights.get("covered", 0) * covered
            go_on = state @ weights["go_on/kernel"][:, 0] + weights["go_on/bias"][0]
            for place in range(1, length):
                scores[place] += go_on * (SOURCE[row, place - 1] == TOKENS[row, step])
            points = softmax(scores)
            covered = covered + points
            seen = points @ memory[row, :length]
            gate = np.concatenate([state, seen]) @ weights["gate/kernel"][:, 0] + weights["gate/bias"][0]
            gate = 1 / (1 + np.exp(-gate))
            found[row, step] = gate * softmax(logits[row, step])
            for place in range(length):
                found[row, step, SOURCE[row, place]] += (1 - gate) * points[place]
            looked[row, step, :length] = points
    return found, looked


def numbers(layer):
    """Path below the layer → float64."""
    return {weight.path.removeprefix(f"{layer.name}/"): np.array(weight.numpy(), "float64") for weight in layer.weights}


@each_kind
def test_values_are_those_of_plain_loops(coverage):
    layer = pointer(coverage)
    log_probs, weights = layer(LOGITS, STATES, TOKENS, MEMORY, MASK, SOURCE)
    probs, looked = reference(numbers(layer))
    np.testing.assert_allclose(tf.exp(log_probs), probs, atol=1e-6)
    np.testing.assert_allclose(weights, looked, atol=1e-6)
    np.testing.assert_allclose(probs.sum(axis=2), 1)


def nll(probs):
    return -np.log(np.take_along_axis(probs, TARGETS[..., None], axis=2)).sum()


@each_kind
def test_gradients_are_those_of_plain_loops(coverage):
    """By central differences of the NumPy reference, for every weight and, at some places, for what comes in."""
    layer = pointer(coverage)
    ins = {"states": tf.constant(STATES), "memory": tf.constant(MEMORY), "logits": tf.constant(LOGITS)}
    with tf.GradientTape() as tape:
        tape.watch(ins)
        log_probs, _ = layer(ins["logits"], ins["states"], TOKENS, ins["memory"], MASK, SOURCE)
        loss = -tf.reduce_sum(tf.gather(log_probs, TARGETS, axis=2, batch_dims=2))
    gradients, of_weights = tape.gradient(loss, (ins, layer.trainable_weights))
    np.testing.assert_allclose(loss, nll(reference(numbers(layer))[0]), rtol=1e-5)

    def difference(change):
        """The slope of the loss where `change(values, step)` moves one number of the weights or of what comes in."""
        slopes = []
        for step in (1e-5, -1e-5):
            weights, given = numbers(layer), {name: np.array(value.numpy(), "float64") for name, value in ins.items()}
            change(weights | given, step)
            slopes.append(nll(reference(weights, **given)[0]))
        return (slopes[0] - slopes[1]) / 2e-5

    found = {
        weight.path.removeprefix(f"{layer.name}/"): gradient for weight, gradient in zip(layer.weights, of_weights, strict=True)
    }
    for name, gradient in (found | gradients).items():
        gradient = gradient.numpy()
        for place in list(np.ndindex(gradient.shape))[:: max(gradient.size // 12, 1)]:

            def move(values, step, name=name, place=place):
                values[name][place] += step

            assert gradient[place] == pytest.approx(difference(move), abs=2e-4), (name, place)


def test_a_token_that_is_not_known_is_copied():
    layer = pointer()
    layer.gate.bias.assign([-20.0])  # all is copied
    log_probs, weights = layer(LOGITS, STATES, TOKENS, MEMORY, MASK, SOURCE)
    probs = tf.exp(log_probs).numpy()
    for row in range(ROWS):
        others = sorted(set(range(VOCABULARY)) - set(SOURCE[row][MASK[row]].tolist()))
        assert probs[row][:, others].max() < 1e-6
        for token in set(SOURCE[row][MASK[row]].tolist()):
            shares = weights.numpy()[row][:, SOURCE[row] == token].sum(axis=1)  # of all places where it stands
            np.testing.assert_allclose(probs[row][:, token], shares, atol=1e-5)


def test_what_follows_the_last_token_is_marked():
    layer = pointer()
    _, plain = layer(LOGITS, STATES, np.zeros_like(TOKENS), MEMORY, MASK, SOURCE)
    layer.go_on.bias.assign([20.0])
    _, weights = layer(LOGITS, STATES, np.full_like(TOKENS, SOURCE[0, 2]), MEMORY, MASK, SOURCE)
    follows = np.flatnonzero(SOURCE[0, :-1] == SOURCE[0, 2]) + 1
    np.testing.assert_allclose(weights.numpy()[0][:, follows].sum(axis=1), 1, atol=1e-4)
    assert np.abs(plain.numpy()[0] - weights.numpy()[0]).max() > 0.1


def test_coverage_knows_where_it_pointed_before():
    layer = pointer(coverage=True)
    layer.covered.assign(-50.0)
    same = np.repeat(STATES[:, :1], STEPS, axis=1)
    _, weights = layer(LOGITS, same, np.zeros_like(TOKENS), MEMORY, MASK, SOURCE)
    assert np.abs(weights.numpy()[0, 0] - weights.numpy()[0, 1]).max() > 0.1
    layer.covered.assign(0.0)
    _, weights = layer(LOGITS, same, np.zeros_like(TOKENS), MEMORY, MASK, SOURCE)
    np.testing.assert_allclose(weights[:, 0], weights[:, -1], atol=1e-6)


def test_a_source_without_a_token_has_finite_answers_and_gradients():
    layer, nothing = pointer(coverage=True), np.zeros_like(MASK)
    with tf.GradientTape() as tape:
        log_probs, weights = layer(LOGITS, STATES, TOKENS, MEMORY, nothing, np.zeros_like(SOURCE))
        loss = tf.reduce_sum(tf.nn.log_softmax(log_probs))
    np.testing.assert_allclose(tf.nn.softmax(log_probs), tf.nn.softmax(LOGITS), atol=1e-5)
    assert not weights.numpy().any()
    assert all(np.isfinite(each).all() for each in tape.gradient(loss, layer.trainable_weights) if each is not None)


@each_kind
def test_configuration(coverage):
    layer = pointer(coverage, attention="additive")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
