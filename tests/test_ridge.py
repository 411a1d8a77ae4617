"""Ridge regression of classes: what is left out is really left out, and logits are as sure as they are right."""

import numpy as np
import pytest

from zoo import ridge


def separable(count, classes, noise, seed=0):
    """Points around a centre for each class: features float [N, F], labels int [N]."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = random.normal(size=(classes, 8))
    return centres[labels] + noise * random.normal(size=(count, 8)), labels


def answers(fitted, features, others):
    return ridge.logits(others @ features.T @ fitted.weights + fitted.bias)


@pytest.mark.parametrize("classes", [2, 5])
def test_what_was_learnt_is_answered_for_others_too(classes):
    features, labels = separable(400, classes, 0.7)
    known, held = slice(0, 60), slice(60, None)
    fitted = ridge.fit(features[known] @ features[known].T, labels[known], classes)
    logits = answers(fitted, features[known], features[held])
    right = logits.argmax(axis=1) == labels[held]
    assert right.mean() > 0.85
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert abs(probabilities.max(axis=1).mean() - right.mean()) < 0.08, "as sure as it is right"


def test_the_loss_is_that_of_examples_that_were_left_out(monkeypatch):
    """In closed form as by fitting again without each example, at one strength and without a scale."""
    features, labels = separable(12, 2, 1.0)
    products = features @ features.T
    seen = {}

    def scaled(scores, *_):
        seen["without"] = scores
        return 1.0, np.zeros(scores.shape[1]), 0.0

    monkeypatch.setattr(ridge, "STRENGTHS", [0.5])
    monkeypatch.setattr(ridge, "_scaled", scaled)
    ridge.fit(products, labels, 2)
    unit, targets = np.trace(products) / len(labels), labels * 2.0 - 1
    kernel = products / unit + 1
    for row in range(len(labels)):
        rest = [other for other in range(len(labels)) if other != row]
        dual = np.linalg.solve(kernel[np.ix_(rest, rest)] + 0.5 * np.eye(len(rest)), targets[rest])
        assert kernel[row, rest] @ dual == pytest.approx(seen["without"][row, 0])


def test_labels_that_follow_from_nothing_are_answered_with_their_shares():
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(200, 8)), np.repeat([0, 1], [150, 50])
    fitted = ridge.fit(features @ features.T, labels, 2)
    logits = answers(fitted, features, random.normal(size=(100, 8)))
    assert np.mean(1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))) == pytest.approx(0.25, abs=0.08)


def test_a_rare_class_that_counts_for_more_is_answered_more_often():
    features, labels = separable(200, 2, 2.5)
    keep = (labels == 0) | (np.arange(200) < 40)
    features, labels = features[keep], labels[keep]
    plain, weighted = (ridge.fit(features @ features.T, labels, 2, weights) for weights in ((), (0.8, 3.0)))
    recalls = [(answers(one, features, features).argmax(axis=1)[labels == 1] == 1).mean() for one in (plain, weighted)]
    assert recalls[1] > recalls[0]


def test_one_example_of_a_class_and_equal_examples_are_no_error():
    features = np.ones((5, 3))
    fitted = ridge.fit(features @ features.T, np.array([0, 0, 0, 0, 1]), 2)
    assert np.isfinite(answers(fitted, features, features)).all()
