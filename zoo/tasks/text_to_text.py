"""`TextToText`: a `Writer` that reads a text and writes another one, such as its translation or its summary."""

import tensorflow as tf

from zoo import decoding
from zoo.tasks.signatures import shared, signature
from zoo.tasks.writer import BEAM_WIDTH, Writer, log_probabilities, shifted

BLOCK = 64  # rows that are searched at once
IDS = tf.TensorSpec([None], tf.int32)  # of one row


class TextToText(Writer):
    """Texts to texts, around a model with inputs `source` and `target`, such as a `sequence_to_sequence`.

    A family has vocabularies `source_words` and `target_words`, in `answer` the name of what it writes, for one and for
    several, and says in `_limits` how long that may be and in `_answers` how a text is read.

    A `score` is the natural log of an answer's probability, its end included unless it was cut at its limit. Where an answer is
    not that of the whole text, or has no end, `cut` is true.
    """

    writes = "target_words"
    answer: tuple[str, str]

    @property
    def takes(self):
        """See `Task.takes`."""
        return {side: tf.TensorSpec([], tf.string) for side in ("text", self.answer[0])}

    def inputs(self, text):
        """Texts, string [N] → ids, int32 [N, S]."""
        return self.source_words(text)

    def encode_example(self, source, target):
        """(source text, target text) → (source and the target's tokens before each step), the target's tokens and the end."""
        before, after = shifted(self.target_words, target)
        return {"source": self.inputs(source), "target": before}, after

    @signature(text=tf.string)
    def serving_default(self, text):
        """Text → answer, score, cut."""
        return self._best(*self._every(text))

    @signature(text=tf.string)
    def greedy(self, text):
        """The same by the likeliest token at each step, quicker than by beam search."""
        return self._best(*self._answers(text, self._greedy, 1))

    @signature(text=tf.string)
    def beam(self, text):
        """Text → all hypotheses, best first."""
        texts, scores, cut = self._every(text)
        return {self.answer[1]: texts, "scores": scores, "cut": cut}

    @shared(text=tf.string)
    def _every(self, text):
        return self._answers(text, self._search, BEAM_WIDTH)

    def _best(self, texts, scores, cut):
        return {self.answer[0]: texts[:, 0], "score": scores[:, 0], "cut": cut}

    def _answers(self, text, search, width):
        """Answers string [N, width], their log-probabilities, and whether the first is cut, bool [N]."""
        raise NotImplementedError

    def _limits(self, source):
        """Most tokens of each answer, int32 [R]; that of an empty source is empty."""
        raise NotImplementedError

    def _unfinished(self, source, lengths):
        """Which answers, of so many tokens, were cut at their limits; not those of empty texts."""
        limits = self._limits(source)
        return (lengths >= limits) & (limits > 0)

    def _scored(self, text, answer):
        """Texts [N] and an answer to each → its log-probability, its tokens, those foreseen."""
        source = self.inputs(text)
        before, after = shifted(self.target_words, answer)
        logits, _ = self.reread(before, self._encode(source), source)
        return dict(zip(("score", "tokens", "right"), log_probabilities(logits, after), strict=True))

    @shared(source=IDS)
    def _encode(self, source):
        return self.remember("source", source)

    @shared(source=IDS, memory=lambda task: task.memory)
    def _search(self, source, memory):
        return self.beams(memory, source != 0, self._limits(source), source=source)

    def _greedy(self, source, memory):
        decoded = self.write(memory, source != 0, limits=self._limits(source), source=source)
        return decoding.Decoded(*(each[:, None] for each in decoded))

    @shared(before=IDS, memory=lambda task: task.memory, source=IDS)
    def reread(self, before, memory, source):
        """See `Writer.reread`; the mask is that of the source, int32 [N, S]."""
        return super().reread(before, memory, source != 0, source)

    def _in_blocks(self, search, width, source, memory):
        """Searches a block of rows at a time, those of like lengths together: many rows take time, but no more memory.

        Args:
            search: (source, memory) → `Decoded` of [R, width, ...].
            width: number of its hypotheses.
            source: int32 [R, S].
            memory: float [R, S, M].

        Returns:
            Answers string [R, width], their log-probabilities, and whether the first is cut, int32 [R].
        """
        lengths = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1)
        order = tf.argsort(lengths, stable=True)

        def block(start, texts, scores, cut):
            chosen = order[start : start + BLOCK]
            longest = tf.maximum(tf.reduce_max(tf.gather(lengths, chosen)), 1)
            ids = tf.gather(source, chosen)[:, :longest]
            found = search(ids, tf.gather(memory, chosen)[:, :longest])
            shape, length = tf.shape(found.lengths), tf.shape(found.tokens)[2]
            new = self.target_words.decode(tf.reshape(found.tokens, [shape[0] * shape[1], length]))
            unfinished = tf.cast(self._unfinished(ids, found.lengths[:, 0]), tf.int32)
            return (
                start + BLOCK,
                tf.concat([texts, tf.reshape(new, shape)], axis=0),
                tf.concat([scores, found.log_probs], axis=0),
                tf.concat([cut, unfinished], axis=0),
            )

        nothing = tf.zeros([0, width], tf.string), tf.zeros([0, width]), tf.zeros([0], tf.int32)
        _, *found = tf.while_loop(
            lambda start, *_: start < tf.size(order),
            block,
            (0, *nothing),
            shape_invariants=(*map(tf.TensorShape, ([], [None, width], [None, width], [None])),),
            parallel_iterations=1,
        )
        back = tf.argsort(order)
        return tuple(tf.gather(each, back) for each in found)
