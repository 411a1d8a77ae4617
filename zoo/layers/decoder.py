"""Decoders: the tokens so far and a memory to look at → logits of the next token.

Both kinds have one interface. Called, they run over all steps at once, as in training. To decode, `prepare` computes once what
depends on the memory alone, and `step` goes one token further, with the same weights; `zoo.decoding` searches over it. With
`copy` they take the source too, the ids of the memory's steps, and its tokens have a share of the probability: see `Pointer`.
"""

import keras
import tensorflow as tf
from keras import ops

from zoo.layers.attention import ATTENTIONS
from zoo.layers.pointer import Pointer
from zoo.layers.stack import CELLS
from zoo.layers.transformer import TransformerDecoderBlock, sinusoids


@keras.saving.register_keras_serializable("zoo")
class Decoder(keras.layers.Layer):
    """A recurrent decoder with attention: tokens int32 [N, T], memory float [N, S, M], mask bool [N, S] → logits, weights.

    The first layer reads the tokens; what it has read asks the memory; the layers above read both. So every layer is one call
    over all steps, while all but the first know what has been looked at before, as with Luong's input feeding.

    Args:
        vocabulary_size: number of token ids.
        cell: "rnn", "gru" or "lstm".
        units: width of a layer's state.
        layers: depth.
        embedding_dim: width of a token's vector, which is also its row in the output layer (Press & Wolf 2017).
        attention: "multiplicative" (Luong et al. 2015) or "additive" (Bahdanau et al. 2015).
        dropout: share of the embedding and of the last hidden layer dropped in training.
        copy, coverage: whether tokens of the source are copied, and what was is known; see `Pointer`.

    Returns:
        Logits float32 [N, T, vocabulary_size] and attention weights float [N, T, S], those of the pointer if there is one.

    Source: Luong et al. 2015, section 3, for the order of recurrence, attention, output; the first state from the mean of the
    memory as in Sennrich et al. 2017 (Nematus) and Xu et al. 2015.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        cell: str,
        units: int,
        layers: int,
        embedding_dim: int,
        attention: str = "multiplicative",
        dropout: float = 0.0,
        copy: bool = False,
        coverage: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size, self.cell, self.units, self.depth = vocabulary_size, cell, units, layers
        self.embedding_dim, self.attention_kind, self.dropout_rate = embedding_dim, attention, dropout
        dtype = self.dtype_policy
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_dim, dtype=dtype, name="embedding")
        self.start = keras.layers.Dense(units, activation="tanh", dtype=dtype, name="start")
        self.recurrent = [CELLS[cell](units, return_sequences=True, dtype=dtype, name=f"{cell}_{i}") for i in range(layers)]
        self.attention = ATTENTIONS[attention](units, dtype=dtype, name="attention")
        self.combine = keras.layers.Dense(embedding_dim, activation="tanh", dtype=dtype, name="combine")
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.copy, self.coverage = copy, coverage
        options = {"attention": attention, "coverage": coverage, "dtype": dtype}
        self.pointer = Pointer(units, **options, name="pointer") if copy else None

    def build(self, tokens_shape, memory_shape, mask_shape=None, source_shape=None):
        batch, width = tokens_shape[0], memory_shape[-1]
        self.embedding.build(tokens_shape)
        self.start.build((batch, width))
        for depth, layer in enumerate(self.recurrent):
            layer.build((batch, None, self.units + width if depth else self.embedding_dim))
        self.attention.build((batch, None, self.units), memory_shape)
        self.combine.build((batch, None, self.units + width))
        if self.pointer:
            self.pointer.build((batch, None, self.units), memory_shape)
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, tokens, memory, mask=None, source=None, training=False):
        x = self.dropout(self.embedding(tokens), training=training)
        states = self._states(memory, mask)
        x = self.recurrent[0](x, initial_state=states[0], training=training)
        context, weights = self.attention(x, memory, mask)
        for layer, state in zip(self.recurrent[1:], states[1:], strict=True):
            x = layer(ops.concatenate([x, context], axis=-1), initial_state=state, training=training)
        logits = self._logits(x, context, training)
        return self.pointer(logits, x, tokens, memory, mask, source) if self.pointer else (logits, weights)

    def prepare(self, memory, mask, limit, source=None):
        """What `step` needs to begin: the state of each layer, and the context (the memory and its keys), which stays."""
        pointed, pointing = self.pointer.prepare(memory, mask, source) if self.pointer else ((), ())
        return (self._states(memory, mask), pointed), (memory, self.attention.keys(memory), mask, pointing)

    def step(self, tokens, position, state, context):
        """One step: int32 [R], position unused, state and context of `prepare` → logits [R, vocabulary_size], state."""
        memory, keys, mask, pointing = context
        state, pointed = state
        x, after = self.recurrent[0].cell(self.embedding(tokens), list(state[0]))
        states = [after]
        seen, _ = self.attention.attend(x[:, None], keys, memory, mask)
        for layer, before in zip(self.recurrent[1:], state[1:], strict=True):
            x, after = layer.cell(ops.concatenate([x, seen[:, 0]], axis=-1), list(before))
            states.append(after)
        logits = self._logits(x, seen[:, 0], False)
        if self.pointer:
            logits, pointed = self.pointer.step(logits, x, tokens, pointed, pointing)
        return logits, ([list(each) for each in states], pointed)

    def _states(self, memory, mask):
        """The states that the layers start with: that of the first tells what the memory is about, the others are zero."""
        if mask is None:
            mean = ops.mean(memory, axis=1)
        else:
            valid = ops.cast(mask, memory.dtype)[..., None]
            mean = ops.sum(memory * valid, axis=1) / ops.maximum(ops.sum(valid, axis=1), 1)
        states = [layer.get_initial_state(ops.shape(memory)[0]) for layer in self.recurrent]
        states[0][0] = self.start(mean)
        return states

    def _logits(self, x, context, training):
        x = self.dropout(self.combine(ops.concatenate([x, context], axis=-1)), training=training)
        return _logits(x, self.embedding, self.bias)

    def compute_output_shape(self, tokens_shape, memory_shape, mask_shape=None, source_shape=None):
        return (*tokens_shape, self.vocabulary_size), (*tokens_shape, memory_shape[1])

    def get_config(self):
        names = ("vocabulary_size", "cell", "units", "embedding_dim")
        config = {name: getattr(self, name) for name in names}
        return {
            **super().get_config(),
            **config,
            "layers": self.depth,
            "attention": self.attention_kind,
            "dropout": self.dropout_rate,
            "copy": self.copy,
            "coverage": self.coverage,
        }


@keras.saving.register_keras_serializable("zoo")
class TransformerDecoder(keras.layers.Layer):
    """The transformer's decoder: tokens int32 [N, T], memory float [N, S, M], mask bool [N, S] → logits, weights.

    Args:
        vocabulary_size: number of token ids.
        units: width; the heads are 64 wide, at least one.
        layers: number of blocks.
        dropout: share of the values dropped in training.
        copy, coverage: see `Decoder`.

    Returns:
        Logits float32 [N, T, vocabulary_size] and the last block's attention weights, the mean of its heads, float [N, T, S];
        those of the pointer if there is one.

    Source: Vaswani et al. 2017; the embedding is also the output layer (section 3.4).
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        units: int,
        layers: int,
        dropout: float = 0.0,
        copy: bool = False,
        coverage: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size, self.units, self.depth, self.dropout_rate = vocabulary_size, units, layers, dropout
        dtype = self.dtype_policy
        self.embedding = keras.layers.Embedding(vocabulary_size, units, dtype=dtype, name="embedding")
        self.blocks = [TransformerDecoderBlock(units, dropout=dropout, dtype=dtype, name=f"block_{i}") for i in range(layers)]
        self.norm = keras.layers.LayerNormalization(dtype=dtype, name="norm")
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.copy, self.coverage = copy, coverage
        self.pointer = Pointer(units, coverage=coverage, dtype=dtype, name="pointer") if copy else None

    def build(self, tokens_shape, memory_shape, mask_shape=None, source_shape=None):
        self.embedding.build(tokens_shape)
        for block in self.blocks:
            block.build((*tokens_shape, self.units), memory_shape)
        self.norm.build((*tokens_shape, self.units))
        if self.pointer:
            self.pointer.build((*tokens_shape, self.units), memory_shape)
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, tokens, memory, mask=None, source=None, training=False):
        x = self._embed(tokens, ops.arange(ops.shape(tokens)[1]))
        x = self.dropout(x, training=training)
        for block in self.blocks:
            x, weights = block(x, memory, mask, training=training)
        x = self.norm(x)
        logits = _logits(x, self.embedding, self.bias)
        return self.pointer(logits, x, tokens, memory, mask, source) if self.pointer else (logits, weights)

    def prepare(self, memory, mask, limit, source=None):
        """What `step` needs to begin: room for keys and values of `limit` steps in each block, and those of the memory."""
        rows = tf.shape(memory)[0]
        pointed, pointing = self.pointer.prepare(memory, mask, source) if self.pointer else ((), ())
        caches = [block.cache(rows, limit) for block in self.blocks]
        return (caches, pointed), ([block.read(memory) for block in self.blocks], mask, pointing)

    def step(self, tokens, position, state, context):
        """One step: int32 [R], position int32, state and context of `prepare` → logits [R, vocabulary_size], state."""
        memories, mask, pointing = context
        state, pointed = state
        x = self._embed(tokens[:, None], position[None])
        states = []
        for block, cache, memory in zip(self.blocks, state, memories, strict=True):
            x, cache = block.step(x, position, cache, memory, mask)
            states.append(cache)
        x = self.norm(x)
        logits = _logits(x, self.embedding, self.bias)[:, 0]
        if self.pointer:
            logits, pointed = self.pointer.step(logits, x[:, 0], tokens, pointed, pointing)
        return logits, (states, pointed)

    def _embed(self, tokens, positions):
        x = self.embedding(tokens) * self.units**0.5
        return x + ops.cast(sinusoids(positions, self.units), x.dtype)

    def compute_output_shape(self, tokens_shape, memory_shape, mask_shape=None, source_shape=None):
        return (*tokens_shape, self.vocabulary_size), (*tokens_shape, memory_shape[1])

    def get_config(self):
        names = ("vocabulary_size", "units", "copy", "coverage")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, "layers": self.depth, "dropout": self.dropout_rate}


def _logits(x, embedding, bias):
    """Float [..., E] → float32 [..., V]: the output layer whose rows are those of the embedding."""
    table = ops.cast(embedding.embeddings, x.dtype)
    return ops.cast(ops.matmul(x, ops.transpose(table)) + ops.cast(bias, x.dtype), "float32")


def make_decoder(vocabulary_size, *, cell, units, layers, embedding_dim, attention, dropout, copy=False, coverage=False):
    """The decoder of a cell, named "decoder"; that of a transformer has a width and an attention of its own."""
    options = {"units": units, "layers": layers, "dropout": dropout, "copy": copy, "coverage": coverage, "name": "decoder"}
    if cell == "transformer":
        return TransformerDecoder(vocabulary_size, **options)
    return Decoder(vocabulary_size, cell=cell, embedding_dim=embedding_dim, attention=attention, **options)
