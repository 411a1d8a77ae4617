"""A point of a model where training may push against it."""

import keras


@keras.saving.register_keras_serializable("zoo")
class Perturbation(keras.layers.Layer):
    """Passes embeddings on unchanged, float [N, T, F]; while `zoo.training` traces an adversarial step it adds `offset`.

    Attributes:
        offset: float [N, T, F] to add, or None.
        seen: the embeddings of the last call, for the gradient with respect to them.

    Source: Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification".
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.offset = None
        self.seen = None

    def call(self, embeddings):
        self.seen = embeddings
        return embeddings if self.offset is None else embeddings + self.offset

    def compute_output_shape(self, shape):
        return shape
