"""`Task`: a builder's model with the preprocessing and decoding around it. It is what is trained, scored and exported."""

import abc
import contextlib
from collections.abc import Mapping
from types import MappingProxyType

import keras
import tensorflow as tf

from zoo.errors import ZooError

LABELS = "labels.txt"  # the asset with the names of a classifier's classes


class Task(abc.ABC):
    """Plain Python around a `keras.Model`; every family subclasses it.

    Attributes:
        model: the `keras.Model` over tensors.
        examples: raw inputs, one tuple of bytes, strings or arrays each: for the warm-up, the card and the tests.
        assets: file name → lines of text, written into the artefact (vocabularies, names of labels).
        labels: names of the classes, in the order of their numbers; empty where the answers are no classes.
        takes: components of a raw training example, name → what it is, unbatched.
        rows: path of a weight whose rows stand for the lines of an asset → its file, and how many rows come before these.
        bound: path of a layer that means nothing with other lines in an asset → its file.
        stored_in_float16: the artefact holds all weights in float16, not tables alone; what is computed stays float32.
    """

    model: keras.Model
    examples: tuple
    assets: dict[str, list[str]]
    labels: tuple[str, ...] = ()
    takes: Mapping[str, tf.TensorSpec] = MappingProxyType({})
    rows: Mapping[str, tuple[str, int]] = MappingProxyType({})
    bound: Mapping[str, str] = MappingProxyType({})
    resources: tuple = ()  # lookup tables and the like, which a SavedModel has to hold
    stored_in_float16: bool = False
    terms: str = ""  # of weights that it began with, for the card
    buckets: tuple[int, ...] = ()  # lengths to pad training examples to, ascending, at most 4; () where all are equal

    @abc.abstractmethod
    def encode(self, *raw):
        """Turns a batch of raw inputs into the model's inputs, in TensorFlow ops only."""

    @abc.abstractmethod
    def encode_example(self, *raw):
        """Turns a batch of raw examples (inputs and targets) into (model inputs, targets), in TensorFlow ops only."""

    @abc.abstractmethod
    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Named functions over raw inputs: `tf.function`s with named `TensorSpec`s that return a dict of tensors [N, ...]."""

    def requests(self, signature: str) -> dict[str, list]:
        """Raw inputs to try a signature with: name of the input → one value per example."""
        (spec,) = self.signatures()[signature].input_signature
        return {spec.name: list(self.examples)}

    @abc.abstractmethod
    def config(self) -> dict:
        """What rebuilds the task beside weights, assets and examples, as JSON: {"builder", "arguments", ...}."""

    @classmethod
    @abc.abstractmethod
    def from_config(cls, config: dict, assets: dict[str, list[str]], examples):
        """Rebuilds the task of a `config()`, its assets and its examples, with freshly initialised weights."""

    def adapt(self, train, *, seed: int = 0):  # noqa: B027 - optional
        """Initialises from statistics of the training split what can be; `zoo.fit` calls it before the first step.

        Only weights of `zoo.artefacts.lineage.fresh(self.model)` may be changed: others were trained or set by someone.
        """

    def unreadable(self, values) -> list[str]:
        """What is wrong with each of some first components of raw examples, string [N]; "" where nothing is."""
        return [""] * len(values)

    @property
    def trained(self) -> keras.Model:
        """What `zoo.fit` trains: the model, or a part of it that shares its weights; encoded examples are its inputs."""
        return self.model

    @abc.abstractmethod
    def losses(self):
        """What to give `keras.Model.compile` as `loss`."""

    @abc.abstractmethod
    def metrics(self):
        """What to give `keras.Model.compile` as `metrics`; the first one named `monitor` decides on the best weights."""

    monitor: str  # name of a metric in the logs of `evaluate`; higher is better

    def finish_batch(self, inputs, targets):
        """Turns a batch of encoded examples into what `trained` takes, where that is not the same."""
        return inputs, targets

    def length(self, inputs, targets):
        """Length of one encoded example, for the length buckets; 1 where all examples have the same."""
        return 1


def not_texts(values) -> list[str]:
    """What is wrong with each text, bytes [N], as `Task.unreadable` says it; a text is in UTF-8."""
    return ["" if value.decode("utf-8", "ignore").encode() == value else "not UTF-8" for value in values]


@contextlib.contextmanager
def weights_read_once(model: keras.Model):
    """Inside it every weight of a model is one float32 tensor, read at the start: for loops that use a weight at each step.

    A weight stored in float16 would be widened at every step else.
    """
    scope = keras.StatelessScope()
    for weight in model.weights:
        dtype = tf.float32 if weight.value.dtype.is_floating else weight.value.dtype
        scope.add_update((weight, tf.cast(weight.value, dtype)))
    with scope:
        yield


def checked_labels(labels, count: int | None = None) -> tuple[str, ...]:
    """Names of classes as strings.

    Args:
        labels: the names.
        count: how many classes the model has; any number from two if None.

    Raises:
        ZooError: if there are too few or too many, or one twice.
    """
    labels = tuple(map(str, labels)) if not isinstance(labels, str) else (labels,)
    shown = ", ".join(map(repr, labels)) or "none"
    if count not in (None, len(labels)):
        raise ZooError(f"The model has {count} classes, and there are {len(labels)} labels: {shown}.")
    if len(labels) < 2 or len(set(labels)) < len(labels) or any("\n" in label for label in labels):
        raise ZooError(f"Labels are the names of at least two classes, each once and on one line, not {shown}.")
    return labels


def with_labels(config: dict, assets: dict, labels: tuple[str, ...]) -> tuple[dict, dict]:
    """Config and assets of a classifier with other classes; the same ones stay in the order that the head knows."""
    if LABELS not in assets:
        raise ZooError(f"A {config['builder']} has no labels: its answers are no classes.")
    if set(labels) == set(assets[LABELS]):
        return config, assets
    arguments = {**config["arguments"], "num_classes": len(labels)}
    return {**config, "arguments": arguments}, {**assets, LABELS: list(labels)}
