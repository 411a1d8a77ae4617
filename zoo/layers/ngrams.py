"""A linear classifier over hashed n-grams, with a small table that knows which n-gram owns a bucket."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("zoo")
class NGramLinear(keras.layers.Layer):
    """Sums one weight an n-gram into class scores: hashes int32 [N, T, order], 0 for none → logits float32 [N, classes].

    Feature hashing lets every n-gram that was never seen hit the weight of one that was. Here each bucket belongs to one
    n-gram and keeps 8 bits of its hash, so that 255 of 256 strangers are ignored: 3 bytes an n-gram in float16, no strings.

    Args:
        classes: number of classes; two share one column of weights, with opposite signs.
        buckets: size of the table, a power of two.

    Source: naive-Bayes start and presence in place of counts from Wang & Manning 2012, "Baselines and Bigrams"; hashing
    from Weinberger et al. 2009.
    """

    is_table = True  # an export stores it in float16

    def __init__(self, classes: int, buckets: int, **kwargs):
        super().__init__(**kwargs)
        if buckets & (buckets - 1) or not 2**8 <= buckets <= 2**23:
            raise ValueError(f"buckets must be a power of two from 2**8 to 2**23 (hashes have 31 bits), not {buckets}")
        self.classes, self.buckets = classes, buckets

    def build(self, shape):
        columns = 1 if self.classes == 2 else self.classes
        self.owners = self.add_weight(name="owners", shape=(self.buckets,), dtype="uint8", initializer="zeros", trainable=False)
        self.table = self.add_weight(name="table", shape=(self.buckets, columns), initializer="zeros")

    def _place(self, hashes):
        """Bucket and fingerprint (1 to 255; 0 marks a bucket without owner) of each hash."""
        return hashes % self.buckets, hashes // self.buckets % 255 + 1

    def call(self, hashes):
        flat = tf.reshape(hashes, [tf.shape(hashes)[0], -1])
        bucket, fingerprint = self._place(flat)
        known = (tf.gather(self.owners, bucket) == tf.cast(fingerprint, tf.uint8)) & (flat > 0)
        weights = tf.gather(tf.convert_to_tensor(self.table), bucket)
        scores = tf.reduce_sum(tf.where(known[..., None], tf.cast(weights, tf.float32), 0.0), axis=1)
        return tf.concat([-scores / 2, scores / 2], axis=1) if self.classes == 2 else scores

    def compute_output_shape(self, shape):
        return (shape[0], self.classes)

    def adapt(self, hashes, labels, *, least_texts: int = 2, start: float = 1.0) -> int:
        """Gives the buckets to the n-grams that tell the classes apart best, and starts from naive Bayes.

        Args:
            hashes: int32 array, the distinct n-grams of all texts one after the other, zeros left out.
            labels: int array of the same length, the class of the text each came from.
            least_texts: n-grams in fewer texts own nothing.
            start: factor on the naive-Bayes log-ratios.

        Returns:
            How many buckets have an owner.
        """
        keys, counts = np.unique(hashes.astype(np.int64) * self.classes + labels, return_counts=True)
        grams, index = np.unique(keys // self.classes, return_inverse=True)
        table = np.zeros((len(grams), self.classes), np.float64)
        table[index, keys % self.classes] = counts
        frequent = table.sum(axis=1) >= least_texts
        grams, table = grams[frequent], table[frequent] + 1
        share = table / table.sum(axis=0)
        rest = (table.sum(axis=1, keepdims=True) - table) / (table.sum() - table.sum(axis=0))
        ratio = np.log(share / rest)
        # the claim to a bucket: how strong the evidence is, and how often it is met
        claim = np.abs(ratio).max(axis=1) * np.sqrt(table.sum(axis=1))
        bucket, fingerprint = self._place(grams)
        order = np.argsort(claim)  # the strongest claim is written last, and stays
        owners, weights = np.zeros(self.buckets, np.uint8), np.zeros(self.table.shape, np.float32)
        owners[bucket[order]] = fingerprint[order]
        weights[bucket[order]] = start * (ratio[order, 1:] if self.classes == 2 else ratio[order])
        self.owners.assign(owners)
        self.table.assign(weights)
        return int((owners > 0).sum())

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "buckets": self.buckets}
