"""One step of training and one of validation, compiled."""

import keras
import tensorflow as tf

from zoo import kernels


class Steps:
    """The two steps of a model, as functions of one batch that give the losses and metrics since the last `reset`.

    Each is traced once: its signature is that of the batches, whose sizes may differ.

    Args:
        model: a compiled `keras.Model`: its optimizer clips the gradients, and scales the loss where float16 needs it.
        batch: what a batch is, (inputs, targets) of `tf.TensorSpec`s.
        bptt_steps: see `zoo.RunConfig`.

    Attributes:
        train: (inputs, targets) → logs; takes a step.
        validate: (inputs, targets) → logs; changes no weight.
    """

    def __init__(self, model: keras.Model, batch, *, bptt_steps: int | None = None):
        self.model, self.bptt_steps = model, bptt_steps
        self.loss = keras.metrics.Mean(name="loss")
        self.train = tf.function(self._train, input_signature=batch, autograph=False)
        self.validate = tf.function(self._validate, input_signature=batch, autograph=False)

    def reset(self):
        """Begins the means anew."""
        self.loss.reset_state()
        self.model.reset_metrics()

    def evaluate(self, batches, callbacks: keras.callbacks.CallbackList) -> dict[str, float]:
        """The losses and metrics of all batches of a data set."""
        self.reset()
        callbacks.on_test_begin()
        for number, (inputs, targets) in enumerate(batches):
            callbacks.on_test_batch_begin(number)
            means = self.validate(inputs, targets)
            callbacks.on_test_batch_end(number, means)
        scores = numbers(means)
        callbacks.on_test_end(scores)
        return scores

    def _train(self, inputs, targets):
        model, weights = self.model, self.model.trainable_variables
        with kernels.truncation_scope(self.bptt_steps):
            with tf.GradientTape() as tape:
                outputs = model(inputs, training=True)
                loss = model.compute_loss(inputs, targets, outputs, training=True)
                scaled = model.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, weights)
        model.optimizer.apply(gradients, weights)
        return self._logs(loss, inputs, targets, outputs)

    def _validate(self, inputs, targets):
        outputs = self.model(inputs, training=False)
        loss = self.model.compute_loss(inputs, targets, outputs, training=False)
        return self._logs(loss, inputs, targets, outputs)

    def _logs(self, loss, inputs, targets, outputs):
        self.loss.update_state(loss, sample_weight=tf.shape(tf.nest.flatten(inputs)[0])[0])
        return {**self.model.compute_metrics(inputs, targets, outputs), "loss": self.loss.result()}


def numbers(logs) -> dict[str, float]:
    """Tensors of losses and metrics as numbers."""
    return {name: float(value) for name, value in logs.items()}
