"""`Task`: a builder's model with the preprocessing and decoding around it. It is what is trained, scored and exported."""

import abc
import contextlib

import keras
import tensorflow as tf

from zoo.errors import ZooError


class Task(abc.ABC):
    """Plain Python around a `keras.Model`; every family subclasses it.

    Attributes:
        model: the `keras.Model` over tensors.
        examples: raw inputs, one tuple of bytes, strings or arrays each: for the warm-up, the card and the tests.
        assets: file name → lines of text, written into the artefact (vocabularies, names of labels).
        stored_in_float16: the artefact holds all weights in float16, not tables alone; what is computed stays float32.
    """

    model: keras.Model
    examples: tuple
    assets: dict[str, list[str]]
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
        """Initialises from statistics of the training split what can be; `zoo.fit` calls it once, before the first step."""

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


def load_task(name, version=None, *, trusted=False) -> Task:
    """Rebuilds the task of an artefact, with its trained weights, to go on training from.

    Args:
        name: name or path of an artefact, as in `zoo.load`.
        version, trusted: see `zoo.load`.

    Raises:
        ZooError: as `zoo.load`, or if the family that the card names is none of this package and was not imported before.
    """
    from zoo import loading, origin

    directory, card = loading.checked(name, version, trusted=trusted)
    task = origin.rebuild(directory, card)
    restore_weights(task.model, directory)
    return task


def restore_weights(model: keras.Model, name) -> None:
    """Sets the weights of a model from an artefact's one stored copy, by path; says which ones stay as they were."""
    from zoo import card

    stored = card.weights(card.find(name, None))
    fitting, other = [], []
    for weight in model.weights:
        value = stored.get(weight.path)
        if value is not None and value.shape == tuple(weight.shape):
            weight.assign(value.astype(weight.dtype))
            fitting.append(weight.path)
        else:
            other.append(f"{weight.path} {tuple(weight.shape)}")
    if not fitting:
        raise ZooError(f"No weight of {name} fits this model; it has to be built by the same builder with like arguments.")
    if other:
        print(f"Weights from {name}; freshly initialised, since the artefact has none of that shape: {', '.join(other)}")
