"""Tiny tasks with random weights, and the SavedModels made of them: what every artefact promises is tried on these."""

import functools
import shutil

import numpy as np
import small_cards
import tensorflow as tf

import zoo
from zoo.artefacts import save as saving
from zoo.artefacts import values
from zoo.data import drawn_digits, photos
from zoo.data.drawn_scenes import drawn_scenes
from zoo.data.film_reviews import film_reviews
from zoo.data.spanish_phrases import spanish_phrases
from zoo.preprocessing import SubWords, Words


def text_classifier(**arguments):
    """A `TextClassifier` of texts of at most 48 words."""
    texts, labels = zip(*film_reviews(300, 1, 1)["train"], strict=True)
    dataset = tf.data.Dataset.from_tensor_slices((list(texts), list(labels)))
    words = Words.fit(dataset, size=200, limit=48)
    model = zoo.create_model("text_classifier", vocabulary_size=words.size, num_classes=2, units=8, **arguments)
    task = zoo.TextClassifier(model, words, ("negative", "positive"))
    if "ngram_order" in arguments:
        task.adapt(dataset)
    random = np.random.default_rng(0)  # else biases are zero, and nobody would miss them
    randomise(model, lambda weight: weight.numpy() + random.normal(0, 0.1, weight.shape) * (weight.name != "owners"))
    return task


def image_classifier(**arguments):
    """An `ImageClassifier` of drawn digits, 14 pixels square."""
    sizes = {"height": 14, "width": 14, "channels": 3, "num_classes": 10}
    model = zoo.create_model("image_classifier", **sizes, **arguments)
    random = np.random.default_rng(0)
    randomise(model, lambda weight: weight.numpy() + random.normal(0, 0.1, weight.shape))
    return zoo.ImageClassifier(model, tuple("0123456789"), dark_background=True, examples=drawn_digits.examples())


def translator(weights, **arguments):
    """A `Translator` of texts of at most 24 pieces."""
    sides = zip(*spanish_phrases(300, 1, 1)["train"], strict=True)
    source, target = (
        SubWords.fit(tf.data.Dataset.from_tensor_slices(list(texts)), size=160, limit=24, file=file)
        for texts, file in zip(sides, ("source.txt", "target.txt"), strict=True)
    )
    sizes = {"source_size": source.size, "target_size": target.size}
    task = zoo.Translator(zoo.create_model("sequence_to_sequence", **sizes, **arguments), source, target)
    randomise_writer(task.model, **weights)
    return task


def captioner(weights, **arguments):
    """An `ImageCaptioner` whose captions have at most 12 pieces."""
    files, captions = zip(*drawn_scenes(60, 1, 1)["train"], strict=True)
    dataset = tf.data.Dataset.from_tensor_slices((list(files), list(captions)))
    words = SubWords.fit(dataset.flat_map(zoo.ImageCaptioner.sentences), size=80, limit=12, file="words.txt")
    arguments = {"vocabulary_size": words.size, "image_size": 32, **arguments}
    task = zoo.ImageCaptioner(zoo.create_model("image_captioner", **arguments), words, examples=photos.examples())
    randomise_writer(task.model, **weights)
    return task


def series_regressor(**arguments):
    """A `SeriesRegressor` of series of two features."""
    model = zoo.create_model("series_regressor", features=2, **arguments)
    random = np.random.default_rng(0)
    randomise(model, lambda weight: weight.numpy() + random.normal(0, 0.1, weight.shape))
    return zoo.SeriesRegressor(model, examples=SERIES[:3])


def randomise(model, new):
    """Sets all weights to `new(weight)`, rounded to what float16 can hold, so that an artefact can store them without loss."""
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            value = new(weight)
            weight.assign((np.abs(value) if weight.name == "moving_variance" else value).astype("float16"))


def randomise_writer(model, *, seed, gain, embedding):
    """Random weights with which different inputs have different answers, some of which end before their limit.

    Args:
        seed: few of them are of use; most models say the same of everything.
        gain: standard deviation of what a unit puts out, its inputs being normal.
        embedding: standard deviation of the token vectors.
    """
    random = np.random.default_rng(seed)

    def new(weight):
        if len(weight.shape) == 1:
            ends = 2.0 * np.eye(*weight.shape)[SubWords.END] if weight.path == "decoder/bias" else 0
            return weight.numpy() + random.normal(0, 0.2, weight.shape) + ends
        # convolutions twice as much: half of what they put out is cut off
        scale = gain * (2 if "conv" in weight.path else 1) / np.sqrt(np.prod(weight.shape[:-1]))
        return random.normal(0, embedding if "embedding" in weight.path else scale, weight.shape)

    randomise(model, new)


TASKS = {
    "classifier lstm": functools.partial(text_classifier, cell="lstm"),
    "classifier gru": functools.partial(text_classifier, cell="gru"),
    "classifier rnn": functools.partial(text_classifier, cell="rnn", bidirectional=False),
    "classifier transformer": functools.partial(text_classifier, cell="transformer"),
    "classifier stacked lstm with n-grams": functools.partial(
        text_classifier, cell="lstm", layers=2, window=8, attention=True, ngram_order=2, ngram_buckets=2**10
    ),
    "image classifier": functools.partial(image_classifier, units=4, layers=1),
    "translator gru": functools.partial(translator, {"seed": 6, "gain": 1, "embedding": 1}, cell="gru", units=16),
    "translator transformer": functools.partial(
        translator, {"seed": 1, "gain": 2, "embedding": 0.3}, cell="transformer", encoder_layers=2, units=8
    ),
    "captioner lstm": functools.partial(
        captioner, {"seed": 5, "gain": 1, "embedding": 1}, cell="lstm", attention="additive", units=16
    ),
    "regressor gru": functools.partial(series_regressor, cell="gru", units=8, targets=2, bidirectional=True),
}

TEXTS = [
    b"A truly charming film, never dull.",
    b"",
    b" \t\r\n ",
    "😀🎬 superb 👩‍👩‍👧".encode(),
    "Этот фильм был скучным. 映画は最高でした".encode(),
    b"broken \xff\xfe bytes \xc3( and a cut off one \xe2\x82",
    b"<p>Silly<br /><br />plot &amp; a <b>great</b> cast <",
    b"boring " * 50_000,
]
SOURCES = ["Tengo dos gatos negros.", "", "¿Dónde está la biblioteca?", " \t ", "xyzzy 漢字 😀", "veintidós " * 40]
FILES = [*photos.examples(), b"", b"junk", photos.examples()[0][:-3000], drawn_scenes(1, 1, 1)["test"][0][0]]

SERIES = np.random.default_rng(0).normal(0, 1, (5, 7, 2)).round(2).tolist()

# The class of a task → a batch of raw inputs, fair ones and others: for each input of any of its signatures one value a row.
INPUTS = {
    "TextClassifier": {"text": TEXTS},
    "Translator": {"text": SOURCES, "translation": ["I have two cats.", "nothing", "", " ", "漢字", "twenty " * 2_000]},
    "SeriesRegressor": {"series": SERIES},
    "ImageClassifier": {"image_bytes": [*FILES, *drawn_digits.examples()]},
    "ImageCaptioner": {
        "image_bytes": FILES,
        "seed": list(range(len(FILES))),
        "temperature": [1.0, 0.0, 0.7, 1.0, 1.0, 1.0, 2.0],
        "top_k": [0, 5, 0, 0, 0, 0, 20],
        "top_p": [1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0],
    },
}


class Export:
    """A task and the SavedModel made of it, without a card.

    Attributes:
        task: the task in memory.
        inputs: its row of `INPUTS`.
        directory: the SavedModel.
        signatures: of the loaded SavedModel.
    """

    def __init__(self, task, directory):
        self.task, self.inputs, self.directory = task, INPUTS[type(task).__name__], directory
        saving.save(task, directory)
        self.signatures = tf.saved_model.load(str(directory)).signatures

    @functools.cached_property
    def answers(self):
        """What each signature says of the inputs, all in one batch."""
        return {name: self.ask(name) for name in self.signatures}

    def ask(self, signature="serving_default", **inputs):
        """Output name → array; in place of `inputs`, of all of them."""
        return {name: value.numpy() for name, value in self.signatures[signature](**self.tensors(signature, **inputs)).items()}

    def tensors(self, signature, **inputs):
        """Input name → tensor; each input that is not given is that of `self.inputs`."""
        specs = self.signatures[signature].structured_input_signature[1]
        values = self.inputs | inputs
        empty = {name: tf.zeros([size or 0 for size in spec.shape], spec.dtype) for name, spec in specs.items()}
        return {
            name: tf.constant(values[name], spec.dtype) if len(values[name]) else empty[name] for name, spec in specs.items()
        }

    def row(self, number):
        """The inputs with one row alone."""
        return {name: values[number : number + 1] for name, values in self.inputs.items()}

    def rebuilt(self, directory):
        """What `zoo.load_task` makes of a copy of the SavedModel with a small card."""
        shutil.copytree(self.directory, directory)
        task = {"module": type(self.task).__module__, "class": type(self.task).__name__, **self.task.config()}
        examples = [{"input": values.as_json(example), "output": {}} for example in self.task.examples]
        small_cards.write(directory, task=task, examples=examples)
        return zoo.load_task(directory)

    @functools.cached_property
    def stored(self):
        """The stored graph, a `MetaGraphDef`."""
        from tensorflow.core.protobuf import saved_model_pb2

        (graph,) = saved_model_pb2.SavedModel.FromString((self.directory / "saved_model.pb").read_bytes()).meta_graphs
        return graph


def assert_same(answers, expected):
    """Answers are the same: output name → array; numbers nearly."""
    assert answers.keys() == expected.keys()
    for name, value in expected.items():
        if value.dtype == object:
            assert answers[name].tolist() == value.tolist(), name
        else:
            np.testing.assert_allclose(answers[name], value, rtol=1e-5, atol=1e-4, err_msg=name)


def assert_same_row(answers, row, alone):
    """A row of a batch is the one that was asked alone, but for what pads it to the longest of the batch."""
    for name, value in alone.items():
        inside = answers[name][row : row + 1]
        common = tuple(slice(min(sizes)) for sizes in zip(inside.shape, value.shape, strict=True))
        assert_same({name: inside[common]}, {name: value[common]})
        for whole in (inside, value):
            padding = np.ones(whole.shape, bool)
            padding[common] = False
            assert not np.any(whole[padding].astype(bool)), name
