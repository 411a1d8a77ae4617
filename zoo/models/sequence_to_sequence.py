"""Sequences to sequences of other lengths: an encoder reads, a decoder with attention writes; translation."""

import keras
import tensorflow as tf

from zoo import decoding
from zoo.artefacts import lineage
from zoo.errors import ZooError
from zoo.factory import create_model
from zoo.layers.attention import ATTENTIONS
from zoo.layers.decoder import make_decoder
from zoo.layers.stack import CELLS, recurrent_stack
from zoo.losses import TokenAccuracy, TokenCrossentropy
from zoo.models.text_generation import OUTPUT_ROWS, first, generate, log_probabilities, look, shifted, token_names
from zoo.preprocessing import SubWords, sentence_rows, split_sentences
from zoo.registry import register_model
from zoo.tasks import Task, not_texts

EXAMPLES = ("¿Dónde está la biblioteca?", "No sé qué decir.", "Mi hermana compró un coche rojo ayer.")

BEAM_WIDTH = 5

BLOCK = 64  # rows that are searched at once
MOSTLY = 0.9  # the share of single sentences among the sources from which on texts are translated one by one


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
        by_sentence: whether each sentence of a text is translated alone; `zoo.fit` decides by the training split.
        examples: texts for the warm-up, the card and the tests.
    """

    monitor = "accuracy"
    stored_in_float16 = True

    def __init__(
        self, model, source_words, target_words, *, label_smoothing=0.1, length_penalty=1.0, by_sentence=True, examples=EXAMPLES
    ):
        self.model, self.source_words, self.target_words = model, source_words, target_words
        self.label_smoothing, self.length_penalty = label_smoothing, length_penalty
        self.by_sentence, self.examples = by_sentence, tuple(examples)
        self.resources = (*source_words.resources, *target_words.resources)
        self.assets = {words.file: words.vocabulary for words in (source_words, target_words)}
        self.takes = {side: tf.TensorSpec([], tf.string) for side in ("text", "translation")}
        self.rows = dict.fromkeys(OUTPUT_ROWS, (target_words.file, SubWords.RESERVED))
        self.rows["source_embedding/embeddings"] = (source_words.file, SubWords.RESERVED)
        limit = max(source_words.limit, target_words.limit + 1)
        # half of Tatoeba's pairs fit into the first, nine of ten into the first three, and little of it is padding
        self.buckets = tuple(sorted({max(limit * share // 64, 1) for share in (9, 13, 21, 64)}))
        lineage.match_names(self)

    def unreadable(self, values):
        """See `Task.unreadable`."""
        return not_texts(values)

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

    def adapt(self, train, *, seed=0):
        """Sees whether sources are single sentences: then a text is translated one by one, else as a whole if it fits."""
        counts = [tf.math.bincount(tf.cast(split_sentences(source)[1], tf.int32)) for source, *_ in train.batch(1024)]
        self.by_sentence = bool(tf.reduce_mean(tf.cast(tf.concat(counts, axis=0) == 1, tf.float32)) > MOSTLY)

    def signatures(self):
        """`serving_default`, `greedy`: text → translation, score; `beam`: all hypotheses; `attention`, `score`: as they say.

        A text is translated sentence by sentence, in capitals if it is; `attention` is of its first sentence alone. Where a
        translation is not that of the whole text, `cut` is true: the text was too long, see `sentence_rows`, or the
        translation of one of its sentences.

        A `score` is the natural log of a translation's probability, its end included unless it was cut at its limit; of
        several sentences the sum. The signature `score` takes both texts as they are, as one sentence each.
        """
        text = tf.TensorSpec([None], tf.string, name="text")
        translation = tf.TensorSpec([None], tf.string, name="translation")
        ids, memory = self._memory
        # what several signatures need is a function of its own, so that the SavedModel holds it once
        encode = tf.function(self._encode, input_signature=[ids], autograph=False)
        search = tf.function(self._search, input_signature=[ids, memory], autograph=False)
        mask = tf.TensorSpec([None, None], tf.bool)
        reread = tf.function(self._reread, input_signature=[ids, memory, mask], autograph=False)

        @tf.function(input_signature=[text], autograph=False)
        def read(text):
            rows = self._rows(text)
            return rows, encode(rows.ids)

        def translated(text, search, width):
            rows, memory = read(text)
            texts, scores, cut = self._in_blocks(search, width, rows.ids, memory)
            count = tf.size(text)
            # sentences are joined with spaces; one without a translation leaves none
            texts = tf.where(rows.loud[:, None], tf.strings.upper(texts, encoding="utf-8"), texts)
            texts = tf.strings.unsorted_segment_join(
                tf.where(texts == "", "", tf.strings.join([" ", texts])), rows.owners, count
            )
            scores = tf.math.unsorted_segment_sum(scores, rows.owners, count)
            return tf.strings.strip(texts), scores, rows.cut | (tf.math.unsorted_segment_sum(cut, rows.owners, count) > 0)

        @tf.function(input_signature=[text], autograph=False)
        def every(text):
            return translated(text, search, BEAM_WIDTH)

        def answer(texts, scores, cut):
            return {"translation": texts[:, 0], "score": scores[:, 0], "cut": cut}

        @tf.function(input_signature=[text], autograph=False)
        def serving_default(text):
            return answer(*every(text))

        @tf.function(input_signature=[text], autograph=False)
        def greedy(text):
            return answer(*translated(text, self._greedy, 1))

        @tf.function(input_signature=[text], autograph=False)
        def beam(text):
            texts, scores, cut = every(text)
            return {"translations": texts, "scores": scores, "cut": cut}

        @tf.function(input_signature=[text], autograph=False)
        def attention(text):
            rows, memory = read(text)
            number = tf.range(tf.size(rows.owners))
            firsts = tf.math.unsorted_segment_min(number, rows.owners, tf.size(text))
            several = tf.math.unsorted_segment_max(number, rows.owners, tf.size(text)) > firsts
            source, memory, loud = (tf.gather(each, firsts) for each in (rows.ids, memory, rows.loud))
            best = first(search(source, memory))
            texts = self.target_words.decode(best.tokens)
            return {
                "translation": tf.where(loud, tf.strings.upper(texts, encoding="utf-8"), texts),
                "source_tokens": self.source_words.pieces(source),
                "target_tokens": token_names(self.target_words, best),
                "weights": look(reread, memory, source != 0, best),
                "cut": rows.cut | several | self._unfinished(source, best.lengths),
            }

        @tf.function(input_signature=[text, translation], autograph=False)
        def score(text, translation):
            source = self.encode(text)
            before, after = shifted(self.target_words, translation)
            logits, _ = reread(before, encode(source), source != 0)
            return dict(zip(("score", "tokens", "right"), log_probabilities(logits, after), strict=True))

        functions = (serving_default, greedy, beam, attention, score)
        return {function.python_function.__name__: function for function in functions}

    def requests(self, signature):
        """See `Task.requests`; to `score`, the examples are given as their own translations."""
        texts = list(self.examples)
        return {"text": texts, "translation": texts} if signature == "score" else {"text": texts}

    def _rows(self, text):
        # where the vocabulary has no small letters, capitals are not loud
        fold = any(piece != piece.upper() for piece in self.source_words.vocabulary)
        return sentence_rows(self.source_words, text, by_sentence=self.by_sentence, fold=fold)

    @property
    def _memory(self):
        """What a search takes: ids [N, S] and the encoder's output."""
        width = self.model.get_layer("memory_dropout").output.shape[-1]
        return tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None, width], tf.float32)

    def _encode(self, source):
        """Ids [N, S] → what the encoder makes of them, float [N, S, M]."""
        encoder = keras.Model(self.model.get_layer("source").output, self.model.get_layer("memory_dropout").output)
        return encoder(source, training=False)

    def _reread(self, before, memory, mask):
        """Logits float [N, T, V] and attention float [N, T, S] of tokens that are given, int32 [N, T]."""
        return self.model.get_layer("decoder")(before, memory, mask)

    def _limits(self, source):
        """Most tokens of each translation: it is seldom twice as long as its source, and that of an empty text is empty."""
        lengths = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1)
        return tf.where(lengths > 0, tf.minimum(2 * lengths + 10, self.target_words.limit), 0)

    def _unfinished(self, source, lengths):
        """Which translations, of so many tokens, were cut at their limits; not those of empty texts."""
        limits = self._limits(source)
        return (lengths >= limits) & (limits > 0)

    def _search(self, source, memory):
        """The best translations of each row, `Decoded` of [R, BEAM_WIDTH, ...]."""
        options = {"search": decoding.beam_search, "width": BEAM_WIDTH, "length_penalty": self.length_penalty, "every": True}
        return generate(self.model, memory, source != 0, limits=self._limits(source), **options)

    def _greedy(self, source, memory):
        """The likeliest token at each step, `Decoded` of [R, 1, ...]."""
        decoded = generate(self.model, memory, source != 0, limits=self._limits(source))
        return decoding.Decoded(*(each[:, None] for each in decoded))

    def _in_blocks(self, search, width, source, memory):
        """Searches a block of rows at a time, those of like lengths together: many rows take time, but no more memory.

        Args:
            search: (source, memory) → `Decoded` of [R, width, ...].
            width: number of its hypotheses.
            source: int32 [R, S].
            memory: float [R, S, M].

        Returns:
            Translations string [R, width], their log-probabilities, and whether the first is cut, int32 [R].
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

    def config(self):
        """See `Task.config`."""
        return {
            "builder": self.model.built_by.name,
            "arguments": self.model.built_by.arguments,
            "source": self.source_words.config(),
            "target": self.target_words.config(),
            "label_smoothing": self.label_smoothing,
            "length_penalty": self.length_penalty,
            "by_sentence": self.by_sentence,
        }

    @classmethod
    def from_config(cls, config, assets, examples):
        """See `Task.from_config`."""
        source, target = (SubWords(assets[config[side]["file"]], **config[side]) for side in ("source", "target"))
        model = create_model(config["builder"], **config["arguments"])
        options = {name: config[name] for name in ("label_smoothing", "length_penalty", "by_sentence") if name in config}
        return cls(model, source, target, examples=examples, **options)
