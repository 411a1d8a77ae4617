"""`Classifier`: the kind of task whose answer is one of some named classes."""

import math

import keras
import numpy as np
import tensorflow as tf

from zoo import losses, metrics
from zoo.errors import ZooError
from zoo.preprocessing import Labels
from zoo.tasks import calibration, heads, signatures
from zoo.tasks.base import Monitor, Task

# Validation examples that probabilities are calibrated on, at most; how many are read, and how many answered at once.
MOST, CHUNK, BATCH = 2_000, 512, 64
SMALLEST = 1e-30  # of a probability whose logarithm is taken


class Classifier(Task):
    """Anything to a label, around a model of logits whose last layer is named "classes".

    A family adds what it reads to `codecs`, and has `inputs` and `serving_default`, which ends in `answer`.

    Args:
        model: the `keras.Model`.
        examples: see `Task`.
        labels: names of the classes, in the order of their numbers.
        **parts: see `Task`.

    Raises:
        ZooError: if the labels are not as many as the model's classes.
    """

    codecs = {"labels": Labels}  # noqa: RUF012 - read only
    # What logits are divided by before they become probabilities; `calibrate` sets it.
    temperature: float = 1.0
    # How far it may lie from 1 before anything is known of it, see `calibration.temperature`.
    temperature_spread: float = calibration.SPREAD
    # What an example of each class counts in training; () if all count the same.
    class_weights: tuple[float, ...] = ()
    monitor = Monitor("accuracy")
    measure = staticmethod(metrics.accuracy)

    def __init__(self, model, examples, *, labels, **parts):
        labels = labels if isinstance(labels, Labels) else Labels(labels)
        labels.check_count(model.get_layer("classes").units)
        super().__init__(model, examples, labels=labels, **parts)

    @property
    def bound(self):
        """See `Task.bound`."""
        return {"classes": self.labels.file}

    def reorder(self, theirs):
        """See `Task.reorder`: the same classes in another order."""
        return heads.reorder_heads(self, theirs.get(self.labels.file, ()))

    @property
    def takes(self):
        """See `Task.takes`."""
        (name, spec), *_ = signatures.specs(self, "serving_default").items()
        return {name: tf.TensorSpec(spec.shape[1:], spec.dtype), "label": tf.TensorSpec([], tf.int64)}

    def losses(self):
        """Cross-entropy."""
        if self.class_weights:
            return losses.ClassCrossentropy(self.class_weights)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self):
        """Accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def adapt(self, train, *, seed=0):
        """Heads for other classes than those of the artefact that is gone on from: see `fit_heads`."""
        heads.fit_heads(self, train, seed=seed)

    def answer(self, logits, error=None) -> dict:
        """Logits float [N, C] → `label` string [N] and `probabilities` float [N, C], of the logits over the temperature.

        Args:
            logits: of the model.
            error: what is wrong with each input, string [N]: where it is not "", the label is "" and the probabilities are
                zeros. It is an output of its own.
        """
        probabilities = tf.nn.softmax(logits if self.temperature == 1 else logits / self.temperature)
        label = self.labels(tf.argmax(logits, axis=1))
        if error is None:
            return {"label": label, "probabilities": probabilities}
        fine = error == ""
        probabilities = tf.where(fine[:, None], probabilities, 0)
        return {"label": tf.where(fine, label, ""), "probabilities": probabilities, "error": error}

    def calibrate(self, validation):
        """Sets the temperature of the probabilities; no label changes by it. See `Task.calibrate`."""
        self.temperature, found, truths = 1.0, [], []
        some = validation.shard(-(-len(validation) // MOST), 0)  # of all classes, whatever their order
        for raw, labels in some.batch(CHUNK).as_numpy_iterator():
            order = np.argsort([np.size(value) if np.ndim(value) else len(value) for value in raw], kind="stable")
            for rows in np.split(order, range(BATCH, len(order), BATCH)):  # of like length: less padding
                answer = self.serving_default(tf.constant(raw[rows]))
                fine = answer["error"].numpy() == b"" if "error" in answer else np.ones(len(rows), bool)
                found.append(np.log(np.maximum(answer["probabilities"].numpy()[fine], SMALLEST)))
                truths.append(labels[rows][fine])
        truths = np.concatenate(truths)
        self.temperature = calibration.temperature(np.concatenate(found), truths, spread=self.temperature_spread)
        print(
            f"Probabilities calibrated on {len(truths):,} validation examples: temperature {self.temperature:.3g}.", flush=True
        )

    def config(self):
        """See `Task.config`."""
        return {**super().config(), "temperature": self.temperature}

    @classmethod
    def from_config(cls, config, assets, examples, *, model=None):
        """See `Task.from_config`; what was exported without a temperature has that of 1."""
        task = super().from_config(config, assets, examples, model=model)
        task.temperature = float(config.get("temperature", 1.0))
        if not 0 < task.temperature < math.inf:
            raise ZooError(f"A temperature is greater than 0 and finite, not {task.temperature}.")
        return task

    @classmethod
    def with_labels(cls, config, assets, labels):
        """Config and assets for other classes; the same ones stay in the order that the head knows."""
        labels = Labels(labels)
        if labels.file not in assets:
            raise ZooError(f"The artefact has no {labels.file}, so it is not known which classes are its own.")
        if set(labels) == set(assets[labels.file]):
            return config, assets
        arguments = {**config["arguments"], "num_classes": len(labels)}
        return {**config, "arguments": arguments}, {**assets, labels.file: list(labels)}
