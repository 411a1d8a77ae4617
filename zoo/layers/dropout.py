"""Dropout of whole words."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("zoo")
class WordDropout(keras.layers.Layer):
    """Takes some words for unknown in training: ids int32 [N, T] → the same, a share of those above 0 replaced by 1.

    Args:
        rate: share of the words replaced.

    Source: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", section 3.1.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, tokens, training=False):
        if not training or not self.rate:
            return tokens
        dropped = keras.random.uniform(tf.shape(tokens), seed=self.seed_generator) < self.rate
        return tf.where(dropped & (tokens > 0), tf.ones_like(tokens), tokens)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
