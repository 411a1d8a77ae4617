"""The training step: plain, or adversarial."""

import keras
import tensorflow as tf

from zoo.layers.adversarial import Perturbation


class Trainer(keras.Model):
    """Holds a model to train it, and shares its variables.

    Args:
        model: the `keras.Model`.
        strength: L2 norm of the perturbation of one sequence of embeddings. With 0 the step is Keras's own. Else the loss is
            the mean of the plain one and of the one with every sequence moved this far in the direction that hurts most,
            which costs about twice the time. Needs a `Perturbation` layer.

    Source: Miyato et al. 2017, equation 4 to 6.
    """

    def __init__(self, model: keras.Model, strength: float = 0.0):
        super().__init__()
        self.inner = model
        self.strength = strength
        self.points = [layer for layer in model.layers if isinstance(layer, Perturbation)]

    def call(self, inputs, training=False):
        return self.inner(inputs, training=training)

    def train_step(self, data):
        if not (self.strength and self.points):
            return super().train_step(data)
        (point,) = self.points
        inputs, targets = data
        with tf.GradientTape() as tape:
            with tf.GradientTape() as toward:
                outputs = self(inputs, training=True)
                plain = self.compute_loss(inputs, targets, outputs)
            gradient = tf.stop_gradient(toward.gradient(plain, point.seen))
            norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=(1, 2), keepdims=True))
            point.offset = self.strength * gradient / (norm + 1e-12)
            try:
                moved = self.compute_loss(inputs, targets, self(inputs, training=True))
            finally:
                point.offset = None
            loss = (plain + moved) / 2
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        self._loss_tracker.update_state(plain, sample_weight=tf.shape(tf.nest.flatten(inputs)[0])[0])
        return self.compute_metrics(inputs, targets, outputs)
