"""Sequences of one length, of numbers or of symbols, to classes: a recurrent stack (or a transformer), read at every step."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.layers import checks
from zoo.layers.paths import RandomSlant
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing.paths import Paths
from zoo.preprocessing.symbols import Symbols
from zoo.registry import register_model
from zoo.tasks import Classifier, signature

# The longest pattern that a convolution over symbols sees.
MOTIF = 9


@register_model(mapping="many_to_one")
def sequence_classifier(
    *,
    steps,
    num_classes,
    features=None,
    symbols=None,
    cell="gru",
    units=64,
    layers=1,
    bidirectional=True,
    filters=0,
    bottleneck=None,
    dropout=0.0,
    augment=False,
):
    """Classifies a sequence of one length: symbols or numbers, recurrent stack, all its steps, classes.

    Args:
        steps: of a sequence.
        num_classes: number of classes, at least 2.
        features: numbers at each step; None for symbols.
        symbols: how many different symbols there are; None for numbers.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of the state of one direction; of the whole layer for a transformer.
        layers: depth of the stack.
        bidirectional: read in both directions; for a transformer, not causal.
        filters: of a convolution over 9 steps below the stack, which sees motifs; 0 for none.
        bottleneck: numbers that each step is brought down to before all are joined, so that few weights stand for a place;
            None for as many as the stack gives.
        dropout: share of the features dropped before the classes, between layers and after the convolution, in training.
        augment: of features that are pairs of x and y: turn, stretch and slant each training path a little, at random.

    Returns:
        A `keras.Model`: `steps` float32 [N, steps, features] or int32 [N, steps] → logits float32 [N, num_classes].

    Raises:
        ZooError: if an argument is out of range, or not one of `features` and `symbols` is given.

    Source: convolution for motifs below a bidirectional recurrence as in Quang & Xie 2016, "DanQ"; deep bidirectional layers
    over pen paths as in Graves et al. 2009, "A Novel Connectionist System for Unconstrained Handwriting Recognition".
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(steps=(steps, 1), num_classes=(num_classes, 2), features=(features, 1), symbols=(symbols, 2))
    checks.at_least(filters=(filters, 0), bottleneck=(bottleneck, 1))
    if (features is None) == (symbols is None):
        raise ZooError("A sequence is of numbers or of symbols: give either features or symbols.")
    if augment and (features is None or features % 2):
        raise ZooError("augment turns pairs of x and y; give an even number of features.")
    if symbols is None:
        inputs = x = keras.Input((steps, features), name="steps")
    else:
        inputs = keras.Input((steps,), dtype="int32", name="steps")
        # as many numbers as symbols: at the start each is far from all others
        x = keras.layers.Embedding(symbols, symbols, embeddings_initializer="identity", name="embedding")(inputs)
    if augment:
        x = RandomSlant(name="random_slant")(x)
    if filters:
        x = keras.layers.Conv1D(filters, MOTIF, padding="same", activation="relu", name="motifs")(x)
        x = keras.layers.Dropout(dropout, name="motif_dropout")(x)
    x = recurrent_stack(x, None, cell=cell, units=units, layers=layers, bidirectional=bidirectional, dropout=dropout)
    if bottleneck is not None:
        x = keras.layers.Dense(bottleneck, name="bottleneck")(x)
    # of a sequence of one length, each step has a meaning of its own
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # float32 whatever the precision of the rest: a softmax over float16 logits loses digits
    logits = keras.layers.Dense(num_classes, dtype="float32", name="classes")(x)
    return keras.Model(inputs, logits, name="sequence_classifier")


class PathClassifier(Classifier):
    """Paths of a pen to labels, around a `sequence_classifier` of four features.

    Args:
        model: from `create_model("sequence_classifier", steps=POINTS, features=4, ...)`.
        labels: names of the classes, in the order of their numbers.
        examples: paths for the warm-up, the card and the tests, all of as many points: [T, 2] each.

    Raises:
        ZooError: if the labels are not as many as the model's classes.
    """

    FEATURES = Paths.FEATURES  # of a step of its model

    def __init__(self, model, labels, *, examples):
        super().__init__(model, examples, labels=labels)
        self.paths = Paths(points=model.inputs[0].shape[1])

    def inputs(self, path):
        """Paths, float [N, T, 2] → the model's, see `zoo.preprocessing.paths.Paths`."""
        return self.paths(path)

    @signature(path=tf.TensorSpec([None, 2], tf.float32))
    def serving_default(self, path):
        """Path (x, y upwards; NaN where a shorter one has ended) → label, probabilities."""
        return self.answer(self.model(self.inputs(path), training=False))

    def pictures(self, model, run, directory: Path):
        """See `Task.pictures`: the examples as strokes, with what they are taken for."""
        yield from super().pictures(model, run, directory)
        answers = model.predict(list(self.examples))
        _draw_strokes(self.examples, [answer["label"] for answer in answers], directory / "strokes.png")
        yield "Strokes and their labels", "strokes.png"


def _draw_strokes(paths, labels, path) -> None:
    """Draws pen paths side by side, from the point at which each begins, with their labels."""
    from zoo import plots

    figure = plots.Figure((1.6 * len(paths), 1.9), layout="constrained")
    for column, (points, label) in enumerate(zip(paths, labels, strict=True), 1):
        axes = figure.add_subplot(1, len(paths), column)
        x, y = np.transpose(points)
        axes.plot(x, y, "-o", markersize=3, color="tab:blue")
        axes.plot(x[0], y[0], "o", markersize=7, color="tab:orange")
        axes.set_title(label, **plots.AS_IT_IS)
        axes.set_aspect("equal")
        axes.set_axis_off()
    plots.save(figure, path)


class SymbolClassifier(Classifier):
    """Sequences of letters to labels, around a `sequence_classifier` of symbols.

    Args:
        model: from `create_model("sequence_classifier", steps=LENGTH, symbols=LETTERS, ...)`.
        letters: the alphabet, of the model's length and number of symbols.
        labels: names of the classes, in the order of their numbers.
        examples: sequences for the warm-up, the card and the tests.

    Raises:
        ZooError: if the labels are not as many as the model's classes, or the alphabet is not the model's.
    """

    codecs = {"letters": Symbols, **Classifier.codecs}  # noqa: RUF012 - read only

    def __init__(self, model, letters: Symbols, labels, *, examples):
        shape = model.built_by.arguments["steps"], model.built_by.arguments.get("symbols")
        if shape != (letters.length, len(letters.alphabet)):
            raise ZooError(
                f"The model reads {shape[0]} steps of {shape[1]} symbols, and the letters are {letters.length} of "
                f"{len(letters.alphabet)}: create it with their numbers."
            )
        super().__init__(model, examples, letters=letters, labels=labels)

    def unreadable(self, values):
        """See `Task.unreadable`."""
        return [error.decode() for error in self.letters(tf.constant(values))[1].numpy()]

    def inputs(self, sequence):
        """Sequences, string [N] → ids, int32 [N, steps]."""
        return self.letters(sequence)[0]

    @signature(sequence=tf.string)
    def serving_default(self, sequence):
        """Sequence → label, probabilities, error; with an error, label "" and zero probabilities."""
        ids, error = self.letters(sequence)
        return self.answer(self.model(ids, training=False), error)
