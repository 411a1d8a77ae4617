"""Paths seen a little otherwise in each step of training, as another hand would have written them."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class RandomSlant(keras.layers.Layer):
    """Turns, stretches and slants each path a little, and moves each of its points, in training.

    All that there is at a point is pairs of x and y, and is changed alike.

    Args:
        turn: the most, in radians.
        stretch: the most by which width and height grow or shrink, as a share.
        slant: the most that x grows with y, as a share.
        jitter: deviation of each number.
        seed: of the random generator.

    Source: affine changes of pen paths as in Simard et al. 2003, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", there of images.
    """

    def __init__(self, *, turn=0.15, stretch=0.15, slant=0.2, jitter=0.03, seed=None, **options):
        super().__init__(**options)
        self.turn, self.stretch, self.slant, self.jitter, self.seed = turn, stretch, slant, jitter, seed
        self.random = keras.random.SeedGenerator(seed)

    def call(self, paths, training=False):
        if not training:
            return paths
        count = ops.shape(paths)[0]

        def draw(most):
            return keras.random.uniform([count], -most, most, dtype=paths.dtype, seed=self.random)

        turn, slant, width, height = draw(self.turn), draw(self.slant), 1 + draw(self.stretch), 1 + draw(self.stretch)
        sine, cosine = ops.sin(turn), ops.cos(turn)
        x = ops.stack([cosine * width, (slant * cosine - sine) * height], axis=1)
        y = ops.stack([sine * width, (slant * sine + cosine) * height], axis=1)
        pairs = ops.reshape(paths, [count, -1, 2])
        changed = ops.matmul(pairs, ops.transpose(ops.stack([x, y], axis=1), [0, 2, 1]))
        changed = ops.reshape(changed, ops.shape(paths))
        return changed + self.jitter * keras.random.normal(ops.shape(paths), dtype=paths.dtype, seed=self.random)

    def get_config(self):
        names = ("turn", "stretch", "slant", "jitter", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}
