"""Attention of a decoder over a memory: where to look, and what is seen there."""

import keras
import tensorflow as tf
from keras import ops


def masked_softmax(scores, mask):
    """Softmax over the last axis where a mask, bool or None, is true: float32 → float32; zeros where it is true nowhere."""
    if mask is None:
        return tf.nn.softmax(scores)
    valid = ops.cast(mask, "float32")
    return tf.nn.softmax(scores + (valid - 1) * 1e9) * valid


class _Attention(keras.layers.Layer):
    """Weighs the steps of a memory by their relevance to a query.

    `keys` depends on the memory alone: a decoder that takes one step at a time computes it once, and calls `attend`.

    Args:
        units: width of the space in which queries and memory are compared.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.memory_layer = keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy, name="memory")

    def build(self, query_shape, memory_shape, mask_shape=None):
        self.memory_layer.build(memory_shape)

    def keys(self, memory):
        """The memory as queries are compared with it: float [N, S, M] → [N, S, units]."""
        return self.memory_layer(memory)

    def scores(self, query, keys):
        """Relevance of each step, not normalised: float [N, T, F], [N, S, units] → [N, T, S]."""
        raise NotImplementedError

    def attend(self, query, keys, memory, mask=None):
        """What the queries see: float [N, T, F], keys, memory [N, S, M], mask bool [N, S] → context [N, T, M], weights.

        A row of the memory without a valid step gives zeros.
        """
        scores = ops.cast(self.scores(query, keys), "float32")  # a softmax over float16 loses digits
        weights = ops.cast(masked_softmax(scores, None if mask is None else mask[:, None, :]), memory.dtype)
        return ops.matmul(weights, memory), weights

    def call(self, query, memory, mask=None):
        return self.attend(query, self.keys(memory), memory, mask)

    def compute_output_shape(self, query_shape, memory_shape, mask_shape=None):
        return (*query_shape[:-1], memory_shape[-1]), (*query_shape[:-1], memory_shape[1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("zoo")
class MultiplicativeAttention(_Attention):
    """Attention by inner products, the query as it is: float [N, T, F], memory [N, S, M], mask → context [N, T, M], weights.

    Args:
        units: F; the memory is projected to it.

    Source: Luong et al. 2015, "general"; scaled by the root of the width as in Vaswani et al. 2017.
    """

    def build(self, query_shape, memory_shape, mask_shape=None):
        if query_shape[-1] != self.units:
            raise ValueError(f"the queries are {query_shape[-1]} wide and not {self.units}, as their inner products need")
        super().build(query_shape, memory_shape)

    def scores(self, query, keys):
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1))) * self.units**-0.5


@keras.saving.register_keras_serializable("zoo")
class AdditiveAttention(_Attention):
    """Attention by a network of one hidden layer: float [N, T, F], memory [N, S, M], mask → context [N, T, M], weights.

    It holds float [N, T, S, units] while it computes: much more than multiplicative attention where T is large.

    Args:
        units: width of the hidden layer.

    Source: Bahdanau et al. 2015, appendix A.1.2.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(units, **kwargs)
        self.query_layer = keras.layers.Dense(units, dtype=self.dtype_policy, name="query")
        self.score_layer = keras.layers.Dense(1, use_bias=False, dtype=self.dtype_policy, name="score")

    def build(self, query_shape, memory_shape, mask_shape=None):
        super().build(query_shape, memory_shape)
        self.query_layer.build(query_shape)
        self.score_layer.build((None, self.units))

    def scores(self, query, keys):
        hidden = ops.tanh(self.query_layer(query)[:, :, None, :] + keys[:, None, :, :])
        return self.score_layer(hidden)[..., 0]


ATTENTIONS = {"multiplicative": MultiplicativeAttention, "additive": AdditiveAttention}
