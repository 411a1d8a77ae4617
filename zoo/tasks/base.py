"""`Task`: a builder's model with the codecs around it. It is what is trained, scored and exported."""

import abc
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import keras
import tensorflow as tf

from zoo.artefacts import lineage
from zoo.artefacts.values import is_file
from zoo.errors import ZooError
from zoo.factory import create_model
from zoo.preprocessing import Codec
from zoo.tasks import signatures


@dataclass(frozen=True)
class Monitor:
    """What decides on the best weights: a value that validation measures, and which way it is better.

    Args:
        name: of a metric or a loss, as Keras names them in its logs, without "val_": "accuracy", "loss", "tags_loss".
        direction: "max" if more is better, "min" if less is.
        loss: name of what is lower where the model is surer of what is right: it decides between equals, and alone where there
            are too few examples to count right answers.

    Raises:
        ZooError: if the direction is neither.
    """

    name: str
    direction: Literal["max", "min"] = "max"
    loss: str = "loss"

    def __post_init__(self):
        if self.direction not in ("max", "min"):
            raise ZooError(f'The direction of Monitor({self.name!r}) is "max" or "min", not {self.direction!r}.')

    def __str__(self):
        return self.name if self.direction == "max" else f"{self.name} (lower is better)"

    @property
    def sign(self) -> int:
        """1 if more is better, -1 if less is."""
        return 1 if self.direction == "max" else -1

    def check(self, logs: Mapping) -> None:
        """Raises `ZooError` where a value is none of the logs'."""
        for name in (self.name, self.loss):
            if name not in logs:
                raise ZooError(f"Monitor({name!r}) watches nothing that is measured; there are: {', '.join(logs)}.")


class Task(abc.ABC):
    """Plain Python around a `keras.Model`. A family states what is its own, and the rest follows from it.

    A family has `codecs` and `options`, of which its constructor takes one each by name; `inputs` and `targets`, or
    `encode_example`; `losses`, `metrics` and `monitor`; methods marked with `@signature`; `measure`; and `pictures`, if any.

    Args:
        model: the `keras.Model` over tensors.
        examples: raw inputs, one of bytes, a string or an array each: for the warm-up, the card and the tests.
        **parts: the codecs and options of the family.

    Raises:
        ZooError: if the model has fewer rows than a codec has names.
    """

    # Name of an attribute → the codec that it holds.
    codecs: Mapping[str, type[Codec]] = MappingProxyType({})
    # Names of attributes that are numbers, texts or truth values, and belong to the artefact as the codecs do.
    options: tuple[str, ...] = ()
    # Names of the classes, in the order of their numbers; empty where the answers are no classes.
    labels: tuple[str, ...] = ()
    # The artefact holds all weights in float16, not tables alone; what is computed stays float32.
    stored_in_float16: bool = False
    # Terms of weights that the model began with, for the card.
    terms: str = ""
    # Lengths to pad training examples to, ascending, at most 4; () where all are equal.
    buckets: tuple[int, ...] = ()
    # `encode_example` draws at random, or makes much of little: nothing of it is kept, each epoch encodes anew.
    encode_each_epoch: bool = False

    # Examples are parts of one long sequence, read in windows: these outputs of `trained`, [rows, ...], are inputs of the same
    # name at the next window, zeros at the first (truncated backpropagation through time, with the state carried on). Then
    # `trained` takes and gives dicts, and the loss takes the one output that is left.
    carried: tuple[str, ...] = ()
    # Steps of such a window.
    window: int = 128

    # A run that plans itself, without `--epochs`, takes so many steps at least, however few the data: found on small data.
    least_steps: int = 300
    # And of so many steps at least an epoch, the batches being cut: validation is asked that often, and the weights change.
    steps_an_epoch: int = 10

    monitor: Monitor

    def __init__(self, model: keras.Model, examples, **parts):
        self.model, self.examples = model, tuple(examples)
        for name in (*self.codecs, *self.options):
            setattr(self, name, parts.pop(name))
        if parts:
            raise TypeError(f"{type(self).__name__} states no codec and no option {', '.join(parts)}")
        lineage.match_names(self)

    # What a family may say of its weights and its data

    @property
    def rows(self) -> Mapping[str, tuple[str, int]]:
        """Path of a weight whose rows stand for the lines of an asset → its file, and how many rows come before these."""
        return {}

    @property
    def bound(self) -> Mapping[str, str]:
        """Path of a layer that means nothing with other lines in an asset → its file."""
        return {}

    def reorder(self, theirs: Mapping[str, list[str]]) -> set[str]:
        """Gives layers that are bound to names which are an artefact's in another order their weights in this order.

        Args:
            theirs: the artefact's assets, file → lines.

        Returns:
            Paths of these layers: they mean the same as before.
        """
        return set()

    @property
    def takes(self) -> Mapping[str, tf.TensorSpec]:
        """Components of a raw training example, name → what it is, unbatched; empty if anything may come."""
        return {}

    def unreadable(self, values) -> list[str]:
        """What is wrong with each of some first components of raw examples, bytes [N]; "" where nothing is."""
        name, spec = next(iter(signatures.specs(self, "serving_default").items()))
        is_text = spec.dtype == tf.string and not is_file(name)
        return [_not_text(value) if is_text else "" for value in values]

    # What is learnt

    def inputs(self, raw):
        """A batch of raw inputs → the model's inputs, in TensorFlow ops only."""
        raise NotImplementedError(f"{type(self).__name__} has neither `inputs` nor an `encode_example` of its own")

    def targets(self, raw):
        """A batch of raw targets → what the loss takes, in TensorFlow ops only."""
        return raw

    def encode_example(self, raw, target):
        """A batch of raw examples → (what `trained` takes, targets), in TensorFlow ops only.

        With `encode_each_epoch` it is given a keyword `seed` too, for `tf.random.stateless_*`: int64 [2], another one for each
        batch of raw examples in each epoch; None in validation, where every epoch is to be the same.
        """
        return self.inputs(raw), self.targets(target)

    def finish_batch(self, inputs, targets):
        """Turns a batch of encoded examples into what `trained` takes, where that is not the same."""
        return inputs, targets

    def length(self, inputs, targets):
        """Length of one encoded example, for the length buckets: of all its sequences, what is beyond it being padding.

        Where sequences have lengths of their own it is a structure, such as (frames, characters) for inputs and targets, or
        ({"source": words, "target": words_before}, words_after). A sequence is a tensor whose size no graph knows beforehand.
        """
        return 1

    def adapt(self, train, *, seed: int = 0):  # noqa: B027 - optional
        """Initialises from statistics of the training split what can be; `zoo.fit` calls it before the first step.

        Only weights of `zoo.artefacts.lineage.fresh(self.model)` may be changed: others were trained or set by someone.
        """

    def calibrate(self, validation):  # noqa: B027 - optional
        """Fits what the answers need beside the trained weights; `zoo.fit` calls it at its end, with the best weights.

        Args:
            validation: `tf.data.Dataset` of raw, unbatched examples that were not trained on.
        """

    @property
    def trained(self) -> keras.Model:
        """What `zoo.fit` trains: the model, or a part of it that shares its weights; encoded examples are its inputs."""
        return self.model

    @abc.abstractmethod
    def losses(self):
        """What to give `keras.Model.compile` as `loss`."""

    @abc.abstractmethod
    def metrics(self):
        """What to give `keras.Model.compile` as `metrics`."""

    # What is served and measured

    @abc.abstractmethod
    def serving_default(self, *raw):
        """What a user wants of raw inputs, marked with `@signature`: a dict of tensors [N, ...]."""

    @staticmethod
    def measure(model, test) -> dict[str, dict]:
        """Scores of the loaded artefact on the raw test split; see `zoo.metrics`."""
        raise ZooError("The family has no measure: give it one, such as `measure = staticmethod(zoo.metrics.accuracy)`.")

    def pictures(self, model, run, directory: Path) -> Iterator[tuple[str, str]]:
        """Draws pictures for the card into a directory, one after the other: title and name of the file."""
        from zoo import plots

        plots.curves(run.log, directory / "curves.png", run.monitor, run.best_epoch)
        yield "Training curves", "curves.png"

    # What follows from it

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """The methods marked with `@signature` as `tf.function`s with named `TensorSpec`s."""
        return signatures.functions(self)

    def requests(self, signature: str) -> dict[str, list]:
        """Raw inputs to try a signature with: name of the input → one value per example."""
        options = signatures.tries(self, signature)
        return {
            name: [options[name]] * len(self.examples) if name in options else list(self.examples)
            for name in signatures.specs(self, signature)
        }

    @property
    def assets(self) -> dict[str, list[str]]:
        """File name → lines of text, written into the artefact: vocabularies, names of labels."""
        return {file: lines for name in self.codecs for file, lines in getattr(self, name).assets.items()}

    @property
    def resources(self) -> tuple:
        """Lookup tables and the like, which a SavedModel has to hold."""
        return tuple(each for name in self.codecs for each in getattr(self, name).resources)

    def config(self) -> dict:
        """What rebuilds the task beside weights, assets and examples, as JSON: {"builder", "arguments", ...}."""
        configs = {name: config for name in self.codecs if (config := getattr(self, name).config())}
        made = {"builder": self.model.built_by.name, "arguments": self.model.built_by.arguments}
        return made | configs | {name: getattr(self, name) for name in self.options}

    @classmethod
    def from_config(cls, config: dict, assets: dict[str, list[str]], examples, *, model: keras.Model | None = None):
        """Rebuilds the task of a `config()`, its assets and its examples.

        Args:
            config, assets, examples: of the task.
            model: for it; if None one is built, with freshly initialised weights.
        """
        parts = {name: codec.from_config(config.get(name, {}), assets) for name, codec in cls.codecs.items()}
        parts |= {name: config[name] for name in cls.options if name in config}  # an older card lacks the newer ones
        model = create_model(config["builder"], **config["arguments"]) if model is None else model
        return cls(model, examples=examples, **parts)

    @classmethod
    def with_labels(cls, config: dict, assets: dict, labels) -> tuple[dict, dict]:
        """Config and assets for other classes than an artefact's.

        Raises:
            ZooError: if the answers are no classes.
        """
        raise ZooError(f"A {config['builder']} has no labels: its answers are no classes.")


def _not_text(value: bytes) -> str:
    """What is wrong with a text; it is in UTF-8."""
    return "" if value.decode("utf-8", "ignore").encode() == value else "not UTF-8"


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
