"""Hashed n-grams: as embeddings of neighbouring words, and as a linear classifier that knows which n-gram owns a bucket."""

import keras
import numpy as np
import tensorflow as tf

from zoo import ridge
from zoo.errors import ZooError

# Chosen on folds of IMDB's training split, where neighbouring values differ by less than the noise.
LEAST_TEXTS = 2  # an n-gram of a single text says nothing of others
SMOOTHING = 2.0  # texts added to either side of a ratio
COLUMNS = 8_192  # n-grams whose products are taken at once
SCALE = 20.0  # lets the factors learn at the learning rate of the network beside


@keras.saving.register_keras_serializable("zoo")
class BigramEmbedding(keras.layers.Embedding):
    """Embeds each word together with its successor: ids int32 [N, T] → float [N, T, output_dim].

    Pairs share the `input_dim` rows by a hash of their two ids; a prime number of rows spreads frequent pairs.

    Source: the bag of n-grams of fastText (Joulin et al. 2017), kept in order.
    """

    def call(self, tokens):
        first = tf.cast(tokens, tf.int64)
        second = tf.pad(first[:, 1:], [[0, 0], [0, 1]])
        pairs = (first * 40_493 + second) % self.input_dim  # 40,493: about 2**16 times the golden ratio's fraction
        return super().call(tf.cast(pairs, tf.int32))


@keras.saving.register_keras_serializable("zoo")
class NGramLinear(keras.layers.Layer):
    """Sums one weight an n-gram into class scores: hashes int32 [N, T, order], 0 for none → logits float32 [N, classes].

    Feature hashing lets every n-gram that was never seen hit the weight of one that was. Here each bucket belongs to one
    n-gram and keeps 8 bits of its hash, so that 254 of 255 strangers are ignored; no strings are stored.

    A weight is the product of a fixed number and a trained factor, and the sum is divided by the square root of the number of
    n-grams found. From many texts (`adapt`) the fixed number is a naive-Bayes log-ratio, and the factor starts at zero: what
    tells the classes apart in the counts is learnt first. From few (`solve`) it says how rare the n-gram is, and the factor
    starts as ridge regression has it.

    Args:
        classes: number of classes; two share one column of weights, with opposite signs.
        buckets: size of the table, a power of two.

    Source: Wang & Manning 2012, "Baselines and Bigrams" (log-ratios, presence in place of counts); Weinberger et al. 2009
    (feature hashing); Spärck Jones 1972 (rarity).
    """

    is_table = True  # an export stores it in float16

    def __init__(self, classes: int, buckets: int, **kwargs):
        super().__init__(**kwargs)
        if buckets & (buckets - 1) or not 2**8 <= buckets <= 2**23:
            raise ZooError(f"ngram buckets must be a power of two from 2**8 to 2**23 (hashes have 31 bits), not {buckets}")
        self.classes, self.buckets = classes, buckets

    def build(self, shape):
        columns = 1 if self.classes == 2 else self.classes
        self.owners = self.add_weight(name="owners", shape=(self.buckets,), dtype="uint8", initializer="zeros", trainable=False)
        self.ratios = self.add_weight(name="ratios", shape=(self.buckets, columns), initializer="zeros", trainable=False)
        self.factors = self.add_weight(name="factors", shape=(self.buckets, columns), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer="zeros")

    def _place(self, hashes):
        """Bucket and fingerprint (1 to 255; 0 marks a bucket without owner) of each hash."""
        return hashes % self.buckets, hashes // self.buckets % 255 + 1

    def call(self, hashes):
        flat = tf.reshape(hashes, [tf.shape(hashes)[0], -1])
        bucket, fingerprint = self._place(flat)
        known = (tf.gather(self.owners, bucket) == tf.cast(fingerprint, tf.uint8)) & (flat > 0)
        # widened before the product: an export stores the tables in float16
        ratios, factors = (
            tf.cast(tf.gather(tf.convert_to_tensor(table), bucket), tf.float32) for table in (self.ratios, self.factors)
        )
        total = tf.reduce_sum(tf.where(known[..., None], ratios * factors, 0.0), axis=1)
        found = tf.maximum(tf.reduce_sum(tf.cast(known, tf.float32), axis=1, keepdims=True), 1.0)
        scores = SCALE * total / tf.sqrt(found) + tf.cast(tf.convert_to_tensor(self.bias), tf.float32)
        return tf.concat([-scores / 2, scores / 2], axis=1) if self.classes == 2 else scores

    def compute_output_shape(self, shape):
        return (shape[0], self.classes)

    def adapt(self, hashes, labels) -> int:
        """Gives the buckets to the n-grams that tell the classes apart best.

        A bucket that has an owner keeps it, and what it weighs, unless the ratio of another tells more than its own.

        Args:
            hashes: int32 array, the distinct n-grams of all texts one after the other, zeros left out.
            labels: int array of the same length, the class of the text each came from.

        Returns:
            How many buckets have an owner.
        """
        keys, counts = np.unique(hashes.astype(np.int64) * self.classes + labels, return_counts=True)
        grams, index = np.unique(keys // self.classes, return_inverse=True)
        texts = np.zeros((len(grams), self.classes), np.float32)
        texts[index, keys % self.classes] = counts
        frequent = texts.sum(axis=1) >= LEAST_TEXTS
        grams, texts = grams[frequent], texts[frequent]
        rest = texts.sum(axis=1, keepdims=True) - texts
        ratios = np.log((texts + SMOOTHING) / (rest / (self.classes - 1) + SMOOTHING))
        return self._write(grams, ratios[:, 1:] if self.classes == 2 else ratios)

    def solve(self, texts, labels, class_weights=()) -> int:
        """Gives the buckets to the n-grams of few texts, with the weights of a ridge regression.

        How long the n-grams are, how strong the penalty is and how sure the answers are is what serves texts that are left out.

        Args:
            texts: for each length of n-grams up to the longest, one int32 array of distinct hashes a text: those of up to that
                length.
            labels: int array [texts], of at least two classes.
            class_weights: see `zoo.ridge.fit`.

        Returns:
            How many buckets have an owner.
        """
        best = None
        for hashes in texts:
            values, products, alone = _products(hashes)
            for diagonal in (0.0, alone):
                found = ridge.fit(
                    products + np.diag(np.broadcast_to(diagonal, len(labels))), labels, self.classes, class_weights
                )
                if best is None or found.loss < best[0].loss:
                    best = found, values
        (found, (grams, text, gram, value, rarity)) = best
        weights = np.stack([np.bincount(gram, value * column[text], len(grams)) for column in found.weights.T], axis=1)
        owned = self._write(grams, np.broadcast_to(rarity[:, None], weights.shape), weights / SCALE)
        self.bias.assign(found.bias)
        return owned

    def _write(self, grams, ratios, factors=None) -> int:
        """Fills the table; where n-grams share a bucket the strongest stays. Gives how many buckets have an owner."""
        strength = np.abs(ratios if factors is None else ratios * factors).max(axis=1)
        order = np.argsort(strength, kind="stable")  # the strongest is written last
        bucket, fingerprint = self._place(grams[order])
        tables = [table.numpy() for table in (self.owners, self.ratios, self.factors)]
        owners, kept, weighed = tables if factors is None else map(np.zeros_like, tables)
        tells_more = np.abs(ratios[order]).max(axis=1) > np.abs(kept[bucket]).max(axis=1)
        ours = tells_more | (owners[bucket] == 0) | (owners[bucket] == fingerprint)
        order, bucket, fingerprint = order[ours], bucket[ours], fingerprint[ours]
        new, old = ratios[order], kept[bucket] * (owners[bucket] == fingerprint)[:, None]
        stronger = np.abs(new) > np.abs(old)
        owners[bucket], kept[bucket] = fingerprint, np.where(stronger, new, old)
        scale = np.divide(old, new, out=np.ones(new.shape, np.float32), where=stronger)
        weighed[bucket] = weighed[bucket] * scale if factors is None else factors[order]
        for table, values in ((self.owners, owners), (self.ratios, kept), (self.factors, weighed)):
            table.assign(values)
        return int((owners > 0).sum())

    def continue_from(self, trained, weights, bias) -> None:
        """Takes the n-grams of a trained layer, and a linear map of its logits for what they weigh.

        Args:
            trained: an `NGramLinear` of as many buckets.
            weights: float [classes of `trained`, classes].
            bias: float [classes].
        """
        weights, bias = (np.asarray(value, np.float32) for value in (weights, bias))
        if trained.classes == 2:  # one column has both logits, minus and plus a half of it
            weights = (weights[1:] - weights[:1]) / 2
        if self.classes == 2:
            weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
        ratios, factors = trained.ratios.numpy(), trained.factors.numpy()
        # of several ratios that which tells most; a factor makes of it what the map makes of all
        strongest = np.take_along_axis(ratios, np.abs(ratios).argmax(axis=1, keepdims=True), axis=1)
        weighed = np.divide((ratios * factors) @ weights, strongest, out=np.zeros_like(self.factors), where=strongest != 0)
        self.owners.assign(trained.owners)
        self.ratios.assign(np.repeat(strongest, self.ratios.shape[1], axis=1))
        self.factors.assign(weighed)
        self.bias.assign(trained.bias.numpy() @ weights + bias)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "buckets": self.buckets}


def _products(hashes):
    """Products of each two texts over the n-grams that they share.

    A text that is left out knows none of the n-grams that it alone has, as a new one does not: they count neither in its
    length nor in its products with others, only in that with itself.

    Args:
        hashes: of each text, int array, distinct.

    Returns:
        The n-grams with what each text has of them (hashes [G]; text, n-gram and value of each occurrence; rarity [G]);
        the products float [N, N] over n-grams of several texts; of each text with itself over those that it alone has.
    """
    counts = np.array([len(row) for row in hashes])
    text = np.repeat(np.arange(len(hashes)), counts)
    grams, gram = np.unique(np.concatenate(hashes), return_inverse=True)
    among = np.bincount(gram, minlength=len(grams))
    rarity = np.log((1 + len(hashes)) / (1 + among)) + 1
    shared = among[gram] > 1
    found = np.maximum(np.bincount(text[shared], minlength=len(hashes)), 1)
    value = rarity[gram] / np.sqrt(found[text])
    alone = np.bincount(text[~shared], value[~shared] ** 2, len(hashes))
    products = np.zeros((len(hashes), len(hashes)))
    order = np.argsort(gram[shared], kind="stable")
    row, column, entry = text[shared][order], gram[shared][order], value[shared][order]
    distinct, column = np.unique(column, return_inverse=True)
    for start in range(0, len(distinct), COLUMNS):
        low, high = np.searchsorted(column, (start, start + COLUMNS))
        block = np.zeros((len(hashes), COLUMNS), np.float32)
        block[row[low:high], column[low:high] - start] = entry[low:high]
        products += block @ block.T
    return (grams, text, gram, value, rarity), products, alone
