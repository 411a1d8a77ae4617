"""Texts to classes: a recurrent stack (or a transformer) over word embeddings, pooled over time, beside linear n-grams."""

import math

import keras
import numpy as np
import tensorflow as tf

from zoo import layers as zoo_layers
from zoo.artefacts import lineage
from zoo.layers import checks
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing import NGrams, Words, cooccurrence_embeddings
from zoo.registry import register_model
from zoo.tasks import Classifier, Monitor, signature

EXAMPLES = (
    "A wonderful film.",
    "I left after half an hour.",
    "Slow at first, but the second half is gripping and the cast is superb.",
)

BIGRAM_ROWS = 65_521  # the largest prime below 2**16

# Root mean square of the word vectors at the start: small enough that the gates are not saturated.
EMBEDDING_SCALE = 0.3

# Weights of the n-gram path, at most, of all classes together: 4 bytes each in an artefact.
PLACES = 2**20

# Texts, up to which the n-gram path starts as a ridge regression over them: its time grows with the cube of their number.
SMALL = 2_500

# Of the temperature where it did: its logits are as sure as texts that were left out show them to be, and there are more of
# these than there are validation texts.
SOLVED_SPREAD = 0.2


@register_model(mapping="many_to_one")
def text_classifier(
    *,
    vocabulary_size,
    num_classes,
    cell="lstm",
    units=64,
    layers=1,
    bidirectional=True,
    embedding_dim=None,
    bigram_dim=0,
    window=None,
    attention=False,
    dropout=0.0,
    word_dropout=0.0,
    ngram_order=0,
    ngram_buckets=524_288,
    ngram_weight=1.0,
):
    """Classifies a text: embedding, recurrent stack, pooling over time, classes.

    Args:
        vocabulary_size: number of word ids; 0 is padding.
        num_classes: number of classes, at least 2.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of the state of one direction; of the whole layer for a transformer.
        layers: depth of the stack.
        bidirectional: read in both directions; for a transformer, not causal.
        embedding_dim: width of the word vectors; `units` if None.
        bigram_dim: width of a vector for each pair of neighbouring words, beside that of the word; 0 for none.
        window: read the text in windows of this many words, side by side, that do not see each other; all in one if None.
        attention: the mean over time weighs the words by a learnt relevance in place of equally.
        dropout: share of the pooled features dropped in training; of the embedding's dimensions, each for a whole text,
            0.4 of it; between layers of a stack, all of it.
        word_dropout: share of the words taken for unknown in training; the n-gram path sees them all.
        ngram_order: the longest n-gram of a linear path beside the stack; 0 for none.
        ngram_buckets: size of that path's table.
        ngram_weight: weight of its logits in the mean of both, that of the stack being 1.

    Returns:
        A `keras.Model`: `tokens` int32 [N, T], right-padded with 0 (and `ngrams` int32 [N, T, order], see
        `zoo.preprocessing.NGrams`) → logits float32 [N, num_classes]; with n-grams a dict of them: `logits`, and the parts
        `recurrent` and `ngrams`.

    Raises:
        ZooError: if an argument is out of range.

    Source: max and mean pooling over a bidirectional LSTM as in Howard & Ruder 2018 (ULMFiT, section 3.3) without its last
    state; attention pooling as in Yang et al. 2016; the linear path beside the network as in Cheng et al. 2016 (wide & deep).
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(vocabulary_size=(vocabulary_size, 2), num_classes=(num_classes, 2), embedding_dim=(embedding_dim, 1))
    checks.at_least(bigram_dim=(bigram_dim, 0), window=(window, 1), ngram_order=(ngram_order, 0))
    checks.share(word_dropout=word_dropout)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = keras.ops.not_equal(tokens, 0)
    words = zoo_layers.WordDropout(word_dropout, name="word_dropout")(tokens)
    x = keras.layers.Embedding(vocabulary_size, embedding_dim or units, name="embedding")(words)
    if bigram_dim:
        pairs = zoo_layers.BigramEmbedding(BIGRAM_ROWS, bigram_dim, name="bigram_embedding")(words)
        x = keras.layers.Concatenate(name="words_and_bigrams")([x, pairs])
    x = keras.layers.SpatialDropout1D(0.4 * dropout, name="embedding_dropout")(x)
    embedded, step_mask = x, mask
    if window is not None:
        x = zoo_layers.SplitWindows(window, name="windows")(x)
        step_mask = zoo_layers.SplitWindows(window, name="mask_windows")(mask)
    x = recurrent_stack(x, step_mask, cell=cell, units=units, layers=layers, bidirectional=bidirectional, dropout=dropout)
    if window is not None:
        x = zoo_layers.JoinWindows(name="join")(x, embedded)
    x = zoo_layers.MaxMeanPooling(attention, name="pooling")(x, mask)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # float32 whatever the precision of the rest: a softmax over float16 logits loses digits
    logits = keras.layers.Dense(num_classes, dtype="float32", name="classes")(x)
    if not ngram_order:
        return keras.Model(tokens, logits, name="text_classifier")
    ngrams = keras.Input((None, ngram_order), dtype="int32", name="ngrams")
    linear = zoo_layers.NGramLinear(num_classes, ngram_buckets, dtype="float32", name="ngram_linear")(ngrams)
    # a mean, not a sum: two paths that agree are not twice as sure
    share = ngram_weight / (1 + ngram_weight)
    halves = [
        keras.layers.Rescaling(scale, dtype="float32", name=f"{part}_weight")(part_logits)
        for part, scale, part_logits in (("recurrent", 1 - share, logits), ("ngrams", share, linear))
    ]
    both = keras.layers.Add(dtype="float32", name="logits")(halves)
    outputs = {"logits": both, "recurrent": logits, "ngrams": linear}
    return keras.Model({"tokens": tokens, "ngrams": ngrams}, outputs, name="text_classifier")


class TextClassifier(Classifier):
    """Raw texts to labels, around a `text_classifier` model.

    Args:
        model: from `create_model("text_classifier", ...)`.
        words: the vocabulary, of the model's size.
        labels: names of the classes, in the order of their numbers.
        examples: texts for the warm-up, the card and the tests.

    Raises:
        ZooError: if the labels are not as many as the model's classes, or the words more than its ids.
    """

    codecs = {"words": Words, **Classifier.codecs}  # noqa: RUF012 - read only

    def __init__(self, model, words: Words, labels, *, examples=EXAMPLES):
        super().__init__(model, examples, words=words, labels=labels)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        order = inputs["ngrams"].shape[-1] if "ngrams" in inputs else 0
        self.ngrams = NGrams(order=order, limit=words.limit) if order else None
        self._few = None  # what the n-gram path was solved for: n-grams of each text by length, class numbers
        self.monitor = Monitor("logits_accuracy", loss="logits_crossentropy") if order else Monitor("accuracy")
        self.buckets = tuple(sorted({max(words.limit * sixteenths // 16, 1) for sixteenths in (3, 4, 8, 16)}))

    @staticmethod
    def suited(profile, ngram_buckets=None, ngram_weight=None) -> dict:
        """Arguments of the builder that follow from the texts, where they are not given.

        Args:
            profile: a `zoo.data.text_profile.TextProfile`.
            ngram_buckets, ngram_weight: see the builder; if None, the table is the smallest power of two with four places for
                each distinct n-gram, as long as it fits, and few texts, whose recurrence is soon surer of itself than it should
                be, leave more to the n-grams.
        """
        columns = len(profile.classes) if len(profile.classes) > 2 else 1
        wanted = 2 ** math.ceil(math.log2(4 * max(profile.ngrams, 1)))
        fitting = 2 ** int(math.log2(PLACES / columns))
        return {
            "ngram_buckets": min(max(wanted, 2**8), max(fitting, 2**8), 2**19) if ngram_buckets is None else ngram_buckets,
            "ngram_weight": (9.0 if profile.texts <= SMALL else 4.0) if ngram_weight is None else ngram_weight,
        }

    @property
    def rows(self):
        """See `Task.rows`."""
        return {"embedding/embeddings": (self.words.file, Words.RESERVED)}

    @property
    def bound(self):
        """See `Task.bound`; pairs of words are hashed by their ids."""
        return super().bound | {"bigram_embedding": self.words.file, "ngram_linear": self.labels.file}

    def inputs(self, text):
        """Texts, string [N] → the model's inputs."""
        words = self.words.split(text)
        tokens = self.words(words)
        return {"tokens": tokens, "ngrams": self.ngrams(words)} if self.ngrams else tokens

    def targets(self, label):
        """Labels; with n-grams each part has them for its own target."""
        return {"recurrent": label, "ngrams": label, "logits": label} if self.ngrams else label

    def length(self, inputs, targets):
        """Number of words kept."""
        tokens = inputs["tokens"] if self.ngrams else inputs
        return tf.reduce_sum(tf.cast(tokens != 0, tf.int32), axis=-1)

    def losses(self):
        """Each part learns on its own, so that neither leans on the other; their mean is not trained."""
        loss = super().losses()
        return {"recurrent": loss, "ngrams": loss, "logits": None} if self.ngrams else loss

    def metrics(self):
        """Accuracy, of the mean and of each part; of the mean the cross-entropy too, which no loss is."""
        if not self.ngrams:
            return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        parts = {part: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] for part in ("logits", "recurrent", "ngrams")}
        parts["logits"].append(keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="crossentropy"))
        return parts

    def adapt(self, train, *, seed=0):
        """Word vectors from co-occurrences in the training texts, n-gram weights from these texts; each if it is fresh."""
        fresh = lineage.fresh(self.model)
        embedding = self.model.get_layer("embedding")
        size, width = embedding.embeddings.shape
        # where there are fewer words, there are fewer than an SVD wants
        vectors_wanted = embedding.embeddings.path in fresh and self.words.size >= 4 * width
        ngrams_wanted = self.ngrams and {weight.path for weight in self.model.get_layer("ngram_linear").weights} <= fresh
        super().adapt(train, seed=seed)
        if not (vectors_wanted or ngrams_wanted):
            return
        print("Word vectors and n-gram weights from the training texts ...", flush=True)
        # n-grams that tell of the classes, those of an artefact, are worth more than what few texts have
        composed = ngrams_wanted and self.model.get_layer("ngram_linear").factors.path not in lineage.fresh(self.model)
        few = ngrams_wanted and int(train.cardinality()) <= SMALL and not (composed and lineage.of(self.model).related)
        tokens, hashes, labels = self._read(train, self._orders() if few else [self.ngrams] if ngrams_wanted else [])
        if vectors_wanted:
            vectors = cooccurrence_embeddings(tokens, size=size, width=width, seed=seed)
            embedding.embeddings.assign(EMBEDDING_SCALE * vectors)
        if ngrams_wanted:
            layer = self.model.get_layer("ngram_linear")
            if few:
                self._few = hashes, labels
                owned = layer.solve(hashes, labels, self.class_weights)
                layer.trainable = False  # steps would only make it surer of what it was solved for
                self.temperature_spread = SOLVED_SPREAD
            else:
                owned = layer.adapt(np.concatenate(hashes[0]), np.repeat(labels, [len(row) for row in hashes[0]]))
            print(f"{owned:,} of {layer.buckets:,} buckets have an n-gram.", flush=True)

    def calibrate(self, validation):
        """See `Task.calibrate`; where texts are few, the n-grams are solved again with those of validation too."""
        super().calibrate(validation)
        if self._few is not None:
            _, hashes, labels = self._read(validation, self._orders())
            trained_on, classes = self._few
            joined = [known + new for known, new in zip(trained_on, hashes, strict=True)]
            self.model.get_layer("ngram_linear").solve(joined, np.concatenate([classes, labels]), self.class_weights)

    def _orders(self) -> list[NGrams]:
        """N-grams of each length up to the longest."""
        return [NGrams(order=order, limit=self.words.limit) for order in range(1, self.ngrams.order + 1)]

    def _read(self, texts, ngrams):
        """Of (text, class number), unbatched: ids of words and, for each kind of n-grams, distinct hashes, each a list of an
        int32 array a text; and the class numbers, int64 [texts].
        """
        tokens, hashes, labels = [], [[] for _ in ngrams], []
        for text, label in texts.batch(512):
            words = self.words.split(text)
            tokens += [row[row > 0] for row in self.words(words).numpy()]
            labels.append(label.numpy())
            for kind, found in zip(ngrams, hashes, strict=True):
                found += [row[row > 0] for row in kind(words).numpy().reshape(len(label), -1)]
        return tokens, hashes, np.concatenate(labels)

    @signature(text=tf.string)
    def serving_default(self, text):
        """Text → label, probabilities."""
        outputs = self.model(self.inputs(text), training=False)
        return self.answer(outputs["logits"] if self.ngrams else outputs)

    @signature(needs="ngrams", text=tf.string)
    def parts(self, text):
        """Text → the probabilities of each path alone."""
        outputs = self.model(self.inputs(text), training=False)
        return {part: tf.nn.softmax(outputs[part]) for part in ("recurrent", "ngrams")}
