"""Pooling over time: a sequence of vectors becomes one."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class MaxMeanPooling(keras.layers.Layer):
    """Maximum and mean over the valid steps, side by side: float [N, T, F], mask bool [N, T] → [N, 2*F].

    Args:
        attention: weigh the steps of the mean by a learnt relevance (Yang et al. 2016) in place of equally.

    A sequence without a valid step gives zeros.
    """

    def __init__(self, attention: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.attention = attention
        self.supports_masking = True

    def build(self, sequences_shape, mask_shape=None):
        width = sequences_shape[-1]
        if self.attention:
            self.kernel = self.add_weight(name="kernel", shape=(width, width), initializer="glorot_uniform")
            self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
            self.query = self.add_weight(name="query", shape=(width, 1), initializer="glorot_uniform")

    def call(self, sequences, mask):
        valid = ops.cast(mask, sequences.dtype)[..., None]
        largest = ops.max(ops.where(valid > 0, sequences, -1e4), axis=1)  # -1e4 fits float16
        weights = valid
        if self.attention:
            scores = ops.tanh(ops.matmul(sequences, self.kernel) + self.bias) @ self.query
            scores = ops.where(valid > 0, scores, -1e4)
            weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True)) * valid
        total = ops.sum(weights, axis=1)
        mean = ops.sum(sequences * weights, axis=1) / ops.where(total > 0, total, 1.0)
        return ops.concatenate([ops.where(total > 0, largest, 0.0), mean], axis=-1)

    def compute_mask(self, *_, **__):
        return None  # time is gone

    def compute_output_shape(self, sequences_shape, mask_shape=None):
        return (sequences_shape[0], 2 * sequences_shape[-1])

    def get_config(self):
        return {**super().get_config(), "attention": self.attention}
