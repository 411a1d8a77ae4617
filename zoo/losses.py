"""Losses and metrics that Keras lacks: of a sequence of tokens, padding apart, and of classes of unequal weight."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class TokenCrossentropy(keras.losses.Loss):
    """Mean cross-entropy of the tokens that are not padding: targets int [N, T], logits float [N, T, V] → scalar.

    Args:
        label_smoothing: share of the probability that the target gives to all other tokens alike.
        ignored: ids below it are no targets and get no smoothing: padding and the marks that are never an answer.

    Source: Szegedy et al. 2016, section 7, for the smoothing.
    """

    def __init__(self, label_smoothing: float = 0.0, ignored: int = 1, name="token_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.ignored = label_smoothing, ignored

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "int32")  # Keras hands all targets over as floats
        counted = ops.cast(y_true >= self.ignored, y_pred.dtype)
        loss = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if self.label_smoothing:
            # (1 - s) (log Z - logit) + s (log Z - mean logit), and the first term is one op: there are few passes over V
            logit = tf.gather(y_pred, y_true, axis=2, batch_dims=2)
            loss += self.label_smoothing * (logit - ops.mean(y_pred[..., self.ignored :], axis=-1))
        return ops.sum(loss * counted) / ops.maximum(ops.sum(counted), 1)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing, "ignored": self.ignored}


@keras.saving.register_keras_serializable("zoo")
class TokenAccuracy(keras.metrics.Metric):
    """Share of the tokens that are not padding whose logit is the highest, the tokens before it given.

    Args:
        ignored: as in `TokenCrossentropy`.
    """

    def __init__(self, ignored: int = 1, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.ignored = ignored
        self.right = self.add_weight(name="right", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        counted = y_true >= self.ignored
        right = ops.logical_and(counted, ops.equal(ops.argmax(y_pred, axis=-1), ops.cast(y_true, "int32")))
        self.right.assign_add(ops.sum(ops.cast(right, self.right.dtype)))
        self.count.assign_add(ops.sum(ops.cast(counted, self.count.dtype)))

    def result(self):
        return self.right / ops.maximum(self.count, 1)

    def get_config(self):
        return {**super().get_config(), "ignored": self.ignored}


@keras.saving.register_keras_serializable("zoo")
class ClassCrossentropy(keras.losses.Loss):
    """Mean cross-entropy of classes that count unequally: targets int [N], logits float [N, C] → scalar.

    Args:
        weights: of each class, [C].
    """

    def __init__(self, weights, name="class_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.weights = tuple(map(float, weights))

    def call(self, y_true, y_pred):
        y_true = ops.reshape(ops.cast(y_true, "int32"), [-1])
        loss = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return loss * tf.gather(tf.constant(self.weights, loss.dtype), y_true)

    def get_config(self):
        return {**super().get_config(), "weights": self.weights}
