"""Windows: a long sequence read as short ones, side by side."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("zoo")
class SplitWindows(keras.layers.Layer):
    """Cuts sequences into windows of equal length: int or float [N, T, ...] → [N*K, W, ...], padded with zeros at the end.

    A loop over time then takes W steps on N*K rows in place of T steps on N. Sequences no longer than one window are not
    padded: W is min(size, T).

    Args:
        size: steps in a window.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, sequences):
        shape = tf.shape(sequences)
        width = tf.minimum(self.size, shape[1])
        padded = tf.pad(sequences, [[0, 0], [0, -shape[1] % width], *[[0, 0]] * (sequences.shape.rank - 2)])
        return tf.reshape(padded, tf.concat([[-1, width], shape[2:]], axis=0))

    def compute_output_shape(self, shape):
        return (None, None, *shape[2:])

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("zoo")
class JoinWindows(keras.layers.Layer):
    """Undoes `SplitWindows`: windows [N*K, W, F] and the sequences they were cut from, [N, T, ...] → [N, T, F]."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, *_, **__):
        return None  # the windows' mask is not that of the whole

    def call(self, windows, sequences):
        shape = tf.shape(sequences)
        joined = tf.reshape(windows, [shape[0], -1, windows.shape[-1]])
        return joined[:, : shape[1]]

    def compute_output_shape(self, windows_shape, sequences_shape):
        return (*sequences_shape[:2], windows_shape[-1])
