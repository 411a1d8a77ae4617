"""One row for several: images and their captions."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class RepeatRows(keras.layers.Layer):
    """Repeats each row until there are as many as `like` has: x [N, ...], like [N * K, ...] → [N * K, ...].

    What is computed before it is computed once for the K rows that share it.
    """

    def call(self, x, like):
        return tf.repeat(x, ops.shape(like)[0] // tf.maximum(ops.shape(x)[0], 1), axis=0)

    def compute_output_shape(self, x_shape, like_shape):
        return (like_shape[0], *x_shape[1:])
