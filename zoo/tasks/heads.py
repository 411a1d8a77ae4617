"""Heads for other classes: they start from what a trained model says of the examples, and from its features."""

import keras
import numpy as np
import tensorflow as tf

from zoo.artefacts import lineage

# As many examples settle a head to start from; more only take time.
EXAMPLES = 1_000
BATCH = 64
# How far weights may go, as the inverse of their penalty; which of them is seen on examples that were left out.
STRENGTHS = (0.1, 1, 10, 100)
FOLDS = 4
STEPS = 20  # of descent at each strength, which begins with the weights of the one before


def fit_heads(task, train, *, seed: int = 0) -> None:
    """Gives fresh heads of a classifier whose body is an artefact's the weights that tell its classes apart best.

    A head for other classes is a linear map of the old head's logits and, where it sees them, of the features below: a
    multinomial logistic regression on the training split, with the penalty that is best on parts of it left out in turn. So
    renamed classes start as good as the old ones, whatever their order, and others start from what is known of them.

    Args:
        task: a `Classifier`; heads that are not fresh stay, and so do all where nothing comes from an artefact.
        train: its raw training split.
        seed: of the parts.

    Source: linear probing before fine-tuning, Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features".
    """
    known = lineage.of(task.model)
    if known is None or known.directory is None:
        return
    fresh = known.fresh(task.model)
    heads = [head for head in _heads(task) if {weight.path for weight in head.weights} <= fresh]
    trained = lineage.trained_layers(known.directory, {head.name for head in heads}) if heads else {}
    heads = [head for head in heads if _fits(head, trained.get(head.name))]
    if not heads:
        return
    print(f"Head for {len(task.labels)} other classes, from the answers and features of {known.label} ...", flush=True)
    answers, features, labels = _outputs(task, train, heads, trained)
    tells = []
    for head in heads:
        weights, bias, told = _regression([answers[head.name]], labels, len(task.labels), seed)
        tells.append(told)
        if head.name in features:
            weights, bias, _ = _regression([answers[head.name], features[head.name]], labels, len(task.labels), seed)
        _compose(head, trained[head.name], *np.split(weights, [answers[head.name].shape[1]]), bias)
    known.tells = max(tells)


def reorder_heads(task, theirs) -> set[str]:
    """Gives heads of the same classes in another order the weights of the artefact's.

    Args:
        task: a `Classifier`; heads that were trained or set since they were taken stay.
        theirs: names of the artefact's classes, in its order.

    Returns:
        Names of the heads.
    """
    if sorted(theirs) != sorted(task.labels):
        return set()
    known = lineage.of(task.model)
    heads = {head.name: head for head in _heads(task) if all(map(known.untouched, head.weights))}
    trained = lineage.trained_layers(known.directory, heads)
    order = np.eye(len(theirs))[[list(theirs).index(label) for label in task.labels]].T
    done = {path for path, head in heads.items() if _fits(head, trained.get(path))}
    for path in done:
        _compose(heads[path], trained[path], order, 0.0, np.zeros(len(theirs)))
        for weight in heads[path].weights:
            known.set(weight, weight.numpy(), weight.numpy().size)
    return done


def _heads(task) -> list[keras.Layer]:
    """The layers of a classifier that mean nothing with other classes."""
    return [layer for layer in task.model.layers if task.bound.get(layer.name) == task.labels.file]


def _compose(head, trained, of_answers, of_features, bias) -> None:
    """Makes a head of a trained one: a linear map of its logits, of the features that it sees, and a bias."""
    if isinstance(head, keras.layers.Dense):
        kernel, offset = trained.get_weights()
        head.set_weights([kernel @ of_answers + of_features, offset @ of_answers + bias])
    else:
        head.continue_from(trained, of_answers, bias)


def _fits(head, trained) -> bool:
    """Whether a head can be made of a trained one: it has to see the same, and to be of a kind that can be composed."""
    if trained is None or trained.weights[0].shape[0] != head.weights[0].shape[0]:
        return False
    return isinstance(head, keras.layers.Dense) or hasattr(head, "continue_from")


def _outputs(task, train, heads, trained):
    """Of training examples: name of a head → logits of the trained one, name → features below it, if any; class numbers."""
    below = keras.Model(task.model.inputs, {head.name: head.input for head in heads})

    @tf.function(reduce_retracing=True)
    def outputs(raw):
        seen = below(task.inputs(raw), training=False)
        logits = {name: trained[name](values) for name, values in seen.items()}
        return logits, {head.name: seen[head.name] for head in heads if isinstance(head, keras.layers.Dense)}

    every = max(-(-int(train.cardinality()) // EXAMPLES), 1)
    logits, features, labels = [], [], []
    for raw, label in train.shard(every, 0).take(EXAMPLES).batch(BATCH):
        for kept, found in zip((logits, features), outputs(raw), strict=True):
            kept.append({name: value.numpy() for name, value in found.items()})
        labels.append(label.numpy())
    joined = [
        {name: np.concatenate([each[name] for each in kept]).astype("float32") for name in kept[0]}
        for kept in (logits, features)
    ]
    return *joined, np.concatenate(labels)


def _regression(parts, labels, classes: int, seed: int):
    """Multinomial logistic regression.

    Args:
        parts: the trained head's logits, float [N, C], and the features below it, float [N, F], if any.
        labels: class numbers, int [N].
        classes: how many there are.
        seed: see `fit_heads`.

    Returns:
        Weights [C + F, classes], bias [classes], and how much of the labels they tell, on examples that were left out: the
        share of their entropy; 0 where there are too few to leave any out.
    """
    # one logit weighs as much as all features together, so that a feature is only used where the answers do not tell
    spreads = [_spread(part) * (part.shape[1] ** 0.5 if number else 1) for number, part in enumerate(parts)]
    columns, spread = np.concatenate(parts, axis=1), np.concatenate(spreads)
    middle = columns.mean(axis=0)
    columns = np.pad((columns - middle) / spread, [(0, 0), (0, 1)], constant_values=1).astype("float32")
    # along its principal directions the steps of a descent may be as long as each of them allows
    _, sizes, directions = np.linalg.svd(columns, full_matrices=False)
    columns, wanted = columns @ directions.T, np.eye(classes, dtype="float32")[labels]
    shares = wanted.mean(axis=0)
    entropy = -(shares * np.log(np.maximum(shares, 1e-9))).sum()
    losses = np.full(len(STRENGTHS), entropy) if len(labels) < 2 * FOLDS else _left_out(columns, wanted, sizes, seed)
    *_, weights = _path(columns, wanted, sizes, STRENGTHS[: int(losses.argmin()) + 1])
    weights = directions.T.astype("float64") @ weights
    weights, bias = weights[:-1] / spread[:, None], weights[-1]
    return weights, bias - middle @ weights, 1 - losses.min() / max(entropy, 1e-9)


def _spread(part):
    """Standard deviation of each column, [F]; of one that hardly changes, a share of the others'."""
    spread = part.std(axis=0)
    return np.maximum(spread, 0.1 * spread.mean() + 1e-6)


def _left_out(columns, wanted, sizes, seed: int):
    """Mean cross-entropy at each strength of examples that the weights were not fitted to."""
    fold = np.random.default_rng(seed).permutation(len(wanted)) % FOLDS
    losses = np.zeros(len(STRENGTHS))
    for number in range(FOLDS):
        out = fold == number
        for place, weights in enumerate(_path(columns[~out], wanted[~out], sizes, STRENGTHS)):
            losses[place] -= np.log(np.maximum((_softmax(columns[out] @ weights) * wanted[out]).sum(axis=1), 1e-9)).sum()
    return losses / len(wanted)


def _path(columns, wanted, sizes, strengths):
    """Yields the weights [directions, classes] at one strength after the other.

    Args:
        columns: of some examples along the principal directions of all, float [N, directions].
        wanted: 1 for the class of each example, else 0, float [N, classes].
        sizes: of the directions, their singular values.
        strengths: ascending.

    Source: a bound of the curvature, half of that of least squares, by Böhning 1992; momentum by Beck & Teboulle 2009.
    """
    weights = np.zeros((columns.shape[1], wanted.shape[1]), "float32")
    for strength in strengths:
        step, ahead, momentum = 1 / (0.5 * sizes[:, None] ** 2 + 1 / strength), weights, 1.0
        for _ in range(STEPS):
            gradient = columns.T @ (_softmax(columns @ ahead) - wanted) + ahead / strength
            after, grown = ahead - step * gradient, (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead, weights, momentum = after + (momentum - 1) / grown * (after - weights), after, grown
        yield weights


def _softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
