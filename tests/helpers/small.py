"""Small `Splits` to try `zoo.fit` with."""

import numpy as np
import tensorflow as tf

from zoo.data import Splits
from zoo.data.film_reviews import film_reviews

SENTIMENTS = ("negative", "positive")


def splits(train, labels=(), **parts):
    """Columns of raw examples → `Splits` that have them in all parts that are not given."""
    parts = {name: tf.data.Dataset.from_tensor_slices(parts.get(name, train)) for name in ("train", "validation", "test")}
    return Splits(loader="none", source="own", **parts, description="own", terms="own terms", labels=labels)


def columns(examples):
    """Raw examples → their components, as `splits` takes them."""
    return tuple(map(list, zip(*examples, strict=True)))


def reviews(labels=SENTIMENTS, count=40):
    """Film reviews, numbered in the order of the given names for negative and positive."""
    texts, sentiments = columns(film_reviews(count, 1, 1)["train"])
    order = [labels.index(name) if name in labels else number for number, name in enumerate(SENTIMENTS)]
    return splits((texts, [order[sentiment] for sentiment in sentiments]), labels)


def weights(model):
    """Path → value."""
    return {weight.path: weight.numpy() for weight in model.weights}


def assert_equal(some, others, paths=None):
    """Weights, path → value, are the same; all of `others`, or those of the paths."""
    for path in others if paths is None else paths:
        np.testing.assert_allclose(some[path], others[path], rtol=0, atol=1e-12, err_msg=path)
