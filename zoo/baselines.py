"""What a person would try first, scored beside a model: always the same answer, a linear model, the nearest example.

Trained on the examples that the model was trained on, with nothing chosen on validation, and scored on the same test examples.
Only what takes seconds is tried; what is left out is printed.
"""

import contextlib
import warnings
from collections import Counter

import numpy as np
import tensorflow as tf

from zoo import metrics
from zoo.names import quoted
from zoo.tasks import signatures

MOST = 20_000  # examples of a split, for what is more than a constant
MOST_BYTES = 50 * 2**20  # of training and test examples together
MOST_WEIGHTS = 2_000_000  # of a linear model, whose solver keeps twenty copies
MOST_WORK = 20_000_000  # products in one of its steps
PIXELS = 16  # height and width that images are brought down to before they are compared


class LeftOut(Exception):
    """Why something is not tried."""


@contextlib.contextmanager
def _or_left_out(what: str):
    """Inside it `LeftOut` ends the block and nothing else; it is printed."""
    try:
        yield
    except LeftOut as reason:
        print(f"Not scored beside the model: {what}; {reason}.", flush=True)


def baselines(task, train, test) -> dict[str, dict]:
    """Scores of simple answers, by the first measure of a task's own.

    Args:
        task: a `Task`; what its measure is decides. Of a measure of its own nothing is known, and there are no baselines.
        train, test: `tf.data.Dataset`s of raw, unbatched examples, class numbers those of the task's labels.

    Returns:
        Name → score, of the kind that the measure gives first; what answers always the same is first.
    """
    if task.measure is metrics.accuracy:
        return _of_classes(task, train, test)
    if task.measure is metrics.regression:
        return _of_numbers(train, test)
    if task.measure is metrics.translation:
        return _of_translations(train, test)
    return {}


def _of_classes(task, train, test):
    classes, truths = _last(train), _last(test)
    commonest, _ = Counter(classes.tolist()).most_common(1)[0]
    found = {f"always answering {quoted(task.labels[commonest])}"[:200]: metrics.proportion(truths == commonest)}
    if len(set(classes.tolist())) < 2:
        return found
    is_text = "text" in signatures.specs(task, "serving_default")
    what, answer = ("TF-IDF + logistic regression", _linear) if is_text else ("the nearest training example", _nearest)
    with _or_left_out(what):
        found[what] = metrics.proportion(answer(task, *_first(train, test), classes) == truths)
    return found


def _of_translations(train, test):
    found = {}
    with _or_left_out(what := "the target of the nearest training text"):
        texts, asked = _first(train, test)
        known, asked = _tfidf(texts, asked, analyzer="char_wb", ngram_range=(2, 4))
        targets = [target.decode() for _, target in train.as_numpy_iterator()]
        likenesses = (asked[start : start + 256] @ known.T for start in range(0, asked.shape[0], 256))
        rows = np.concatenate([np.asarray(part.argmax(axis=1)).ravel() for part in likenesses])
        references = [list(texts) for _, texts in test.as_numpy_iterator()]
        found[what] = metrics.bleu([targets[row] for row in rows], references)["BLEU"]
    return found


def _of_numbers(train, test):
    values = _last(test)
    answers = np.broadcast_to(_last(train).mean(axis=0), values.shape)
    return {"always answering the mean": next(iter(metrics.regression_scores(values, answers).values()))}


def _last(examples) -> np.ndarray:
    """The last components of raw examples, [N, ...]."""
    return np.concatenate(list(examples.map(lambda *example: example[-1]).batch(1024).as_numpy_iterator()))


def _first(*splits) -> list[list]:
    """The first components of raw examples of each split."""
    most = f"it takes seconds for up to {MOST:,} examples and {MOST_BYTES >> 20} MB only"
    if max(map(len, splits)) > MOST:
        raise LeftOut(most)
    found, size = [], 0
    for split in splits:
        found.append([])
        for example in split.as_numpy_iterator():
            found[-1].append(example[0])
            size += np.asarray(example[0]).nbytes
            if size > MOST_BYTES:
                raise LeftOut(most)
    return found


def _linear(task, train, test, classes):
    """Numbers of classes by TF-IDF of words and word pairs and logistic regression."""
    count = len(set(classes.tolist()))
    options = {"token_pattern": r"\w+", "ngram_range": (1, 2), "max_features": MOST_WEIGHTS // count or 1}
    found, asked = _tfidf(train, test, **options)
    if found.nnz * count > MOST_WORK:
        raise LeftOut("with so many classes and words it takes minutes")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=10, max_iter=200).fit(found, classes).predict(asked)


def _tfidf(train, test, **options):
    """Weights of the words, or whatever the options say, of training and test texts."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise LeftOut('scikit-learn is not installed: pip install "sequence-zoo[baselines]"') from None
    features = TfidfVectorizer(decode_error="replace", sublinear_tf=True, **options)
    try:
        return features.fit_transform(train), features.transform(test)
    except ValueError as error:
        raise LeftOut("there are no words") from error


def _nearest(task, train, test, classes):
    """Numbers of classes of those training examples whose inputs, as the model gets them, differ least."""
    if len(task.model.inputs) != 1 or None in task.model.inputs[0].shape[1:]:
        raise LeftOut("inputs of several kinds or lengths have no distance")
    raw = [*train, *test]
    batches = [_small(task.inputs(tf.constant(np.stack(raw[start : start + 64])))) for start in range(0, len(raw), 64)]
    inputs = np.concatenate(batches)
    if np.issubdtype(inputs.dtype, np.integer):  # of symbols the distance is in how many places they differ
        inputs = np.equal(inputs[..., None], np.unique(inputs))
    inputs = inputs.reshape(len(raw), -1).astype(np.float32)
    known, asked = inputs[: len(train)], inputs[len(train) :]
    size, nearest = (known**2).sum(axis=1), []
    for start in range(0, len(asked), 256):
        nearest.append(np.argmin(size - 2 * asked[start : start + 256] @ known.T, axis=1))
    return classes[np.concatenate(nearest)]


def _small(inputs):
    """Inputs of a model as an array; images brought down to `PIXELS`."""
    if inputs.shape.rank == 4 and min(inputs.shape[1:3]) > PIXELS:
        inputs = tf.image.resize(inputs, [PIXELS, PIXELS], method="area")
    return inputs.numpy()
