"""What the families share that write a text token by token: the targets to learn from, the search, the score of an answer."""

import tensorflow as tf

from zoo import decoding
from zoo.preprocessing import SubWords
from zoo.tasks import weights_read_once

# Weights of a decoder with a row for each id.
OUTPUT_ROWS = ("decoder/embedding/embeddings", "decoder/bias")

MARKS = {"start": SubWords.START, "end": SubWords.END}


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


def generate(model, memory, mask, *, limits, search=decoding.greedy, **options):
    """Writes an answer to each row of a memory.

    Args:
        model: with a layer named "decoder".
        memory: what it looks at, float [N, S, M].
        mask: bool [N, S].
        limits: most tokens of each row, int32 [N].
        search: a function of `zoo.decoding`.
        **options: of that function.

    Returns:
        `zoo.decoding.Decoded`.
    """
    with weights_read_once(model):
        decoder = model.get_layer("decoder")
        longest = tf.reduce_max(tf.concat([limits, [0]], axis=0))
        state, context = decoder.prepare(memory, mask, longest + 1)

        def step(tokens, position, state, context):
            logits, state = decoder.step(tokens, position, state, context)
            return allowed(logits), state

        return search(step, state, context, limits=limits, **MARKS, **options)


def first(decoded):
    """The best of each row's hypotheses: `Decoded` of [N, K, ...] → of [N, ...]."""
    return decoding.Decoded(*(each[:, 0] for each in decoded))


def look(decoder, memory, mask, decoded):
    """How the decoder looks at its memory as it reads an answer: `Decoded` → float32 [N, L + 1, S], zeros after the end."""
    before = tf.pad(decoded.tokens, [[0, 0], [1, 0]], constant_values=SubWords.START)
    written = tf.sequence_mask(decoded.lengths + 1, tf.shape(before)[1])
    _, weights = decoder(before, memory, mask)
    return tf.where(written[..., None], weights, 0.0)


def token_names(words, decoded):
    """The pieces of an answer and its end, string [N, L + 1], "" after it."""
    tokens = tf.pad(decoded.tokens, [[0, 0], [0, 1]])
    end = tf.range(tf.shape(tokens)[1]) == decoded.lengths[:, None]
    return tf.where(end, "</s>", words.pieces(tokens))


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
