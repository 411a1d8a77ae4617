"""`Writer`: the kind of task whose answer is a text, written token by token while it looks at a memory."""

from pathlib import Path

import keras
import tensorflow as tf

from zoo import decoding
from zoo.losses import TokenAccuracy, TokenCrossentropy
from zoo.preprocessing import SubWords
from zoo.tasks.base import Monitor, Task, weights_read_once

# Weights of a decoder with a row for each id.
OUTPUT_ROWS = ("decoder/embedding/embeddings", "decoder/bias")

MARKS = {"start": SubWords.START, "end": SubWords.END}

BEAM_WIDTH = 5


class Writer(Task):
    """Anything to a text, around a model of logits with layers named "memory_dropout", its memory, and "decoder".

    A family names the codec that it writes with and adds what it reads.

    Args:
        model: the `keras.Model`, with outputs `logits` and `attention`.
        examples: see `Task`.
        label_smoothing: see `TokenCrossentropy`.
        length_penalty: exponent of the length in the ranking of hypotheses; 0 prefers short ones.
        **parts: see `Task`.
    """

    options = ("label_smoothing", "length_penalty")
    monitor = Monitor("accuracy")
    stored_in_float16 = True
    writes = "words"  # which of the codecs

    @property
    def written(self) -> SubWords:
        """The vocabulary that is written with."""
        return getattr(self, self.writes)

    @property
    def rows(self):
        """See `Task.rows`."""
        return dict.fromkeys(OUTPUT_ROWS, (self.written.file, SubWords.RESERVED))

    @property
    def trained(self):
        """The model without the weights of the attention, which have no target."""
        return keras.Model(self.model.input, self.model.output["logits"])

    def losses(self):
        """See `Task.losses`."""
        return TokenCrossentropy(self.label_smoothing, ignored=SubWords.END)

    def metrics(self):
        """Share of the tokens that are right when those before them are given."""
        return [TokenAccuracy(ignored=SubWords.END)]

    def remember(self, read: str, inputs):
        """What the model makes of the inputs of its layer of that name: the memory, float [N, S, M]."""
        encoder = keras.Model(self.model.get_layer(read).output, self.model.get_layer("memory_dropout").output)
        return encoder(inputs, training=False)

    @property
    def memory(self) -> tf.TensorSpec:
        """The memory of a row, float [S, M]."""
        return tf.TensorSpec([None, self.model.get_layer("memory_dropout").output.shape[-1]], tf.float32)

    def write(self, memory, mask, *, limits, source=None, search=decoding.greedy, **options) -> decoding.Decoded:
        """Writes an answer to each row of a memory.

        Args:
            memory: float [N, S, M].
            mask: bool [N, S].
            limits: most tokens of each row, int32 [N].
            source: ids of the memory's steps, int32 [N, S], for a decoder that copies.
            search: a function of `zoo.decoding`.
            **options: of that function.
        """
        with weights_read_once(self.model):
            decoder = self.model.get_layer("decoder")
            longest = tf.reduce_max(tf.concat([limits, [0]], axis=0))
            state, context = decoder.prepare(memory, mask, longest + 1, source)

            def step(tokens, position, state, context):
                logits, state = decoder.step(tokens, position, state, context)
                return allowed(logits), state

            return search(step, state, context, limits=limits, **MARKS, **options)

    def beams(self, memory, mask, limits, *, source=None) -> decoding.Decoded:
        """The best answers to each row, of [N, BEAM_WIDTH, ...]; arguments as of `write`."""
        options = {"width": BEAM_WIDTH, "length_penalty": self.length_penalty}
        return self.write(memory, mask, limits=limits, source=source, search=decoding.beam_search, **options)

    def reread(self, before, memory, *seen):
        """Logits float [N, T, V] and attention float [N, T, S] of tokens that are given, int32 [N, T]; `seen` is the mask."""
        return self.model.get_layer("decoder")(before, memory, *seen)

    def attended(self, memory, seen, decoded):
        """How the decoder looks at its memory as it reads an answer: `Decoded` → float32 [N, L + 1, S], zeros after the end."""
        before = tf.pad(decoded.tokens, [[0, 0], [1, 0]], constant_values=SubWords.START)
        written = tf.sequence_mask(decoded.lengths + 1, tf.shape(before)[1])
        _, weights = self.reread(before, memory, seen)
        return tf.where(written[..., None], weights, 0.0)

    def tokens(self, decoded):
        """The pieces of an answer and its end, string [N, L + 1], "" after it."""
        tokens = tf.pad(decoded.tokens, [[0, 0], [0, 1]])
        end = tf.range(tf.shape(tokens)[1]) == decoded.lengths[:, None]
        return tf.where(end, "</s>", self.written.pieces(tokens))

    def pictures(self, model, run, directory: Path):
        """See `Task.pictures`: where the model looks, for the longest example."""
        from zoo import plots

        yield from super().pictures(model, run, directory)
        texts = [example for example in self.examples if isinstance(example, str)]
        plots.attention(model, max(texts, key=len, default=self.examples[0]), directory / "attention.png")
        yield "Attention", "attention.png"


def shifted(words, text):
    """Texts [N] → what a decoder has read before each step and what it has to say then, int32 [N, T + 1] both, 0 after the end.

    A text that was cut at `words.limit` has no end to learn.
    """
    ids = words(text)
    lengths = tf.reduce_sum(tf.cast(ids != 0, tf.int32), axis=1, keepdims=True)
    step = tf.range(tf.shape(ids)[1] + 1)
    before = tf.where(step <= lengths, tf.pad(ids, [[0, 0], [1, 0]], constant_values=SubWords.START), 0)
    end = tf.where((step == lengths) & (lengths < words.limit), SubWords.END, 0)
    return before, tf.pad(ids, [[0, 0], [0, 1]]) + end


def allowed(logits):
    """Logits [..., V] with those that are never an answer, padding, the unknown and the start, out of reach."""
    never = tf.one_hot([SubWords.PADDING, SubWords.UNKNOWN, SubWords.START], tf.shape(logits)[-1], on_value=-1e9, off_value=0.0)
    return logits + tf.reduce_sum(never, axis=0)


def log_probabilities(logits, after):
    """What a model gives the tokens that come: float [N, T, V], int32 [N, T] → a row: log-probability, tokens, right ones."""
    counted, unknown = after != 0, after == SubWords.UNKNOWN
    # a search never writes the unknown; a given text may hold one, and is then as unlikely as the model finds it
    log_probs = tf.gather(tf.nn.log_softmax(tf.where(unknown[..., None], logits, allowed(logits))), after, axis=2, batch_dims=2)
    logits = allowed(logits)
    right = counted & (tf.argmax(logits, axis=2, output_type=tf.int32) == after)
    return (
        tf.reduce_sum(tf.where(counted, log_probs, 0.0), axis=1),
        tf.reduce_sum(tf.cast(counted, tf.int32), axis=1),
        tf.reduce_sum(tf.cast(right, tf.int32), axis=1),
    )
