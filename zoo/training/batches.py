"""Encoded examples in batches of few shapes."""

import numpy as np
import tensorflow as tf


class Batches:
    """Encodes a split once, keeps it in memory, and hands out its batches, an epoch at a time.

    With `task.buckets` (at most 4 lengths) examples are padded to the next of them, and a batch of shorter ones holds
    proportionally more, so that all batches take about the same time.

    Args:
        task: a `Task`.
        examples: `tf.data.Dataset` of raw, unbatched examples.
        batch_size: examples in a batch; with buckets, in one of the longest.
    """

    def __init__(self, task, examples, *, batch_size: int):
        self._task = task
        encoded = examples.batch(256).map(task.encode_example, tf.data.AUTOTUNE).unbatch()
        if task.buckets:
            encoded = encoded.map(self._trim, tf.data.AUTOTUNE)
        self._encoded = encoded.cache()
        # one pass fills the cache and measures the examples
        lengths = np.array(list(self._encoded.map(task.length).as_numpy_iterator()))
        self.examples = len(lengths)
        buckets = np.array(task.buckets or (1,))
        self._sizes = (batch_size * buckets[-1] // buckets).tolist()
        # where even the longest example is short, the buckets shrink with it
        self._buckets = np.ceil(buckets * min(lengths.max() / buckets[-1], 1)).astype(int).tolist()
        counts = np.bincount(np.searchsorted(self._buckets, lengths), minlength=len(buckets))
        self.steps = sum(-(-int(count) // size) for count, size in zip(counts, self._sizes, strict=True))

    def _trim(self, *example):
        """Cuts off what padded an example to the longest of those it was encoded with."""
        length = self._task.length(*example)
        return tf.nest.map_structure(lambda tensor: tensor[:length] if tensor.shape.rank else tensor, example)

    def epoch(self, seed: int | None = None) -> tf.data.Dataset:
        """The batches of one epoch: (inputs, targets); shuffled if a seed is given, and the same for the same seed."""
        examples = self._encoded
        if seed is not None:
            examples = examples.shuffle(self.examples, seed=seed)
        if self._task.buckets:
            batches = examples.bucket_by_sequence_length(
                self._task.length,
                bucket_boundaries=[bucket + 1 for bucket in self._buckets],
                bucket_batch_sizes=[*self._sizes, 1],
                pad_to_bucket_boundary=True,
            )
        else:
            batches = examples.batch(self._sizes[0])
        return batches.map(self._task.finish_batch).apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(2)
