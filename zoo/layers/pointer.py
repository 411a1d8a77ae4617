"""A decoder that may copy: the tokens of the source that it points at, beside those of its vocabulary."""

import keras
import tensorflow as tf
from keras import ops

from zoo.layers.attention import ATTENTIONS, masked_softmax

LEAST = 1e-20  # a probability that is added to all: that of a token which is neither known nor in the source has a logarithm


@keras.saving.register_keras_serializable("zoo")
class Pointer(keras.layers.Layer):
    """Mixes what a decoder would write with the source's tokens that it points at: the pointer-generator.

    It points with an attention of its own, by the state behind the last recurrence, at what the vocabulary does not know, too.
    To go on with what is being copied is a matter of one weight: what stands behind the token just written is marked. With
    coverage, what was pointed at before is marked as well: the sum of the earlier weights.

    Called, it runs over all steps at once; `prepare` and `step` go one step at a time, as a decoder's.

    Args:
        units: width of the space in which states and memory are compared.
        attention: "multiplicative" or "additive".
        coverage: whether it knows what it pointed at before.

    Source: See et al. 2017, "Get To The Point"; the attention is not that of the decoder, the coverage is added to its scores
    and has no loss of its own. The mark of what follows is ours.
    """

    def __init__(self, units: int, *, attention: str = "multiplicative", coverage: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.units, self.attention_kind, self.coverage = units, attention, coverage
        dtype = self.dtype_policy
        self.attention = ATTENTIONS[attention](units, dtype=dtype, name="attention")
        self.go_on = keras.layers.Dense(1, bias_initializer="ones", dtype=dtype, name="go_on")
        self.gate = keras.layers.Dense(1, dtype=dtype, name="gate")

    def build(self, states_shape, memory_shape):
        self.attention.build(states_shape, memory_shape)
        self.go_on.build(states_shape)
        self.gate.build((*states_shape[:-1], states_shape[-1] + memory_shape[-1]))
        if self.coverage:
            self.covered = self.add_weight(name="covered", shape=(), initializer="zeros")

    def call(self, logits, states, tokens, memory, mask, source):
        """All steps of a text.

        Args:
            logits: of the decoder's own vocabulary, float32 [N, T, V].
            states: behind its last layer, float [N, T, units].
            tokens: that it has read, int32 [N, T].
            memory: float [N, S, M].
            mask: bool [N, S], or None.
            source: what is copied, ids of that vocabulary, int32 [N, S].

        Returns:
            Log-probabilities float32 [N, T, V], which are logits too, and the weights of the pointer, float32 [N, T, S].
        """
        state, context = self.prepare(memory, mask, source)
        scores = self._scores(states, tokens, context)
        if not self.coverage:
            weights = masked_softmax(scores, None if mask is None else mask[:, None])
        else:

            def point(before, scores):
                weights = self._cover(scores, before[0], mask)
                return before[0] + weights, weights

            start = state, tf.zeros_like(state)
            weights = tf.transpose(tf.scan(point, tf.transpose(scores, (1, 0, 2)), start)[1], (1, 0, 2))
        return self._mix(logits, states, weights, memory, source), weights

    def prepare(self, memory, mask, source):
        """What `step` needs to begin: what was pointed at, and the context, which stays."""
        state = tf.zeros(tf.shape(source), "float32") if self.coverage else ()
        return state, (memory, self.attention.keys(memory), mask, source)

    def step(self, logits, states, tokens, state, context):
        """One step: float32 [R, V], float [R, units], int32 [R], state and context of `prepare` → log-probabilities, state."""
        memory, _, mask, source = context
        scores = self._scores(states[:, None], tokens[:, None], context)[:, 0]
        weights = self._cover(scores, state, mask) if self.coverage else masked_softmax(scores, mask)
        mixed = self._mix(logits[:, None], states[:, None], weights[:, None], memory, source)
        return mixed[:, 0], state + weights if self.coverage else ()

    def _scores(self, states, tokens, context):
        """Float32 [N, T, S]: how well each step of the memory fits, what stands behind the last token favoured."""
        _, keys, _, source = context
        before = tf.pad(source, [[0, 0], [1, 0]])[:, :-1]  # nothing stands before the first, and no text has a 0
        follows = ops.cast(ops.equal(tokens[:, :, None], before[:, None, :]), "float32")
        return ops.cast(self.attention.scores(states, keys), "float32") + ops.cast(self.go_on(states), "float32") * follows

    def _cover(self, scores, pointed, mask):
        """Weights float32 [N, S], what was pointed at before, [N, S], being known."""
        return masked_softmax(scores + ops.cast(self.covered, "float32") * pointed, mask)

    def _mix(self, logits, states, weights, memory, source):
        seen = ops.matmul(ops.cast(weights, memory.dtype), memory)
        gate = ops.cast(self.gate(ops.concatenate([states, ops.cast(seen, states.dtype)], axis=-1)), "float32")
        rows, steps, size = tf.unstack(tf.shape(logits))
        # a sum for each row and id: one of [N, T, S] would need an index for each of its numbers
        ids = tf.range(rows)[:, None] * size + source
        copied = tf.math.unsorted_segment_sum(tf.transpose(weights, (0, 2, 1)), ids, rows * size)
        copied = tf.transpose(tf.reshape(copied, [rows, size, steps]), (0, 2, 1))
        written = tf.nn.softmax(ops.cast(logits, "float32"))
        return tf.math.log(tf.sigmoid(gate) * written + tf.sigmoid(-gate) * copied + LEAST)

    def compute_output_shape(self, logits_shape, states_shape, tokens_shape, memory_shape, mask_shape, source_shape):
        return tuple(logits_shape), (*tokens_shape, memory_shape[1])

    def get_config(self):
        config = {"units": self.units, "attention": self.attention_kind, "coverage": self.coverage}
        return {**super().get_config(), **config}
