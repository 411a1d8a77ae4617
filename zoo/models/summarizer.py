"""Texts to short texts around a `sequence_to_sequence` model: summaries, titles, subject lines."""

import tensorflow as tf

from zoo import rouge
from zoo.errors import ZooError
from zoo.preprocessing import SubWords
from zoo.preprocessing.casing import recased
from zoo.preprocessing.normalisation import normalise
from zoo.tasks import TextToText, shared, signature

EXAMPLES = (
    "Hi all, the budget meeting has been moved to Thursday at 10 am. Please bring your revised figures for the third quarter.",
    "Attached is the revised confidentiality agreement. Please let me know if you have any comments. Thanks, Sara",
    "Don't forget that we are having lunch with the new analysts today at noon.",
)

PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)  # to choose from
FEW, MOST, BATCH = 100, 500, 50  # texts of validation: of fewer nothing is chosen, of more not all are written
BYTES = 16  # of a piece, at most of what is looked at


class Summarizer(TextToText):
    """Texts to their summaries, around a `sequence_to_sequence` model, with one vocabulary for both.

    A text is read up to the vocabulary's limit, and the output `cut` says when there was more. With a vocabulary in lower case
    the words of a summary are written as the text has them.

    Args:
        model: from `create_model("sequence_to_sequence", copy=True, ...)`, or without copying; both sizes are the vocabulary's.
        words: the vocabulary of texts and summaries.
        longest: most tokens of a summary.
        label_smoothing: see `TokenCrossentropy`.
        length_penalty: exponent of the length in the ranking of hypotheses; 0 prefers short ones. If None, `zoo.fit` chooses
            it on validation.
        examples: texts for the warm-up, the card and the tests.

    Raises:
        ZooError: if a summary may have less than one token.
    """

    codecs = {"words": SubWords}  # noqa: RUF012 - read only
    options = (*TextToText.options, "longest")
    answer = "summary", "summaries"
    measure = staticmethod(rouge.summaries)

    # mails and their subject lines: a quarter fits into the first, half into the second, four of five into the third
    buckets = (6, 9, 15, 32)

    def __init__(self, model, words, *, longest=32, label_smoothing=0.1, length_penalty=None, examples=EXAMPLES):
        if longest < 1:
            raise ZooError(f"longest must be at least 1, not {longest}: a summary has a token.")
        self.is_open = length_penalty is None
        penalty = PENALTIES[len(PENALTIES) // 2] if self.is_open else length_penalty
        options = {"longest": longest, "label_smoothing": label_smoothing, "length_penalty": penalty}
        self.source_words, self.target_words = words, words.limited(longest)
        super().__init__(model, examples, words=words, **options)

    @property
    def rows(self):
        """See `Task.rows`."""
        return super().rows | {"source_embedding/embeddings": (self.words.file, SubWords.RESERVED)}

    def length(self, inputs, targets):
        """Number of tokens of a text, and of its summary."""
        read, before, after = (
            tf.reduce_sum(tf.cast(ids != 0, tf.int32), axis=-1) for ids in (inputs["source"], inputs["target"], targets)
        )
        return {"source": read, "target": before}, tf.maximum(before, after)

    def adapt(self, train, *, seed=0):
        """See `Task.adapt`; what measures is asked for before hours of training."""
        rouge.scorer()

    def calibrate(self, validation):
        """Chooses the length penalty where none was given: the best mean of the kinds of ROUGE, on some of validation."""
        pairs = list(validation.as_numpy_iterator())
        pairs = sorted(pairs[:: max(len(pairs) // MOST, 1)][:MOST], key=lambda pair: len(pair[0]))
        if not self.is_open or len(pairs) < FEW:
            return
        texts, references = zip(*[(text, [summary.decode("utf-8", "replace")]) for text, summary in pairs], strict=True)
        found = {}
        for self.length_penalty in PENALTIES:
            answer, written = self.signatures()["serving_default"], []
            for start in range(0, len(texts), BATCH):
                written += [text.decode() for text in answer(tf.constant(texts[start : start + BATCH]))["summary"].numpy()]
            scores = rouge.rouge(written, references)
            found[self.length_penalty] = sum(score["value"] for score in scores.values()) / len(scores)
        self.length_penalty = max(found, key=found.get)
        words = ", ".join(f"{value:.2f} with {penalty:g}" for penalty, value in found.items())
        chosen = f"Length penalty {self.length_penalty:g}, by the mean ROUGE of {len(texts):,} of validation"
        print(f"{chosen}: {words}.", flush=True)

    @signature(text=tf.string)
    def attention(self, text):
        """Text → summary, and where the model looks at each token of it."""
        source, memory, cut = self._read(text)
        best = self._search(source, memory).best
        return {
            "summary": self._recased(self.words.decode(best.tokens)[:, None], text)[:, 0],
            "source_tokens": self.words.pieces(source),
            "target_tokens": self.tokens(best),
            "weights": self.attended(memory, source, best),
            "cut": cut | self._unfinished(source, best.lengths),
        }

    @signature(text=tf.string, summary=tf.string)
    def score(self, text, summary):
        """A text and a summary of it → the log-probability of the summary, its tokens, those foreseen."""
        return self._scored(text, summary)

    @shared(text=tf.string)
    def _read(self, text):
        """Texts [N] → ids int32 [N, S], the memory float [N, S, M], and which texts go on beyond what is read, bool [N]."""
        limit = self.words.limit
        source = self.words.limited(limit + 1)(text)
        cut = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1) > limit
        source = source[:, :limit]
        return source, self._encode(source), cut

    def _answers(self, text, search, width):
        """See `TextToText._answers`."""
        source, memory, cut = self._read(text)
        texts, scores, unfinished = self._in_blocks(search, width, source, memory)
        return self._recased(texts, text), scores, cut | (unfinished > 0)

    def _recased(self, summaries, text):
        """Summaries string [N, K] as they are shown, by the texts that they are of, string [N]."""
        if not self.words.lower:
            return summaries
        shape = tf.shape(summaries)
        with tf.device("/device:CPU:0"):
            # bytes: about what is read of a text
            sources = normalise(tf.strings.substr(text, 0, BYTES * self.words.limit))
            owners = tf.repeat(tf.range(shape[0]), shape[1])
            return tf.reshape(recased(tf.reshape(summaries, [-1]), sources, owners), shape)

    def _limits(self, source):
        """See `TextToText._limits`."""
        return tf.where(tf.reduce_any(source != 0, axis=1), self.longest, 0)
