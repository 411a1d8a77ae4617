"""Random weights for tiny tasks, and the SavedModels made of them: what every artefact promises is tried on these."""

import functools
import shutil

import numpy as np
import small_cards
import tensorflow as tf

import zoo
from zoo.artefacts import save as saving
from zoo.artefacts import values
from zoo.data import photos
from zoo.data.drawn_scenes import drawn_scenes
from zoo.preprocessing import SubWords


def randomise(model, new):
    """Sets all weights to `new(weight)`, rounded to what float16 can hold, so that an artefact can store them without loss."""
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            value = new(weight)
            weight.assign((np.abs(value) if weight.name == "moving_variance" else value).astype("float16"))


def shake(model):
    """Moves all weights a little: else biases are zero, and nobody would miss them."""
    random = np.random.default_rng(0)
    randomise(model, lambda weight: weight.numpy() + random.normal(0, 0.1, weight.shape) * (weight.name != "owners"))


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


# Files that are images, and that are none.
FILES = [*photos.examples(), b"", b"junk", photos.examples()[0][:-3000], drawn_scenes(1, 1, 1)["test"][0][0]]


class Export:
    """A task and the SavedModel made of it, without a card.

    Attributes:
        task: the task in memory.
        inputs: a batch of raw inputs of its family.
        directory: the SavedModel.
        signatures: of the loaded SavedModel.
    """

    def __init__(self, task, inputs, directory):
        self.task, self.inputs, self.directory = task, inputs, directory
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
            # a place in a text that is none is -1
            rest = whole[padding]
            assert not np.any(rest.astype(bool) & (rest != -1)), name
