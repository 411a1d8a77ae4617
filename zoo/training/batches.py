"""Encoded examples in batches of few shapes."""

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import ZooError

CHUNK = 256  # examples that are encoded at once
MEMORY = 4 * 2**30  # bytes that encoded examples may take and be kept; of more than that each epoch encodes them anew
MIXED = 4096  # examples among which raw ones are shuffled at least, however large they are


class Batches:
    """Encodes a split and hands out its batches, an epoch at a time.

    Examples are encoded once and kept in memory, or anew in each epoch: where the task says so (`Task.encode_each_epoch`), or
    where they would take more than `MEMORY`. The batches of a task that draws nothing at random are the same either way.

    With `task.buckets` (at most 4) examples of like length share a batch, and a batch of shorter ones holds proportionally
    more, so that all batches take about the same time. The longest bucket is as long as the longest example, the others keep
    their share of it. Sequences with lengths of their own (`Task.length`) have such buckets each: an example belongs to the
    first that holds all of its sequences, and in a batch a sequence is padded to the first of its own that holds the longest.
    So a sequence comes in at most 4 lengths, and all batches of inputs and targets in at most 16 shapes, the last ones of an
    epoch, which are smaller, apart.

    Args:
        task: a `Task`.
        examples: `tf.data.Dataset` of raw, unbatched examples, of known number.
        batch_size: examples in a batch; with buckets, in one of the longest.
        least_steps: of an epoch: where there would be fewer, the batches are cut in halves until there are as many, or one
            example is left in each.

    Attributes:
        examples: how many there are.
        steps: batches of an epoch. Where lengths are drawn anew in each, an epoch may have fewer; the few beyond are left out.

    Raises:
        ZooError: if the buckets are more than 4, or do not ascend.
    """

    def __init__(self, task, examples, *, batch_size: int, least_steps: int = 1):
        buckets = np.array(task.buckets or (1,))
        if len(buckets) > 4 or buckets[0] < 1 or (np.diff(buckets) <= 0).any():
            raise ZooError(f"{type(task).__name__}.buckets are at most 4 lengths, ascending, not {task.buckets!r}.")
        self._task, self._raw, self._kept = task, examples, None
        self.examples, lengths = int(examples.cardinality()), None
        if not task.encode_each_epoch:
            kept = self._encoded(examples).cache()
            lengths = self._lengths(kept, MEMORY)  # one pass fills the cache and measures the examples
            self._kept = kept if lengths is not None else None
        if self._kept is None:
            size = int(sum(_bytes(*example) for example in examples.take(CHUNK))) // min(CHUNK, self.examples)
            self._mixed = min(max(MIXED, MEMORY // max(size, 1)), self.examples)
        counts = np.array([self.examples])
        if task.buckets:
            lengths = lengths if lengths is not None else self._lengths(self._encoded(examples))
            longest = np.maximum(lengths.max(axis=0), 1)
            self._bounds = [-(-buckets * length // buckets[-1]) for length in longest]
            found = np.max([np.searchsorted(*pair) for pair in zip(self._bounds, lengths.T, strict=True)], axis=0)
            counts = np.bincount(found, minlength=len(buckets))
        while True:
            self._sizes = batch_size * buckets[-1] // buckets
            self.steps = int(np.sum(-(-counts // self._sizes)))
            if self.steps >= least_steps or batch_size == 1:
                break
            batch_size //= 2

    def epoch(self, seed: int | None = None) -> tf.data.Dataset:
        """The batches of one epoch: (inputs, targets); shuffled if a seed is given, and the same for the same seed."""
        if self._kept is not None:
            examples = self._kept if seed is None else self._kept.shuffle(self.examples, seed=seed)
        else:
            raw = self._raw if seed is None else self._raw.shuffle(self._mixed, seed=seed)
            examples = self._encoded(raw, seed)
        if self._task.buckets:
            sizes = tf.constant(self._sizes, tf.int64)
            batches = examples.group_by_window(
                self._bucket,
                lambda bucket, window: window.padded_batch(sizes[bucket]),
                window_size_func=lambda bucket: sizes[bucket],
            ).map(self._pad)
        else:
            batches = examples.batch(self._sizes[0])
        batches = batches.map(self._task.finish_batch)
        if self._task.encode_each_epoch and self._task.buckets:
            batches = batches.take(self.steps)
        else:
            batches = batches.apply(tf.data.experimental.assert_cardinality(self.steps))
        return batches.prefetch(2)

    def _encoded(self, examples, seed=None):
        """Raw examples → encoded ones, without padding if there are buckets."""
        task = self._task

        def encode(number, raw):
            if not task.encode_each_epoch:
                return task.encode_example(*raw)
            return task.encode_example(*raw, seed=None if seed is None else tf.stack([tf.cast(seed, tf.int64), number]))

        encoded = examples.batch(CHUNK).enumerate().map(encode, tf.data.AUTOTUNE).unbatch()
        return encoded.map(self._trim, tf.data.AUTOTUNE) if task.buckets else encoded

    def _lengths(self, encoded, memory=None):
        """Lengths of all encoded examples, int [examples, parts]; None if they will take more memory than they may."""
        lengths, size = [], 0
        measured = encoded.map(lambda *example: (self._parts(*example), _bytes(*example)), tf.data.AUTOTUNE)
        for number, (length, taken) in enumerate(measured.as_numpy_iterator(), start=1):
            lengths.append(length)
            size += taken
            if memory is not None and number == min(CHUNK, self.examples) and size / number * self.examples > memory:
                return None
        return np.array(lengths)

    def _parts(self, *example):
        """The lengths of an encoded example, int64 [parts]."""
        lengths = tf.nest.flatten(self._task.length(*example)) if self._task.buckets else [1]
        return tf.stack([tf.cast(length, tf.int64) for length in lengths])

    def _bucket(self, *example):
        """The number of the first bucket that holds an encoded example; one that is too long for all goes into the last."""
        lengths = tf.unstack(self._parts(*example), len(self._bounds))
        numbers = [tf.searchsorted(bounds, [length])[0] for bounds, length in zip(self._bounds, lengths, strict=True)]
        return tf.cast(tf.minimum(tf.reduce_max(numbers), len(self._sizes) - 1), tf.int64)

    def _trim(self, *example):
        """Cuts off what padded an example to the longest of those it was encoded with."""

        def cut(length, part):
            return tf.nest.map_structure(lambda tensor: tensor[:length] if _is_sequence(tensor.shape) else tensor, part)

        lengths = self._task.length(*example)
        return keras.tree.map_structure_up_to(lengths, cut, lengths, example)

    def _pad(self, *batch):
        """Pads each part of a batch to the first of its buckets that holds it."""

        def pad(bounds, part):
            sequences = [tensor for tensor in tf.nest.flatten(part) if _is_sequence(tensor.shape[1:])]
            if not sequences:
                return part
            longest = tf.reduce_max([tf.shape(tensor)[1] for tensor in sequences])
            number = tf.searchsorted(bounds, [tf.cast(longest, tf.int64)])[0]
            length = tf.maximum(tf.cast(tf.constant(bounds)[tf.minimum(number, len(bounds) - 1)], tf.int32), longest)

            def fill(tensor):
                if not _is_sequence(tensor.shape[1:]):
                    return tensor
                return tf.pad(tensor, [[0, 0], [0, length - tf.shape(tensor)[1]], *[[0, 0]] * (tensor.shape.rank - 2)])

            return tf.nest.map_structure(fill, part)

        structure = self._task.length(*tf.nest.map_structure(lambda tensor: tensor[0], batch))  # its values are not used
        return keras.tree.map_structure_up_to(structure, pad, tf.nest.pack_sequence_as(structure, self._bounds), batch)


def _is_sequence(shape) -> bool:
    """Whether an example's tensor is as long as the example, which no graph knows; other tensors are not cut or padded."""
    return bool(shape.rank) and shape[0] is None


def _bytes(*example):
    """How much memory an example takes."""
    return tf.add_n([_size(tensor) for tensor in tf.nest.flatten(example)])


def _size(tensor):
    if tensor.dtype == tf.string:
        return tf.reduce_sum(tf.cast(tf.strings.length(tensor), tf.int64))
    return tf.size(tensor, tf.int64) * tensor.dtype.size
