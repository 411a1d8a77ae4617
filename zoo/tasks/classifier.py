"""`Classifier`: the kind of task whose answer is one of some named classes."""

import keras
import tensorflow as tf

from zoo import metrics
from zoo.errors import ZooError
from zoo.preprocessing import Labels
from zoo.tasks import signatures
from zoo.tasks.base import Monitor, Task


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

    @property
    def takes(self):
        """See `Task.takes`."""
        (name, spec), *_ = signatures.specs(self, "serving_default").items()
        return {name: tf.TensorSpec(spec.shape[1:], spec.dtype), "label": tf.TensorSpec([], tf.int64)}

    def losses(self):
        """Cross-entropy."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self):
        """Accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def answer(self, logits, error=None) -> dict:
        """Logits float [N, C] → `label` string [N] and `probabilities` float [N, C].

        Args:
            logits: of the model.
            error: what is wrong with each input, string [N]: where it is not "", the label is "" and the probabilities are
                zeros. It is an output of its own.
        """
        probabilities = tf.nn.softmax(logits)
        label = self.labels(tf.argmax(probabilities, axis=1))
        if error is None:
            return {"label": label, "probabilities": probabilities}
        fine = error == ""
        probabilities = tf.where(fine[:, None], probabilities, 0)
        return {"label": tf.where(fine, label, ""), "probabilities": probabilities, "error": error}

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
