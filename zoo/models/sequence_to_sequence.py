"""Sequences to sequences of other lengths: an encoder reads, a decoder with attention writes; translation."""

import keras
import tensorflow as tf

from zoo import decoding
from zoo.errors import ZooError
from zoo.layers.attention import ATTENTIONS
from zoo.layers.decoder import make_decoder
from zoo.layers.stack import CELLS, recurrent_stack
from zoo.losses import TokenAccuracy, TokenCrossentropy
from zoo.models.text_generation import first, generate, log_probabilities, look, shifted, token_names
from zoo.preprocessing import SubWords
from zoo.registry import create_model, register_model
from zoo.tasks import Task

EXAMPLES = ("¿Dónde está la biblioteca?", "No sé qué decir.", "Mi hermana compró un coche rojo ayer.")

BEAM_WIDTH = 5


@register_model(mapping="many_to_many")
def sequence_to_sequence(
    *,
    source_size,
    target_size,
    cell="gru",
    units=256,
    layers=2,
    encoder_layers=1,
    bidirectional=True,
    embedding_dim=None,
    attention="multiplicative",
    dropout=0.0,
):
    """Maps a sequence to another one of any length: encoder, attention, decoder.

    Args:
        source_size: number of token ids of the source; 0 is padding.
        target_size: number of token ids of the target; 0 is padding.
        cell: "rnn", "gru", "lstm" or "transformer", of encoder and decoder.
        units: width of the decoder, and of one direction of the encoder.
        layers: depth of the decoder.
        encoder_layers: depth of the encoder.
        bidirectional: the encoder reads in both directions; for a transformer, it is not causal.
        embedding_dim: width of the token vectors; `units` if None, and always for a transformer.
        attention: "multiplicative" or "additive"; a transformer has its own.
        dropout: share of the features dropped in training.

    Returns:
        A `keras.Model`: `source` int32 [N, S] and `target` int32 [N, T] (the tokens before each step), right-padded with 0 →
        a dict of `logits` float32 [N, T, target_size] and the weights of the attention, `attention` float [N, T, S].

    Raises:
        ZooError: if an argument is out of range.

    Source: Bahdanau et al. 2015 and Luong et al. 2015; Vaswani et al. 2017 for the transformer.
    """
    if cell not in (*CELLS, "transformer"):
        raise ZooError(f"cell={cell!r} is not one of {', '.join(CELLS)}, transformer.")
    if attention not in ATTENTIONS:
        raise ZooError(f"attention={attention!r} is not one of {', '.join(ATTENTIONS)}.")
    least = {"source_size": 2, "target_size": SubWords.RESERVED + 1, "units": 1, "layers": 1, "encoder_layers": 1}
    given = (source_size, target_size, units, layers, encoder_layers)
    for (name, bound), value in zip(least.items(), given, strict=True):
        if value < bound:
            raise ZooError(f"{name} must be at least {bound}, not {value}.")
    if embedding_dim is not None and embedding_dim < 1:
        raise ZooError(f"embedding_dim must be at least 1, not {embedding_dim}.")
    if not 0 <= dropout < 1:
        raise ZooError(f"dropout must be at least 0 and less than 1, not {dropout}.")
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    mask = keras.ops.not_equal(source, 0)
    width = units if cell == "transformer" else embedding_dim or units
    x = keras.layers.Embedding(source_size, width, name="source_embedding")(source)
    x = keras.layers.Dropout(dropout, name="source_dropout")(x)
    memory = recurrent_stack(
        x, mask, cell=cell, units=units, layers=encoder_layers, bidirectional=bidirectional, dropout=dropout
    )
    memory = keras.layers.Dropout(dropout, name="memory_dropout")(memory)
    options = {"embedding_dim": width, "attention": attention, "dropout": dropout}
    decoder = make_decoder(target_size, cell=cell, units=units, layers=layers, **options)
    logits, weights = decoder(target, memory, mask)
    return keras.Model(
        {"source": source, "target": target}, {"logits": logits, "attention": weights}, name="sequence_to_sequence"
    )


class Translator(Task):
    """Texts to texts, around a `sequence_to_sequence` model.

    Args:
        model: from `create_model("sequence_to_sequence", ...)`.
        source_words: the vocabulary of the language that is read, of the model's source size.
        target_words: that of the language that is written, of the model's target size; its file is another.
        label_smoothing: see `TokenCrossentropy`.
        length_penalty: exponent of the length in the ranking of hypotheses; 0 prefers short ones.
        examples: texts for the warm-up, the card and the tests.
    """

    monitor = "accuracy"
    stored_in_float16 = True

    def __init__(self, model, source_words, target_words, *, label_smoothing=0.1, length_penalty=1.0, examples=EXAMPLES):
        self.model, self.source_words, self.target_words = model, source_words, target_words
        self.label_smoothing, self.length_penalty = label_smoothing, length_penalty
        self.examples = tuple(examples)
        self.resources = (*source_words.resources, *target_words.resources)
        self.assets = {words.file: words.vocabulary for words in (source_words, target_words)}
        limit = max(source_words.limit, target_words.limit + 1)
        # half of Tatoeba's pairs fit into the first, nine of ten into the first three, and little of it is padding
        self.buckets = tuple(sorted({max(limit * share // 64, 1) for share in (9, 13, 21, 64)}))

    def encode(self, text):
        """Texts, string [N] → ids, int32 [N, S]."""
        return self.source_words(text)

    def encode_example(self, source, target):
        """(source text, target text) → (source and the target's tokens before each step), the target's tokens and the end."""
        before, after = shifted(self.target_words, target)
        return {"source": self.encode(source), "target": before}, after

    def length(self, inputs, targets):
        """Number of tokens of the longer side."""
        return tf.maximum(*(tf.reduce_sum(tf.cast(inputs[side] != 0, tf.int32), axis=-1) for side in ("source", "target")))

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

    def signatures(self):
        """`serving_default`, `greedy`: text → translation, score; `beam`: all hypotheses; `attention`, `score`: as they say.

        A `score` is the natural log of a translation's probability, its end included unless it was cut at its limit.
        """
        text = tf.TensorSpec([None], tf.string, name="text")
        translation = tf.TensorSpec([None], tf.string, name="translation")
        # what several signatures need is a function of its own, so that the SavedModel holds it once
        read = tf.function(self._read, input_signature=[text], autograph=False)
        search = tf.function(self._search, autograph=False)

        def answer(decoded):
            return {"translation": self.target_words.decode(decoded.tokens), "score": decoded.log_probs}

        @tf.function(input_signature=[text], autograph=False)
        def serving_default(text):
            return answer(first(search(*read(text))))

        @tf.function(input_signature=[text], autograph=False)
        def greedy(text):
            source, memory = read(text)
            return answer(generate(self.model, memory, source != 0, limits=self._limits(source)))

        @tf.function(input_signature=[text], autograph=False)
        def beam(text):
            every = search(*read(text))
            shape, length = tf.shape(every.lengths), tf.shape(every.tokens)[2]
            texts = self.target_words.decode(tf.reshape(every.tokens, [shape[0] * shape[1], length]))
            return {"translations": tf.reshape(texts, shape), "scores": every.log_probs}

        @tf.function(input_signature=[text], autograph=False)
        def attention(text):
            source, memory = read(text)
            best = first(search(source, memory))
            return {
                "translation": self.target_words.decode(best.tokens),
                "source_tokens": self.source_words.pieces(source),
                "target_tokens": token_names(self.target_words, best),
                "weights": look(self.model, memory, source != 0, best),
            }

        @tf.function(input_signature=[text, translation], autograph=False)
        def score(text, translation):
            source, memory = read(text)
            before, after = shifted(self.target_words, translation)
            logits, _ = self.model.get_layer("decoder")(before, memory, source != 0)
            return dict(zip(("score", "tokens", "right"), log_probabilities(logits, after), strict=True))

        functions = (serving_default, greedy, beam, attention, score)
        return {function.python_function.__name__: function for function in functions}

    def requests(self, signature):
        """See `Task.requests`; to `score`, the examples are given as their own translations."""
        texts = list(self.examples)
        return {"text": texts, "translation": texts} if signature == "score" else {"text": texts}

    def _read(self, text):
        """Texts [N] → ids int32 [N, S], and what the encoder makes of them, float [N, S, M]."""
        source = self.encode(text)
        encoder = keras.Model(self.model.get_layer("source").output, self.model.get_layer("memory_dropout").output)
        return source, encoder(source, training=False)

    def _limits(self, source):
        """Most tokens of each translation: it is seldom twice as long as its source, and that of an empty text is empty."""
        lengths = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1)
        return tf.where(lengths > 0, tf.minimum(2 * lengths + 10, self.target_words.limit), 0)

    def _search(self, source, memory):
        """The best translations of each text, `Decoded` of [N, BEAM_WIDTH, ...]."""
        options = {"search": decoding.beam_search, "width": BEAM_WIDTH, "length_penalty": self.length_penalty, "every": True}
        return generate(self.model, memory, source != 0, limits=self._limits(source), **options)

    def config(self):
        """See `Task.config`."""
        return {
            "builder": self.model.built_by.name,
            "arguments": self.model.built_by.arguments,
            "source": self.source_words.config(),
            "target": self.target_words.config(),
            "label_smoothing": self.label_smoothing,
            "length_penalty": self.length_penalty,
        }

    @classmethod
    def from_config(cls, config, assets, examples):
        """See `Task.from_config`."""
        source, target = (SubWords(assets[config[side]["file"]], **config[side]) for side in ("source", "target"))
        model = create_model(config["builder"], **config["arguments"])
        options = {name: config[name] for name in ("label_smoothing", "length_penalty")}
        return cls(model, source, target, examples=examples, **options)
