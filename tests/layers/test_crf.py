"""The CRF: all it computes against every path there is, values and gradients; what BIO forbids; padding."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.crf import CRF, CRFLoss, SpanF1, bio_rules, count_spans

TAGS, LENGTHS = 5, (4, 0, 1, 3)
STEPS = max(LENGTHS)
MASK = tf.sequence_mask(LENGTHS, STEPS)
each_kind = pytest.mark.parametrize("bio", (False, True), ids=("any labels", "BIO"))


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng([seed, *shape]).normal(size=shape), tf.float32)


def crf_of(bio):
    layer = CRF(bio=bio)
    layer.build((None, None, TAGS))
    for seed, weight in enumerate(layer.weights):
        weight.assign(normal(*weight.shape, seed=seed))
    return layer


def paths(length, bio):
    """All paths that may be."""
    starts, follows = bio_rules(TAGS) if bio else (np.ones(TAGS, bool), np.ones((TAGS, TAGS), bool))
    for path in itertools.product(range(TAGS), repeat=length):
        if starts[path[0]] and all(follows[pair] for pair in itertools.pairwise(path)):
            yield path


def score(layer, emissions, path):
    """Of a path of one sequence, [T, K]: one term after the other."""
    total = layer.start[path[0]] + layer.end[path[-1]]
    for step, tag in enumerate(path):
        total += emissions[step, tag]
    for before, after in itertools.pairwise(path):
        total += layer.transition[before, after]
    return total


@each_kind
def test_the_likelihood_and_its_gradients_are_those_of_all_paths(bio):
    layer, emissions = crf_of(bio), normal(len(LENGTHS), STEPS, TAGS, seed=9)
    gold = {row: list(paths(length, bio))[7 % length if length == 1 else 7] for row, length in enumerate(LENGTHS) if length}
    tags = tf.constant([[*gold.get(row, ()), *[0] * (STEPS - len(gold.get(row, ())))] for row in range(len(LENGTHS))])
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        found = layer.log_likelihood(layer(emissions, MASK), tags, MASK)
        loss = tf.reduce_sum(found * [1.0, 2.0, 3.0, 4.0])
    gradients = tape.gradient(loss, [emissions, *weights])
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        expected = []
        for row, length in enumerate(LENGTHS):
            scores = [score(layer, emissions[row], path) for path in paths(length, bio)] if length else [0.0]
            right = score(layer, emissions[row], gold[row]) if length else 0.0
            expected.append(right - tf.reduce_logsumexp(scores))
        loss = tf.reduce_sum(tf.stack(expected) * [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for ours, theirs in zip(gradients, tape.gradient(loss, [emissions, *weights]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@each_kind
def test_the_best_path_is_the_best_of_all(bio):
    layer, emissions = crf_of(bio), 2 * normal(len(LENGTHS), STEPS, TAGS, seed=3)
    tags, best = layer.viterbi(layer(emissions, MASK), MASK)
    for row, length in enumerate(LENGTHS):
        if not length:
            assert (tags[row].numpy().tolist(), float(best[row])) == ([0] * STEPS, 0)
            continue
        value, path = max((float(score(layer, emissions[row], path)), path) for path in paths(length, bio))
        assert tags[row].numpy().tolist() == [*path, *[0] * (STEPS - length)]
        assert float(best[row]) == pytest.approx(value, abs=1e-5)


def test_padding_and_neighbours_change_nothing():
    layer, emissions = crf_of(True), normal(2, 6, TAGS)
    both = tf.sequence_mask([3, 6], 6)
    tags, best = layer.viterbi(layer(emissions, both), both)
    alone, alone_best = layer.viterbi(layer(emissions[:1, :3], both[:1, :3]), both[:1, :3])
    np.testing.assert_array_equal(tags[:1, :3], alone)
    np.testing.assert_allclose(best[:1], alone_best, atol=1e-5)
    np.testing.assert_allclose(
        layer.log_partition(layer(emissions, both), both)[:1],
        layer.log_partition(layer(emissions[:1, :3], both[:1, :3]), both[:1, :3]),
        atol=1e-5,
    )


def test_what_bio_forbids_is_never_answered_and_has_no_probability():
    layer = crf_of(True)
    wild = 300 * normal(20, 30, TAGS, seed=5)
    mask = tf.sequence_mask(range(11, 31), 30)
    with tf.GradientTape() as tape:
        tape.watch(wild)
        scores = layer(wild, mask)
        partition = layer.log_partition(scores, mask)
    assert np.isfinite(tape.gradient(partition, wild)).all()
    tags, best = layer.viterbi(scores, mask)
    starts, follows = bio_rules(TAGS)
    for row, length in zip(tags.numpy(), range(11, 31), strict=True):
        assert starts[row[0]]
        assert all(follows[pair] for pair in itertools.pairwise(row[:length]))
    assert (partition.numpy() >= best.numpy() - 1e-2).all()
    assert float(layer.log_likelihood(scores[:1], tf.fill([1, 30], 2), mask[:1])[0]) < -1000


@each_kind
def test_it_is_the_same_in_a_graph_and_its_configuration_comes_back(bio):
    layer, emissions = crf_of(bio), normal(len(LENGTHS), STEPS, TAGS)
    again = CRF.from_config(layer.get_config())
    again.build((None, None, TAGS))
    again.set_weights(layer.get_weights())

    @tf.function(input_signature=[tf.TensorSpec([None, None, TAGS]), tf.TensorSpec([None, None], tf.bool)])
    def answer(emissions, mask):
        scores = again(emissions, mask)
        return *again.viterbi(scores, mask), again.log_partition(scores, mask)

    scores = layer(emissions, MASK)
    for ours, theirs in zip(
        answer(emissions, MASK), (*layer.viterbi(scores, MASK), layer.log_partition(scores, MASK)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert [part.shape[0] for part in answer(emissions[:0], MASK[:0])] == [0, 0, 0]


def test_the_loss_is_the_mean_over_texts():
    layer, scores = crf_of(True), normal(3, STEPS, TAGS)
    targets = tf.constant([[2, 3, 1, 0], [1, 0, 0, 0], [4, 5, 5, 1]])
    tags, mask = tf.maximum(targets - 1, 0), targets > 0
    loss = CRFLoss(layer)(tf.cast(targets, tf.float32), scores)
    assert float(loss) == pytest.approx(-float(tf.reduce_mean(layer.log_likelihood(scores, tags, mask))), abs=1e-5)


def spans(row):
    """(type, first, last) of each span of BIO labels, in plain Python."""
    found = []
    for place, tag in enumerate(row):
        if tag % 2:
            found.append([(tag - 1) // 2, place, place])
        elif tag:
            found[-1][2] = place
    return {tuple(span) for span in found}


def drawn(random, rows, steps):
    """Paths that BIO allows."""
    tags = np.zeros((rows, steps), np.int32)
    for row in tags:
        for place in range(steps):
            goes_on = place and row[place - 1] and random.random() < 0.6
            row[place] = (row[place - 1] + 1) // 2 * 2 if goes_on else random.choice([0, 1, 3])
    return tags


def test_shared_spans_are_counted():
    random = np.random.default_rng(0)
    for _ in range(30):
        wanted = drawn(random, 4, 7)
        found = np.where(random.random((4, 1)) < 0.5, wanted, drawn(random, 4, 7))
        expected = [
            sum(len(spans(a) & spans(b)) for a, b in zip(wanted, found, strict=True)),
            sum(len(spans(row)) for row in wanted),
            sum(len(spans(row)) for row in found),
        ]
        assert [int(count) for count in count_spans(tf.constant(wanted), tf.constant(found))] == expected


def test_f1_is_that_of_the_best_paths():
    layer, metric = CRF(bio=True), None
    layer.build((None, None, TAGS))
    metric = SpanF1(layer)
    wanted = drawn(np.random.default_rng(1), 6, 8)
    metric.update_state(wanted + 1.0, 9 * tf.one_hot(wanted, TAGS))
    assert float(metric.result()) == 1
    metric.update_state(wanted + 1.0, 9 * tf.one_hot(np.zeros_like(wanted), TAGS))
    assert float(metric.result()) == pytest.approx(2 / 3)
