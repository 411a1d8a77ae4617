"""Texts that someone typed without capitals, in training."""

import keras
import tensorflow as tf

from zoo.preprocessing.tokens import CHARACTERS, KINDS_OF_WORDS, SHAPES


def _small(code: int) -> int:
    small = chr(code).lower()
    return ord(small) if len(small) == 1 and ord(small) < CHARACTERS - 1 else code


# What the numbers of `zoo.preprocessing.tokens.Tokens` are without capitals: of a character, and of a word with letters alone.
# Signs that share a number with a capital change too, in training only.
CHARACTER = [0, *(1 + _small(code) for code in range(CHARACTERS - 1))]
SHAPE = [
    1 + (shape - 1) // KINDS_OF_WORDS * KINDS_OF_WORDS if (shape - 1) % KINDS_OF_WORDS < 4 else shape for shape in range(SHAPES)
]


@keras.saving.register_keras_serializable("zoo")
class SmallLetters(keras.layers.Layer):
    """Takes the capitals from some texts in training: characters int32 [N, T, L] and shapes int32 [N, T] → the same.

    Args:
        rate: share of the texts.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, characters, shapes, training=False):
        if not training or not self.rate:
            return characters, shapes
        chosen = keras.random.uniform(tf.shape(shapes)[:1], seed=self.seed_generator)[:, None] < self.rate
        return (
            tf.where(chosen[..., None], tf.gather(tf.constant(CHARACTER), characters), characters),
            tf.where(chosen, tf.gather(tf.constant(SHAPE), shapes), shapes),
        )

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
