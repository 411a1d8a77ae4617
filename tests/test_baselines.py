"""What is scored beside a model: the commonest class, a linear model, the nearest example, the mean."""

import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small import reviews

import zoo
from zoo import baselines
from zoo.preprocessing import Words
from zoo.preprocessing.symbols import Symbols


def dataset(*columns):
    return tf.data.Dataset.from_tensor_slices(columns)


@pytest.fixture(scope="module")
def texts():
    """A task of texts in two classes, as it is before any training."""
    words = Words(["good", "bad"], limit=8)
    model = zoo.create_model("text_classifier", cell="rnn", units=2, vocabulary_size=words.size, num_classes=2)
    return zoo.TextClassifier(model, words, ("negative", "positive"))


def test_a_linear_model_beside_texts(texts):
    found = baselines.baselines(texts, reviews(count=200).train, reviews(count=40).test)
    constant, linear = found
    assert (constant[:17], linear) == ("always answering ", "TF-IDF + logistic regression")
    assert found[constant]["n"] == found[linear]["n"] == 40
    assert found[constant]["value"] < 0.7 < found[linear]["value"]


def test_the_commonest_class_is_that_of_the_training_examples(texts):
    train = dataset(["a b"] * 5, tf.constant([1, 1, 1, 0, 0], tf.int64))
    test = dataset(["a b"] * 4, tf.constant([0, 0, 0, 1], tf.int64))
    found = baselines.baselines(texts, train, test)
    assert found["always answering 'positive'"]["value"] == 0.25
    one_class = baselines.baselines(texts, train.take(3), test)
    assert list(one_class) == ["always answering 'positive'"]


def test_what_cannot_be_tried_is_left_out_in_one_line(texts, monkeypatch, capsys):
    train, test = reviews().train, reviews().test

    def left():
        assert [name[:16] for name in baselines.baselines(texts, train, test)] == ["always answering"]
        (line,) = capsys.readouterr().out.splitlines()
        return line

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
        assert left().endswith('scikit-learn is not installed: pip install "sequence-zoo[baselines]".')
    with monkeypatch.context() as patch:
        patch.setattr(baselines, "MOST", 39)
        assert "it takes seconds for up to 39 examples" in left()
    monkeypatch.setattr(baselines, "MOST_WORK", 10)
    assert "it takes minutes" in left()
    monkeypatch.undo()
    train = test = dataset(["?!", "..."], tf.constant([0, 1], tf.int64))
    assert "there are no words" in left()


def png(colour, size):
    with io.BytesIO() as file:
        Image.new("RGB", size, colour).save(file, "PNG")
        return file.getvalue()


def test_the_nearest_image():
    model = zoo.create_model("image_classifier", height=40, width=32, channels=3, num_classes=2, units=1, layers=1)
    task = zoo.ImageClassifier(model, ("red", "blue"), examples=[png("red", (9, 9))])
    train = dataset(
        [png((200, 0, 10), (50, 40)), png((0, 30, 200), (9, 9)), png("navy", (9, 9))], tf.constant([0, 1, 1], tf.int64)
    )
    test = dataset([png("red", (60, 60)), png("blue", (2, 2)), png("darkred", (9, 9))], tf.constant([0, 1, 0], tf.int64))
    found = baselines.baselines(task, train, test)
    assert found["always answering 'blue'"]["value"] == pytest.approx(1 / 3)
    assert found["the nearest training example"]["value"] == 1


def test_the_nearest_sequence_of_symbols_differs_in_the_fewest_places():
    model = zoo.create_model("sequence_classifier", steps=6, symbols=4, num_classes=2, units=2, cell="rnn")
    task = zoo.SymbolClassifier(model, Symbols("ACGT", length=6), ("one", "two"), examples=["ACGTAC"])
    train = dataset(["AAAAAA", "TTTTTT"], tf.constant([0, 1], tf.int64))
    # as numbers the letters of the first are nearer to those of "TTTTTT"
    test = dataset(["AAAATT", "CTTTTC"], tf.constant([0, 1], tf.int64))
    assert baselines.baselines(task, train, test)["the nearest training example"]["value"] == 1


def test_the_mean_beside_numbers():
    model = zoo.create_model("series_regressor", features=1, units=2, cell="rnn")
    task = zoo.SeriesRegressor(model, examples=[[[0.5], [1.0]]])
    values = np.array([[0.0], [1.0], [2.0], [3.0]], "float32")
    data = dataset(np.zeros((4, 2, 1), "float32"), values)
    assert baselines.baselines(task, data, data)["always answering the mean"]["value"] == pytest.approx(values.var())


class Translator:
    measure = staticmethod(zoo.metrics.translation)


def test_the_target_of_the_nearest_text_beside_a_translator():
    train = dataset(["uno dos tres cuatro", "la casa es roja"], ["one two three four five", "the house is red today"])
    test = tf.data.Dataset.from_tensor_slices(
        (["uno dos tres", "la casa roja"], tf.ragged.constant([["one two three four five"], ["the house is red today", "a"]]))
    )
    (name, score), *others = baselines.baselines(Translator(), train, test).items()
    assert (name, others) == ("the target of the nearest training text", [])
    assert score["value"] == pytest.approx(100)
    assert "signature" in score


def test_of_a_measure_of_its_own_nothing_is_known(texts):
    class Other(type(texts)):
        measure = staticmethod(lambda model, test: {})

    assert baselines.baselines(Other(texts.model, texts.words, texts.labels), None, None) == {}
