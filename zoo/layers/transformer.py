"""The transformer's blocks, the alternative to a recurrence."""

import keras
from keras import ops

from zoo.layers.attention import masked_softmax


@keras.saving.register_keras_serializable("zoo")
class SinusoidalPositions(keras.layers.Layer):
    """Adds the position to a sequence as sines and cosines of growing period: float [N, T, F] → [N, T, F].

    Source: Vaswani et al. 2017, section 3.5 (halves side by side in place of interleaved).
    """

    def call(self, sequences):
        positions = sinusoids(ops.arange(ops.shape(sequences)[1]), sequences.shape[-1])
        return sequences + ops.cast(positions, sequences.dtype)


def sinusoids(positions, width):
    """Positions as sines and cosines of growing period: int [T] → float32 [T, width]."""
    rate = ops.exp(-ops.log(10_000.0) * ops.arange(0, width, 2, dtype="float32") / width)
    angle = ops.cast(positions, "float32")[:, None] * rate
    return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=1)[:, :width]


@keras.saving.register_keras_serializable("zoo")
class TransformerBlock(keras.layers.Layer):
    """Self-attention and a feed-forward network of four times the width, each on normalised input and added: [N, T, F] → same.

    Args:
        width: F; the heads are 64 wide, at least one.
        causal: a step sees itself and the steps before it only.
        dropout: share of the values dropped after each half, and of the attention weights.

    Source: Vaswani et al. 2017; normalisation before in place of after: Xiong et al. 2020.
    """

    def __init__(self, width: int, causal: bool = False, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.width, self.causal, self.dropout_rate = width, causal, dropout
        self.supports_masking = True
        heads = max(width // 64, 1)
        dtype = self.dtype_policy  # else the halves would follow the global policy
        self.attention_norm = keras.layers.LayerNormalization(dtype=dtype, name="attention_norm")
        self.attention = keras.layers.MultiHeadAttention(heads, width // heads, dropout=dropout, dtype=dtype, name="attention")
        self.feed_forward_norm = keras.layers.LayerNormalization(dtype=dtype, name="feed_forward_norm")
        self.expand = keras.layers.Dense(4 * width, activation="gelu", dtype=dtype, name="expand")
        self.contract = keras.layers.Dense(width, dtype=dtype, name="contract")
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, sequences_shape, mask_shape=None):
        self.attention_norm.build(sequences_shape)
        self.attention.build(sequences_shape, sequences_shape)
        self.feed_forward_norm.build(sequences_shape)
        self.expand.build(sequences_shape)
        self.contract.build((*sequences_shape[:-1], 4 * self.width))

    def call(self, sequences, mask=None, training=False):
        seen = None if mask is None else mask[:, None, :]
        x = self.attention_norm(sequences)
        x = self.attention(x, x, attention_mask=seen, use_causal_mask=self.causal, training=training)
        sequences = sequences + self.dropout(x, training=training)
        x = self.contract(self.expand(self.feed_forward_norm(sequences)))
        return sequences + self.dropout(x, training=training)

    def compute_output_shape(self, sequences_shape, mask_shape=None):
        return sequences_shape

    def get_config(self):
        return {**super().get_config(), "width": self.width, "causal": self.causal, "dropout": self.dropout_rate}


@keras.saving.register_keras_serializable("zoo")
class TransformerDecoderBlock(keras.layers.Layer):
    """Causal self-attention, attention over a memory, feed-forward: x [N, T, F], memory [N, S, M], mask [N, S] → x, weights.

    Args:
        width: F; the heads are 64 wide, at least one.
        dropout: share of the values dropped after each part.

    `step` goes one step further with the keys and values of the steps before it kept; `call` runs all steps at once.

    Source: Vaswani et al. 2017; normalisation before in place of after: Xiong et al. 2020.
    """

    def __init__(self, width: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.width, self.dropout_rate, self.heads = width, dropout, max(width // 64, 1)
        dtype = self.dtype_policy

        def dense(size, name, **options):
            return keras.layers.Dense(size, dtype=dtype, name=name, **options)

        self.norms = [keras.layers.LayerNormalization(dtype=dtype, name=f"norm_{i}") for i in range(3)]
        self.own_query, self.own_keys_values = dense(width, "self_query"), dense(2 * width, "self_keys_values")
        self.own_output, self.query = dense(width, "self_output"), dense(width, "query")
        self.keys_values, self.output_layer = dense(2 * width, "keys_values"), dense(width, "output")
        self.expand, self.contract = dense(4 * width, "expand", activation="gelu"), dense(width, "contract")
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, x_shape, memory_shape, mask_shape=None):
        for layer in (*self.norms, self.own_query, self.own_keys_values, self.own_output, self.query, self.output_layer):
            layer.build(x_shape)
        self.keys_values.build(memory_shape)
        self.expand.build(x_shape)
        self.contract.build((*x_shape[:-1], 4 * self.width))

    def call(self, x, memory, mask=None, training=False):
        steps = ops.arange(ops.shape(x)[1])
        normal = self.norms[0](x)
        keys, values = self._split(self.own_keys_values(normal))
        seen, _ = self._attend(self.own_query(normal), keys, values, (steps[None, :] <= steps[:, None])[None])
        return self._attend_memory_and_transform(x, self.own_output(seen), self.read(memory), mask, training)

    def read(self, memory):
        """Keys and values of the memory, each float [N, S, F]."""
        return self._split(self.keys_values(memory))

    def cache(self, rows, limit):
        """Room for the keys and values of `limit` steps."""
        return [ops.zeros((rows, limit, self.width), self.compute_dtype) for _ in range(2)]

    def step(self, x, position, cache, memory, mask):
        """One step: x [R, 1, F], its position, the cache of the steps before, `read`'s memory and mask → x, cache."""
        normal = self.norms[0](x)
        slots = ops.arange(ops.shape(cache[0])[1])
        here = ops.cast(slots == position, x.dtype)[None, :, None]
        cache = [old + here * new for old, new in zip(cache, self._split(self.own_keys_values(normal)), strict=True)]
        seen, _ = self._attend(self.own_query(normal), *cache, (slots <= position)[None, None])
        return self._attend_memory_and_transform(x, self.own_output(seen), memory, mask, False)[0], cache

    def _attend_memory_and_transform(self, x, seen, memory, mask, training):
        x = x + self.dropout(seen, training=training)
        seen, weights = self._attend(self.query(self.norms[1](x)), *memory, None if mask is None else mask[:, None, :])
        x = x + self.dropout(self.output_layer(seen), training=training)
        y = self.contract(self.expand(self.norms[2](x)))
        return x + self.dropout(y, training=training), weights

    def _split(self, keys_values):
        return ops.split(keys_values, 2, axis=-1)

    def _attend(self, query, keys, values, mask):
        """Float [N, T, F], [N, S, F], [N, S, F], bool [N or 1, T or 1, S] → [N, T, F], mean weights of the heads [N, T, S]."""
        query, keys, values = (
            ops.transpose(ops.reshape(x, (*ops.shape(x)[:2], self.heads, -1)), (0, 2, 1, 3)) for x in (query, keys, values)
        )
        scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2))) * (self.width // self.heads) ** -0.5
        scores = ops.cast(scores, "float32")
        weights = ops.cast(masked_softmax(scores, None if mask is None else mask[:, None]), values.dtype)
        seen = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
        return ops.reshape(seen, (*ops.shape(seen)[:2], self.width)), ops.mean(weights, axis=1)

    def compute_output_shape(self, x_shape, memory_shape, mask_shape=None):
        return x_shape, (*x_shape[:-1], memory_shape[1])

    def get_config(self):
        return {**super().get_config(), "width": self.width, "dropout": self.dropout_rate}
