"""Encoded examples as streams: one long sequence, read window by window, each window going on where the one before ended."""

import operator

import numpy as np
import tensorflow as tf

LEAST = 32  # windows of a stream: at its beginning nothing is known of what came before, so it should seldom begin


class Streams:
    """Encodes a split and hands out the batches of an epoch, as `Batches` does, for a task with `carried` state.

    All examples, one after the other, are one sequence. It is cut into streams of equal length, which are read side by side: a
    row of a batch goes on where that row of the batch before ended. In training each epoch begins at another place, drawn at
    random, and goes round, so that streams and windows are cut elsewhere each time; a few steps at the end may be left out.

    Args:
        task: a `Task`, of which `window` says how many steps a window has.
        examples: `tf.data.Dataset` of raw, unbatched examples; each encoded one is a nest of sequences of one length.
        batch_size: most streams; there are fewer where each would have less than `LEAST` windows, or `least_steps`.
        least_steps: of an epoch.

    Attributes:
        examples: how many windows there are, in all streams.
        steps: batches of an epoch.

    Source: as in Karpathy's char-rnn; Mikolov et al. 2010, "Recurrent neural network based language model".
    """

    def __init__(self, task, examples, *, batch_size: int, least_steps: int = 1):
        encoded = examples.batch(1).map(task.encode_example)  # alone, so that nothing is padded
        rows = [tf.nest.map_structure(lambda tensor: tensor[0], example) for example in encoded.as_numpy_iterator()]
        self._sequence = tf.nest.map_structure(lambda *parts: np.concatenate(parts), *rows)
        self._window, self._spec = task.window, encoded.element_spec
        self._steps = len(tf.nest.flatten(self._sequence)[0])
        self._streams = batch_size
        while self._streams > 1 and self._steps // self._streams < max(least_steps, LEAST) * task.window:
            self._streams //= 2
        self.steps = -(-self._length // task.window)
        self.examples = self._streams * self.steps

    @property
    def _length(self) -> int:
        """Steps of a stream."""
        return self._steps // self._streams

    def epoch(self, seed: int | None = None) -> tf.data.Dataset:
        """The batches of one epoch: (inputs, targets), [streams, window], the last one shorter; without a seed the same."""
        start = 0 if seed is None else int(np.random.default_rng(seed).integers(self._steps))

        def cut(sequence):
            turned = np.roll(sequence, -start, axis=0)[: self._streams * self._length]
            return turned.reshape(self._streams, self._length, *sequence.shape[1:])

        streams = tf.nest.map_structure(cut, self._sequence)

        def windows():
            for first in range(0, self._length, self._window):
                yield tf.nest.map_structure(operator.itemgetter((slice(None), slice(first, first + self._window))), streams)

        spec = tf.nest.map_structure(lambda each: tf.TensorSpec([None, None, *each.shape[2:]], each.dtype), self._spec)
        batches = tf.data.Dataset.from_generator(windows, output_signature=spec)
        return batches.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(2)
