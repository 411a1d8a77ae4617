"""What follows from what a family states: signatures, requests, config and export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.artefacts.save import for_export
from zoo.preprocessing import Labels, Words
from zoo.tasks import Classifier, Task, shared, signature


class Scaled(Task):
    """A family of its own: numbers times a learnt number, kept as a layer when the task is made."""

    codecs = {"words": Words}  # noqa: RUF012 - read only
    options = ("shift",)

    def __init__(self, model, words, *, shift=0.0, examples=((1.0,), (2.0,))):
        super().__init__(model, examples, words=words, shift=shift)
        self.layer = model.get_layer("value")

    def inputs(self, numbers):
        return numbers

    def losses(self):
        return "mse"

    def metrics(self):
        return []

    @signature(numbers=tf.TensorSpec([1], tf.float32))
    def serving_default(self, numbers):
        """Numbers → value."""
        return {"value": self.scaled(numbers)}

    @signature(numbers=lambda task: tf.TensorSpec([1], task.layer.compute_dtype), times=(tf.float32, 2.0))
    def repeated(self, numbers, times):
        """Numbers → value, so many times."""
        return {"value": self.scaled(numbers) * times[:, None]}

    @signature(needs="shift", numbers=tf.TensorSpec([1], tf.float32))
    def shifted(self, numbers):
        """Numbers → value and the shift."""
        return {"value": self.scaled(numbers) + self.shift}

    @shared(numbers=tf.TensorSpec([1], tf.float32))
    def scaled(self, numbers):
        return self.layer(numbers)


@pytest.fixture
def task():
    number = keras.Input((1,))
    model = keras.Model(number, keras.layers.Dense(1, use_bias=False, name="value")(number))
    model.built_by = zoo.registry.BuiltBy("scaled", {})
    return Scaled(model, Words(["a", "b"], limit=4))


def test_signatures_follow_from_the_marked_methods(task):
    found = task.signatures()
    assert list(found) == ["serving_default", "repeated"]
    assert [spec.name for spec in found["repeated"].input_signature] == ["numbers", "times"]
    assert found["repeated"].input_signature[1] == tf.TensorSpec([None], tf.float32, "times")
    task.shift = 1.0
    assert list(task.signatures()) == ["serving_default", "repeated", "shifted"]


def test_options_are_tried_with_their_values_and_inputs_with_the_examples(task):
    assert task.requests("repeated") == {"numbers": [(1.0,), (2.0,)], "times": [2.0, 2.0]}


def test_what_signatures_share_is_in_the_graph_once(task):
    names = set()
    for function in task.signatures().values():
        graph = function.get_concrete_function().graph.as_graph_def()
        names |= {part.signature.name for part in graph.library.function if "scaled" in part.signature.name}
    assert len(names) == 1


def test_signatures_follow_a_change_of_the_task(task):
    task.layer.kernel.assign([[3.0]])
    task.shift = 1.0
    before = task.signatures()["shifted"](tf.constant([[1.0]]))["value"]
    task.shift = 2.0
    after = task.signatures()["shifted"](tf.constant([[1.0]]))["value"]
    assert (float(before[0, 0]), float(after[0, 0])) == (4, 5)


def test_a_family_may_keep_a_layer_and_exports_what_was_trained(task, monkeypatch):
    def build(name):
        number = keras.Input((1,))
        return lambda: keras.Model(number, keras.layers.Dense(1, use_bias=False, name="value")(number))

    monkeypatch.setattr("zoo.registry.builder", build)
    task.model.set_weights([np.array([[7.0]])])
    fresh = for_export(task)
    assert fresh.layer is fresh.model.get_layer("value")
    assert float(fresh.signatures()["serving_default"](tf.constant([[2.0]]))["value"][0, 0]) == 14


def test_the_config_and_the_assets_are_those_of_codecs_and_options(task):
    assert task.config() == {
        "builder": "scaled",
        "arguments": {},
        "words": {"limit": 4, "file": "vocabulary.txt"},
        "shift": 0.0,
    }
    assert task.assets == {"vocabulary.txt": ["a", "b"]}
    again = Scaled.from_config({**task.config(), "shift": 3.0}, task.assets, task.examples, model=task.model)
    assert (again.words.vocabulary, again.shift, again.examples) == (["a", "b"], 3.0, task.examples)


def test_what_a_family_does_not_state_is_refused(task):
    with pytest.raises(TypeError, match="Scaled states no codec and no option speed"):
        Task.__init__(task, task.model, (), words=task.words, shift=0.0, speed=1)


def test_a_family_without_a_measure_says_so(task):
    with pytest.raises(zoo.ZooError, match="has no measure"):
        task.measure(None, None)


@pytest.mark.parametrize("names", [["a"], ["a", "a"], "ab", ["a", "b\nc"], []])
def test_labels_are_names_of_at_least_two_classes(names):
    with pytest.raises(zoo.ZooError, match="at least two classes, each once and on one line"):
        Labels(names)


def test_labels_are_a_tuple_and_a_codec():
    labels = Labels(["b", "a"])
    assert labels == ("b", "a")
    assert labels(tf.constant([[1, 0]])).numpy().tolist() == [[b"a", b"b"]]
    assert Labels.from_config(labels.config(), labels.assets) == labels
    tags = Labels([1, 2], file="tags.txt")
    assert (tags.assets, tags.config()) == ({"tags.txt": ["1", "2"]}, {"file": "tags.txt"})
    assert Labels.from_config(tags.config(), tags.assets).file == "tags.txt"


def test_a_classifier_wants_as_many_labels_as_classes():
    number = keras.Input((1,))
    model = keras.Model(number, keras.layers.Dense(3, name="classes")(number))

    class Numbers(Classifier):
        @signature(numbers=tf.TensorSpec([1], tf.float32))
        def serving_default(self, numbers):
            return self.answer(self.model(numbers))

    with pytest.raises(zoo.ZooError, match="has 3 classes, and there are 2 labels: 'a', 'b'"):
        Numbers(model, (), labels=["a", "b"])
    assert Numbers(model, (), labels="abc".split() + ["b", "c"]).takes["numbers"].shape == [1]
