"""Words to hashed n-grams."""

import tensorflow as tf

# Odd 63-bit constants: products of hashes wrap around in int64 and mix all bits (the constants of splitmix64, halved).
MIX = (0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9, 0x14D049BB133111EB)


class NGrams:
    """The distinct n-grams of a text as 31-bit hashes; nothing is learnt, so there is nothing to store.

    Args:
        order: the longest n-gram, in words.
        limit: how many words of a text are read.
    """

    def __init__(self, *, order: int, limit: int):
        self.order = order
        self.limit = limit

    def __call__(self, words):
        """Turns ragged words, string [N, None], into hashes, int32 [N, T, order], each n-gram once, 0 where there is none."""
        words = words[:, : self.limit]
        hashes = tf.strings.to_hash_bucket_fast(words.flat_values, 2**62)
        hashes = words.with_flat_values(hashes).to_tensor()
        hashes = tf.pad(hashes, [[0, 0], [0, tf.cast(tf.shape(hashes)[1] == 0, tf.int32)]])
        lengths = tf.cast(words.row_lengths(), tf.int32)
        rows, steps = tf.shape(hashes)[0], tf.shape(hashes)[1]
        grams, mixed = [], hashes * MIX[0]
        for n in range(self.order):
            if n:  # the n-gram that ends n words later: mix in the next word
                following = tf.pad(hashes[:, n:], [[0, 0], [0, tf.minimum(n, steps)]])
                mixed = (mixed + following) * MIX[n % len(MIX)]
            valid = tf.sequence_mask(lengths - n, steps)
            folded = tf.bitwise.bitwise_and(tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 31)), 2**31 - 1)
            grams.append(tf.where(valid, tf.maximum(tf.cast(folded, tf.int32), 1), 0))
        flat = tf.sort(tf.reshape(tf.stack(grams, axis=2), [rows, -1]), direction="DESCENDING")
        repeated = tf.pad(tf.equal(flat[:, 1:], flat[:, :-1]), [[0, 0], [1, 0]])
        return tf.reshape(tf.where(repeated, 0, flat), [rows, steps, self.order])
