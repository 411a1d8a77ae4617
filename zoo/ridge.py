"""Ridge regression of classes on few examples, solved at once, its strength chosen by leaving one example out."""

from typing import NamedTuple

import numpy as np

STRENGTHS = 10.0 ** np.arange(-2, 2.01, 0.25)  # of the penalty, in units of an example's mean square


class Fitted(NamedTuple):
    """A linear classifier in its dual form: an example's logits are its products with the examples it was fitted on."""

    weights: np.ndarray  # float [N, columns]: of a feature, the sum over examples of weight times value
    bias: np.ndarray  # float [columns]
    loss: float  # mean cross-entropy of each example by a classifier that has not seen it


def fit(products, labels, classes: int, class_weights=()) -> Fitted:
    """Fits one column of scores for two classes, else one for each, and scales them to be logits.

    The strength of the penalty and the scale are those under which examples that are left out have the lowest cross-entropy;
    of a ridge regression that costs nothing, since its answers without an example follow from those with it.

    Args:
        products: of each two examples, float [N, N]: the sum over features of the values of both.
        labels: int [N], of at least two classes.
        classes: how many there are.
        class_weights: what an example of each class counts where the scale is fitted; () if all count the same.

    Source: Allen 1974 (leaving one out in closed form); Rifkin & Klautau 2004, "In Defense of One-Vs-All Classification";
    Platt 1999 for the scale.
    """
    one_hot = np.eye(classes)[labels]
    targets = one_hot[:, 1:] * 2 - 1 if classes == 2 else one_hot * 2 - 1
    unit = max(np.trace(products) / len(labels), 1e-12)
    values, vectors = np.linalg.eigh(products / unit + 1)  # the 1 is a feature that all have: the bias
    turned, best = vectors.T @ targets, None
    counts = np.array(class_weights)[labels] if class_weights else np.ones(len(labels))
    for strength in STRENGTHS:
        inverse = 1 / (np.maximum(values, 0) + strength)
        dual = vectors @ (inverse[:, None] * turned)
        without = targets - dual / ((vectors**2) @ inverse)[:, None]
        scale, shift, loss = _scaled(without, labels, classes, counts)
        if best is None or loss < best.loss:
            best = Fitted(dual * scale / unit, dual.sum(axis=0) * scale + shift, loss)
    return best


def logits(scores):
    """One column of scores for two classes → one a class; others as they are."""
    return np.concatenate([-scores / 2, scores / 2], axis=1) if scores.shape[1] == 1 else scores


def _scaled(scores, labels, classes, counts):
    """A scale and a shift of each column that make logits of scores, and their cross-entropy, by Newton's method.

    Both are held back a little, as if by one example that says nothing: where all scores are right, no scale is the best.
    """
    scale, shift = 1.0, np.zeros(scores.shape[1])
    wanted, counts = np.eye(classes)[labels], counts[:, None]
    if scores.shape[1] == 1:
        wanted = wanted[:, 1:]
    for _ in range(30):
        probabilities, _ = _softmax(logits(scale * scores + shift))
        if scores.shape[1] == 1:
            probabilities = probabilities[:, 1:]
            among = (counts * probabilities * (1 - probabilities)).sum(axis=0, keepdims=True)
            moved = probabilities * (1 - probabilities) * scores
        else:
            among = np.diag((counts * probabilities).sum(axis=0)) - (counts * probabilities).T @ probabilities
            moved = probabilities * (scores - (probabilities * scores).sum(axis=1, keepdims=True))
        error = counts * (probabilities - wanted)
        # by the scale, then by the shift of each column
        gradient = np.concatenate([[(error * scores).sum() + 0.1 * (scale - 1)], error.sum(axis=0) + shift])
        across = (counts * moved).sum(axis=0)
        first = np.concatenate([[(counts * moved * scores).sum() + 0.1], across])
        hessian = np.concatenate([first[None], np.concatenate([across[:, None], among + np.eye(len(shift))], axis=1)])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        scale, shift = scale - step[0], shift - step[1:]
        if np.abs(step).max() < 1e-6:
            break
    _, log_probs = _softmax(logits(scale * scores + shift))
    return scale, shift, float(-(counts[:, 0] * log_probs[np.arange(len(labels)), labels]).mean())


def _softmax(values):
    """Probabilities and their natural logs."""
    values = values - values.max(axis=1, keepdims=True)
    log_probs = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return np.exp(log_probs), log_probs
