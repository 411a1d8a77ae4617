"""Texts to labels of their words, and of the whole: words and their characters, a recurrent stack, a CRF."""

from pathlib import Path

import keras
import tensorflow as tf

from zoo import layers as zoo_layers
from zoo import span_metrics
from zoo.artefacts import lineage, tagged
from zoo.errors import ZooError
from zoo.layers import checks
from zoo.layers.crf import CRF, CRFLoss, SpanF1
from zoo.layers.small_letters import SmallLetters
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing import Labels, cooccurrence_embeddings
from zoo.preprocessing.labels import Names
from zoo.preprocessing.spans import Spans
from zoo.preprocessing.tokens import CHARACTERS, SHAPES, Tokens
from zoo.registry import register_model
from zoo.tasks import Monitor, Task, signature

# Width of the vectors of capitals and figures, and characters that a filter over a word sees.
SHAPE_DIM, TRIGRAM = 8, 3
# Root mean square of the word vectors at the start: small enough that the gates are not saturated.
EMBEDDING_SCALE = 0.3
# Lengths of training texts, in words, of which a batch of the first two holds more.
BUCKETS = (3, 4, 8, 16)


@register_model(mapping="many_to_many")
def tagger(
    *,
    vocabulary_size,
    types,
    intents=None,
    cell="lstm",
    units=128,
    layers=1,
    bidirectional=True,
    embedding_dim=100,
    character_dim=24,
    filters=64,
    word_length=16,
    dropout=0.0,
    word_dropout=0.0,
    small_letters=0.0,
):
    """Labels each word of a text, and on request the whole text: words and characters, recurrent stack, CRF.

    Args:
        vocabulary_size: number of word ids; 0 is padding, 1 the unknown word.
        types: kinds of spans, at least 1; words have a BIO label of one of them.
        intents: number of labels of the whole text, at least 2; None for no such answer.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of the state of one direction; of the whole layer for a transformer.
        layers: depth of the stack.
        bidirectional: read in both directions; for a transformer, not causal.
        embedding_dim: width of the word vectors.
        character_dim: width of the character vectors.
        filters: over three characters each, the maximum of which over a word stands beside its vector.
        word_length: characters of a word that are read.
        dropout: share of the features dropped before the stack, between its layers and after it, in training.
        word_dropout: share of the words taken for unknown in training, which are then read by their characters alone.
        small_letters: share of the texts whose capitals are taken away in training: people type without them.

    Returns:
        A `keras.Model`: `words` int32 [N, T], right-padded with 0, `characters` int32 [N, T, word_length] and `shapes` int32
        [N, T], see `zoo.preprocessing.tokens.Tokens` → a dict: `tags`, scores float32 [N, T, 2 * types + 1] for the methods of
        its layer "crf", a `zoo.layers.crf.CRF`, and with intents `intent`, logits float32 [N, intents].

    Raises:
        ZooError: if an argument is out of range.

    Source: Ma & Hovy 2016, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF"; a label of the whole text from the
    same states as in Liu & Lane 2016, "Attention-Based Recurrent Neural Network Models for Joint Intent Detection and Slot
    Filling".
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(vocabulary_size=(vocabulary_size, 2), types=(types, 1), intents=(intents, 2))
    checks.at_least(embedding_dim=(embedding_dim, 1), character_dim=(character_dim, 1), filters=(filters, 1))
    checks.at_least(word_length=(word_length, 1))
    checks.share(word_dropout=word_dropout, small_letters=small_letters)
    words = keras.Input((None,), dtype="int32", name="words")
    characters = keras.Input((None, word_length), dtype="int32", name="characters")
    shapes = keras.Input((None,), dtype="int32", name="shapes")
    mask = keras.ops.not_equal(words, 0)
    known = zoo_layers.WordDropout(word_dropout, name="word_dropout")(words)
    spelt, kinds = SmallLetters(small_letters, name="small_letters")(characters, shapes)
    spelt = keras.layers.Embedding(CHARACTERS, character_dim, name="character_embedding")(spelt)
    # a convolution, as a product: TensorFlow's own gives no texts at all a wrong shape
    spelt = keras.ops.pad(spelt, [[0, 0], [0, 0], [TRIGRAM // 2] * 2, [0, 0]])
    spelt = keras.ops.concatenate([spelt[:, :, place : place + word_length] for place in range(TRIGRAM)], axis=-1)
    spelt = keras.layers.Dense(filters, activation="relu", name="spelling")(spelt)
    x = keras.layers.Concatenate(name="features")(
        [
            keras.layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(known),
            keras.ops.max(spelt, axis=2),
            keras.layers.Embedding(SHAPES, SHAPE_DIM, name="shape_embedding")(kinds),
        ]
    )
    x = keras.layers.Dropout(dropout, name="feature_dropout")(x)
    x = recurrent_stack(x, mask, cell=cell, units=units, layers=layers, bidirectional=bidirectional, dropout=dropout)
    states = keras.layers.Dropout(dropout, name="state_dropout")(x)
    emissions = keras.layers.Dense(2 * types + 1, dtype="float32", name="emissions")(states)
    outputs = {"tags": CRF(bio=True, name="crf")(emissions, mask)}
    if intents is not None:
        pooled = zoo_layers.MaxMeanPooling(attention=True, name="pooling")(x, mask)
        pooled = keras.layers.Dropout(dropout, name="pooled_dropout")(pooled)
        outputs["intent"] = keras.layers.Dense(intents, dtype="float32", name="intents")(pooled)
    inputs = {"words": words, "characters": characters, "shapes": shapes}
    return keras.Model(inputs, outputs, name="tagger")


class Intents(Labels):
    """Names of what a whole text may want; there may be none."""

    FILE = "intent_labels.txt"

    def __new__(cls, names=(), *, file: str | None = None):
        return super().__new__(cls, names, file=file) if names else Names.__new__(cls, names, file=file)

    @property
    def assets(self):
        """See `Codec.assets`."""
        return super().assets if self else {}

    @classmethod
    def from_config(cls, config, assets):
        """See `Codec.from_config`."""
        return cls(assets.get(cls.FILE, ()))


class Tagger(Task):
    """Raw texts to labelled spans, and on request a label of each text, around a `tagger` model.

    Args:
        model: from `create_model("tagger", ...)`.
        tokens: the vocabulary, of the model's size and word length.
        types: names of the kinds of spans.
        intents: names of the labels of whole texts; () for none.
        examples: texts for the warm-up, the card and the tests.

    Raises:
        ZooError: if the names are not as many as the model's, or the words more than its ids.
    """

    codecs = {"tokens": Tokens, "types": Spans, "intents": Intents}  # noqa: RUF012 - read only
    measure = staticmethod(span_metrics.tagging)
    least_steps = 600  # so many steps it takes to learn what spans are of a few hundred texts
    # More texts, a `tf.data.Dataset` of strings, whose words' neighbours tell what a word means; of no use after `adapt`.
    more_texts = None

    def __init__(self, model, tokens: Tokens, types, intents=(), *, examples):
        arguments = model.built_by.arguments
        types, intents = Spans(types), Intents(intents)
        wanted = arguments["types"], arguments.get("intents") or 0
        if wanted != (len(types), len(intents)):
            raise ZooError(
                f"The model has {wanted[0]} types of spans and {wanted[1]} intents, and there are {len(types)} and "
                f"{len(intents)} names: create it with their numbers."
            )
        length = model.get_layer("characters").output.shape[-1]
        if length != tokens.length:
            raise ZooError(f"The model reads {length} characters of a word, and the tokens have {tokens.length}.")
        super().__init__(model, examples, tokens=tokens, types=types, intents=intents)
        self.monitor = Monitor("tags_f1" if intents else "f1")
        self.buckets = BUCKETS

    @property
    def crf(self) -> CRF:
        """The model's CRF."""
        return self.model.get_layer("crf")

    @property
    def rows(self):
        """See `Task.rows`."""
        return {"embedding/embeddings": (self.tokens.file, Tokens.RESERVED)}

    @property
    def bound(self):
        """See `Task.bound`."""
        heads = {"emissions": self.types.file, "crf": self.types.file}
        return heads | ({"intents": self.intents.file} if self.intents else {})

    @property
    def takes(self):
        """See `Task.takes`: spans by their type and place in characters, padded with "" and -1."""
        each, text = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.string)
        spans = {"text": text, "label": tf.TensorSpec([None], tf.string), "start": each, "end": each}
        return spans | ({"intent": text} if self.intents else {})

    def check_names(self, types, intents=()):
        """Raises `ZooError` where data have names that the task does not know: what is gone on from keeps its own."""
        for what, names, known in (("types of spans", types, self.types), ("intents", intents, self.intents)):
            if unknown := sorted(set(names) - set(known)):
                raise ZooError(f"The model's {what} are {', '.join(known) or 'none'}; the data have {', '.join(unknown)} too.")

    # What is learnt

    def inputs(self, text):
        """Texts, string [N] → the model's inputs."""
        return _inputs(self.tokens(text))

    def encode_example(self, text, label, start, end, intent=None):
        """See `Task.encode_example`: targets are numbers of labels + 1, 0 as padding."""
        read = self.tokens(text)
        tags = self.types.encode(label, start, end, read.starts, read.ends)
        targets = {"tags": tf.where(read.mask, tags + 1, 0)}
        if self.intents:
            targets["intent"] = tf.argmax(intent[:, None] == tf.constant(list(self.intents)), axis=1)
        return _inputs(read), targets

    def length(self, inputs, targets):
        """Number of words."""
        count = tf.reduce_sum(tf.cast(inputs["words"] != 0, tf.int32), axis=-1)
        return tf.maximum(count, 1)

    def losses(self):
        """Negative log-likelihood of the labels of a text, and cross-entropy of the label of the whole."""
        intent = {"intent": keras.losses.SparseCategoricalCrossentropy(from_logits=True)} if self.intents else {}
        return {"tags": CRFLoss(self.crf)} | intent

    def metrics(self):
        """F1 of exact spans, accuracy of the label of the whole."""
        intent = {"intent": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]} if self.intents else {}
        return {"tags": [SpanF1(self.crf)]} | intent

    def adapt(self, train, *, seed=0):
        """Word vectors from co-occurrences in the training texts and `more_texts`, if they are fresh."""
        embedding = self.model.get_layer("embedding")
        size, width = embedding.embeddings.shape
        if embedding.embeddings.path not in lineage.fresh(self.model) or self.tokens.size < 4 * width:
            return
        texts = train.map(lambda text, *_: text)
        if self.more_texts is not None:
            texts = texts.concatenate(self.more_texts)
        print("Word vectors from the neighbours of words ...", flush=True)
        words = [row[row > 0] for text in texts.batch(512) for row in self.tokens(text).words.numpy()]
        vectors = cooccurrence_embeddings(words, size=size, width=width, seed=seed)
        embedding.embeddings.assign(EMBEDDING_SCALE * vectors)

    # What is served

    def answers(self, text):
        """Texts, string [N] → `Read`, labels int32 [N, T], log-probability of these float [N], outputs of the model."""
        read = self.tokens(text)
        outputs = self.model(_inputs(read), training=False)
        tags, best = self.crf.viterbi(outputs["tags"], read.mask)
        return read, tags, best - self.crf.log_partition(outputs["tags"], read.mask), outputs

    @signature(text=tf.string)
    def serving_default(self, text):
        """Text → words with their labels, "" as padding, the log-probability of these, and the label of the text."""
        read, tags, score, outputs = self.answers(text)
        found = {"tokens": read.tokens, "tags": tf.where(read.mask, self.types(tags), ""), "score": score}
        if self.intents:
            probabilities = tf.nn.softmax(outputs["intent"])
            found["intent"] = self.intents(tf.argmax(probabilities, axis=1))
            found["intent_probability"] = tf.reduce_max(probabilities, axis=1)
        return found

    @signature(text=tf.string)
    def entities(self, text):
        """Text → spans: what stands there, type, place in Unicode characters, the end exclusive; "" and -1 as padding."""
        read, tags, *_ = self.answers(text)
        label, start, end = self.types.decode(tags, read.starts, read.ends)
        entity = self.tokens.cut(text, tf.maximum(start, 0), tf.maximum(end, 0))
        return {"entity": entity, "label": label, "start": start, "end": end}

    def pictures(self, model, run, directory: Path):
        """See `Task.pictures`: the examples with their spans."""
        yield from super().pictures(model, run, directory)
        answers = model.predict(list(self.examples), signature="entities")
        _draw_sentences(self.examples, answers, directory / "sentences.png")
        yield "Sentences and their spans", "sentences.png"


def _inputs(read) -> dict:
    return {"words": read.words, "characters": read.characters, "shapes": read.shapes}


def _draw_sentences(texts, answers, path) -> None:
    """Draws texts below each other, their spans on a colour with their types below."""
    from zoo import plots

    longest = max(max(map(len, texts)), 60)
    inch = 8 / plots.DPI  # the width of a character is whole pixels, to which letters are set
    size = 72 * inch / 0.602  # of DejaVu Sans Mono
    figure = plots.Figure((inch * longest, 0.6 * len(texts)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, longest), ylim=(len(texts), 0))
    axes.set_axis_off()
    ground = tagged.colours(label for answer in answers for label in answer["label"] if label)
    for row, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        axes.text(0, row + 0.3, text, family="DejaVu Sans Mono", fontsize=size, va="center", **plots.AS_IT_IS)
        ends = [0.0, 0.0]  # where the names in the two lines below end
        for label, start, end in zip(answer["label"], answer["start"], answer["end"], strict=True):
            if label:
                axes.barh(row + 0.3, end - start, 0.4, left=start, color=ground[label], zorder=0)
                line = 0 if start >= ends[0] or start < ends[1] else 1
                ends[line] = start + 0.75 * len(label) + 1
                axes.text(start, row + 0.62 + 0.22 * line, label, fontsize=7, va="center", **plots.AS_IT_IS)
    plots.save(figure, path)
