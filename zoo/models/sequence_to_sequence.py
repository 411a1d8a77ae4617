"""Sequences to sequences of other lengths: an encoder reads, a decoder with attention writes; translation."""

import keras
import numpy as np
import tensorflow as tf

from zoo import metrics
from zoo.data.pair_profile import FEW, OFTEN
from zoo.errors import ZooError
from zoo.layers import checks
from zoo.layers.attention import ATTENTIONS
from zoo.layers.decoder import make_decoder
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing import SubWords, sentence_rows, split_sentences
from zoo.preprocessing.sentences import lowered
from zoo.registry import register_model
from zoo.tasks import TextToText, shared, signature

EXAMPLES = ("¿Dónde está la biblioteca?", "No sé qué decir.", "Mi hermana compró un coche rojo ayer.")

MOSTLY = 0.9  # the share of single sentences among the sources from which on texts are translated one by one
MARGIN = 10  # tokens that a translation may have beyond a multiple of its source's


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
    source_scale=None,
    attention="multiplicative",
    copy=False,
    coverage=False,
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
        source_scale: standard deviation of the source's token vectors at the start, but of a transformer's; if None they are
            as small as Keras draws them, from which a recurrence that has few steps to learn in hears hardly anything.
        attention: "multiplicative" or "additive"; a transformer has its own.
        copy: the decoder may copy tokens of the source: both have the same ids then. The weights are those of the copying.
        coverage: what was looked at for copying is known from then on; with `copy` alone.
        dropout: share of the features dropped in training.

    Returns:
        A `keras.Model`: `source` int32 [N, S] and `target` int32 [N, T] (the tokens before each step), right-padded with 0 →
        a dict of `logits` float32 [N, T, target_size] and the weights of the attention, `attention` float [N, T, S].

    Raises:
        ZooError: if an argument is out of range.

    Source: Bahdanau et al. 2015 and Luong et al. 2015; Vaswani et al. 2017 for the transformer; See et al. 2017 for copying.
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.one_of(attention=(attention, ATTENTIONS))
    checks.at_least(source_size=(source_size, 2), target_size=(target_size, SubWords.RESERVED + 1))
    checks.at_least(encoder_layers=(encoder_layers, 1), embedding_dim=(embedding_dim, 1))
    if copy and source_size != target_size:
        raise ZooError(f"copy needs one vocabulary: source_size={source_size} and target_size={target_size} have to be equal.")
    if coverage and not copy:
        raise ZooError("coverage=True has a meaning with copy=True alone.")
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    mask = keras.ops.not_equal(source, 0)
    width = units if cell == "transformer" else embedding_dim or units
    start = "uniform" if source_scale is None or cell == "transformer" else keras.initializers.RandomNormal(stddev=source_scale)
    x = keras.layers.Embedding(source_size, width, embeddings_initializer=start, name="source_embedding")(source)
    x = keras.layers.Dropout(dropout, name="source_dropout")(x)
    memory = recurrent_stack(
        x, mask, cell=cell, units=units, layers=encoder_layers, bidirectional=bidirectional, dropout=dropout
    )
    memory = keras.layers.Dropout(dropout, name="memory_dropout")(memory)
    options = {"embedding_dim": width, "attention": attention, "dropout": dropout, "copy": copy, "coverage": coverage}
    decoder = make_decoder(target_size, cell=cell, units=units, layers=layers, **options)
    logits, weights = decoder(target, memory, mask, *([source] if copy else []))
    return keras.Model(
        {"source": source, "target": target}, {"logits": logits, "attention": weights}, name="sequence_to_sequence"
    )


class Translator(TextToText):
    """Texts to texts, around a `sequence_to_sequence` model.

    Args:
        model: from `create_model("sequence_to_sequence", ...)`.
        source_words: the vocabulary of the language that is read, of the model's source size.
        target_words: that of the language that is written, of the model's target size; its file is another.
        label_smoothing: see `TokenCrossentropy`.
        length_penalty: exponent of the length in the ranking of hypotheses; 0 prefers short ones.
        by_sentence: whether each sentence of a text is translated alone; `zoo.fit` decides by the training split, as it does
            about the next two.
        expansion: how many times as many tokens as its source a translation may have, and `MARGIN` more.
        fold: whether what is all in capitals is read in lower case, and its translation put in capitals.
        examples: texts for the warm-up, the card and the tests.
    """

    codecs = {"source_words": SubWords, "target_words": SubWords}  # noqa: RUF012 - read only
    options = (*TextToText.options, "by_sentence", "expansion", "fold")
    answer = "translation", "translations"
    measure = staticmethod(metrics.translation)

    # Found on 2,000 pairs of sentences, 3,000 numerals and 3,000 reversed strings.
    least_steps, steps_an_epoch = 2_200, 80

    def __init__(
        self,
        model,
        source_words,
        target_words,
        *,
        label_smoothing=0.1,
        length_penalty=1.0,
        by_sentence=True,
        expansion=2,
        fold=True,
        examples=EXAMPLES,
    ):
        codecs = {"source_words": source_words, "target_words": target_words}
        options = {"label_smoothing": label_smoothing, "length_penalty": length_penalty}
        super().__init__(model, examples, **codecs, **options, by_sentence=by_sentence, expansion=expansion, fold=fold)
        limit = max(source_words.limit, target_words.limit + 1)
        # half of Tatoeba's pairs fit into the first, nine of ten into the first three, and little of it is padding
        self.buckets = tuple(sorted({max(limit * share // 64, 1) for share in (9, 13, 21, 64)}))

    @property
    def rows(self):
        """See `Task.rows`."""
        return super().rows | {"source_embedding/embeddings": (self.source_words.file, SubWords.RESERVED)}

    def length(self, inputs, targets):
        """Number of tokens of the longer side."""
        return tf.maximum(*(tf.reduce_sum(tf.cast(inputs[side] != 0, tf.int32), axis=-1) for side in ("source", "target")))

    @staticmethod
    def suited(profile, config) -> tuple[dict, list[dict]]:
        """What suits pairs that look like a profile, where the configuration leaves it open.

        Args:
            profile: a `zoo.data.pair_profile.PairProfile`.
            config: has `units`, `embedding_dim` and `dropout`, of the builder, and `pieces`, each None if it is open;
                `vocabulary_size`, and `max_tokens`.

        Returns:
            Arguments of `sequence_to_sequence`, and those of `SubWords.fit` for the source and for the target.
        """
        if not profile.is_few:
            usual = {"units": 256, "embedding_dim": 192, "dropout": 0.2}
        else:
            # with strings, numerals and the like an answer has to be right to the letter
            usual = {"units": 128, "embedding_dim": 128, "dropout": 0.2 if profile.is_translation else 0.1}
        arguments = {name: value if getattr(config, name) is None else getattr(config, name) for name, value in usual.items()}
        if profile.is_few:
            arguments["source_scale"] = 1.0
        vocabularies = []
        for side in profile.sides:
            characters = side.is_characters if config.pieces is None else config.pieces == "characters"
            # as many characters as there are, thousands in Chinese
            size, least = (2**16, None) if characters else (config.vocabulary_size, OFTEN)
            vocabularies.append({"size": size, "limit": config.max_tokens, "least": least})
        return arguments, vocabularies

    @staticmethod
    def learning_rate(profile, config) -> float | None:
        """The rate to train fresh weights with on pairs that look like a profile; None: as the recipe usually does."""
        return 3e-3 if config.learning_rate is None and profile.is_few else config.learning_rate

    @staticmethod
    def steps(profile) -> int:
        """The least steps to train fresh weights for on pairs that look like a profile."""
        # found on 2,000 and 10,000 sentences: they are never learnt to the letter, and go on getting better for longer
        return 2 * Translator.least_steps if profile.is_few and profile.is_translation else Translator.least_steps

    @staticmethod
    def words(profile, arguments, *vocabularies) -> list[str]:
        """What is printed of a profile and of what was chosen for it, see `suited`."""
        sizes = " and ".join(f"{words.size:,}" for words in vocabularies)
        longest = " and ".join(f"{words.limit:,}" for words in vocabularies)
        shown = {name: value for name, value in arguments.items() if name != "source_scale"}
        width = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in shown.items())
        flags = " ".join(f"--{name.replace('_', '-')}" for name in ("pieces", "vocabulary_size", "max_tokens", *shown))
        return [str(profile), f"Taken: {sizes} pieces, at most {longest} of a text; {width} ({flags} say otherwise)."]

    def adapt(self, train, *, seed=0):
        """Sees how texts are to be read.

        Where sources are single sentences, and what has several has a target of as many, a text is translated sentence by
        sentence, else as a whole if it fits. No target is longer than a translation may be. Capitals are read as they are
        where their targets have none.
        """
        single, alike, folded, longer, expansion = [], [], [], [], self.expansion
        for source, target in train.batch(1024):
            count = tf.size(source)
            sentences, owners = split_sentences(source)
            sides = [tf.math.bincount(tf.cast(each, tf.int32)) for each in (owners, split_sentences(target)[1])]
            single.append(sides[0] == 1)
            alike.append(tf.boolean_mask(sides[0] == sides[1], sides[0] > 1))
            _, is_loud = lowered(sentences, owners, count)
            is_loud = tf.math.unsorted_segment_max(tf.cast(is_loud, tf.int32), owners, count) > 0
            folded.append(tf.boolean_mask(~tf.strings.regex_full_match(target, r"(?s).*\p{Ll}.*"), is_loud))
            lengths = [
                tf.math.count_nonzero(words(side), axis=1)
                for words, side in zip((self.source_words, self.target_words), (source, target), strict=True)
            ]
            needed = -(-(lengths[1] + 1 - MARGIN) // tf.maximum(lengths[0], 1))
            expansion = max(expansion, int(tf.reduce_max(needed)))
            longer.append(tf.maximum(lengths[0], lengths[1] + 1))
        self.by_sentence = _share(single) > MOSTLY and _share(alike) >= 0.5
        self.fold, self.expansion = _share(folded) >= 0.5, expansion
        longer = np.concatenate(longer)
        if len(longer) < FEW:  # else the usual buckets, which are those of Tatoeba
            self.buckets = tuple(sorted({max(int(np.quantile(longer, share)), 1) for share in (0.4, 0.7, 0.95, 1)}))

    # A text is translated sentence by sentence, in capitals if it is, and its `score` is the sum of theirs. It is `cut` where
    # it is too long, see `sentence_rows`, or the translation of one of its sentences is.

    @signature(text=tf.string)
    def attention(self, text):
        """Text → the translation of its first sentence, and where the model looks at each token of it."""
        rows, memory = self._read(text)
        number = tf.range(tf.size(rows.owners))
        firsts = tf.math.unsorted_segment_min(number, rows.owners, tf.size(text))
        several = tf.math.unsorted_segment_max(number, rows.owners, tf.size(text)) > firsts
        source, memory, loud = (tf.gather(each, firsts) for each in (rows.ids, memory, rows.loud))
        best = self._search(source, memory).best
        texts = self.target_words.decode(best.tokens)
        return {
            "translation": tf.where(loud, tf.strings.upper(texts, encoding="utf-8"), texts),
            "source_tokens": self.source_words.pieces(source),
            "target_tokens": self.tokens(best),
            "weights": self.attended(memory, source, best),
            "cut": rows.cut | several | self._unfinished(source, best.lengths),
        }

    @signature(text=tf.string, translation=tf.string)
    def score(self, text, translation):
        """Both texts as they are, as one sentence each → log-probability of the translation, its tokens, those foreseen."""
        return self._scored(text, translation)

    @shared(text=tf.string)
    def _read(self, text):
        """Texts [N] → the rows of their sentences, and the memory of each, float [R, S, M]."""
        rows = self._rows(text)
        return rows, self._encode(rows.ids)

    def _rows(self, text):
        # where the vocabulary has no small letters, capitals are not loud
        fold = self.fold and any(piece != piece.upper() for piece in self.source_words.vocabulary)
        return sentence_rows(self.source_words, text, by_sentence=self.by_sentence, fold=fold)

    def _answers(self, text, search, width):
        """See `TextToText._answers`."""
        rows, memory = self._read(text)
        texts, scores, cut = self._in_blocks(search, width, rows.ids, memory)
        count = tf.size(text)
        # sentences are joined with spaces; one without a translation leaves none
        texts = tf.where(rows.loud[:, None], tf.strings.upper(texts, encoding="utf-8"), texts)
        texts = tf.strings.unsorted_segment_join(tf.where(texts == "", "", tf.strings.join([" ", texts])), rows.owners, count)
        scores = tf.math.unsorted_segment_sum(scores, rows.owners, count)
        return tf.strings.strip(texts), scores, rows.cut | (tf.math.unsorted_segment_sum(cut, rows.owners, count) > 0)

    def _limits(self, source):
        """Most tokens of each translation: none of the training split was longer, and that of an empty text is empty."""
        lengths = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1)
        return tf.where(lengths > 0, tf.minimum(self.expansion * lengths + MARGIN, self.target_words.limit), 0)


def _share(flags) -> float:
    """The share of bool tensors, a list of [N], that is true; 1 where there are none."""
    flags = tf.concat(flags, axis=0)
    return float(tf.reduce_mean(tf.cast(flags, tf.float32))) if tf.size(flags) else 1.0
