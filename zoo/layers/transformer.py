"""The transformer's encoder, the alternative to a recurrence."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class SinusoidalPositions(keras.layers.Layer):
    """Adds the position to a sequence as sines and cosines of growing period: float [N, T, F] → [N, T, F].

    Source: Vaswani et al. 2017, section 3.5 (halves side by side in place of interleaved).
    """

    def call(self, sequences):
        width = sequences.shape[-1]
        position = ops.cast(ops.arange(ops.shape(sequences)[1]), "float32")[:, None]
        rate = ops.exp(-ops.log(10_000.0) * ops.arange(0, width, 2, dtype="float32") / width)
        angle = position * rate
        return sequences + ops.cast(ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=1)[:, :width], sequences.dtype)


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
