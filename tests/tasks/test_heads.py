"""A head for other classes begins with what the trained one knows, in every family of classifiers."""

import numpy as np
import pytest
import tensorflow as tf
from families import FAMILIES
from small import SENTIMENTS, columns, splits, weights

import zoo
from zoo.artefacts import lineage
from zoo.data.film_reviews import film_reviews
from zoo.layers.ngrams import NGramLinear
from zoo.tasks import Classifier
from zoo.tasks.heads import _regression

CLASSIFIERS = [next(iter(family.tasks)) for name, family in FAMILIES.items() if name.endswith("_classifier")]


def logits(task, values):
    """What the model says of raw inputs."""
    outputs = task.model(task.inputs(tf.constant(values)), training=False)
    return (outputs["logits"] if isinstance(outputs, dict) else outputs).numpy()


@pytest.fixture(scope="module")
def knowing(tiny_artefact):
    """The tiny artefact's task, and texts that it is made to answer: as many of either class, by its own logits."""
    task = zoo.load_task(tiny_artefact)
    texts, _ = columns(film_reviews(300, 1, 1)["train"])
    margin = np.diff(logits(task, texts), axis=1)[:, 0]
    return texts, margin > np.median(margin)


@pytest.mark.parametrize("labels", [("bad", "good"), ("good", "bad")])
def test_renamed_classes_begin_as_good_as_the_old_ones(labels, knowing, tiny_artefact):
    """Whatever their order: nothing is served reversed."""
    texts, positive = knowing
    own = zoo.load_task(tiny_artefact, labels=labels)
    numbers = np.where(positive, labels.index("good"), labels.index("bad"))
    own.adapt(tf.data.Dataset.from_tensor_slices((texts[:200], numbers[:200])))
    answers = own.signatures()["serving_default"](tf.constant(texts[200:]))["label"].numpy()
    expected = np.where(positive, b"good", b"bad")[200:]
    assert np.mean(answers == expected) > 0.85


def test_classes_that_the_answers_tell_apart_are_told_apart(knowing, tiny_artefact):
    """Also by each path of the text classifier alone."""
    texts, _ = knowing
    margin = np.diff(logits(zoo.load_task(tiny_artefact), texts), axis=1)[:, 0]
    numbers = np.searchsorted(np.quantile(margin, [1 / 3, 2 / 3]), margin)
    own = zoo.load_task(tiny_artefact, labels=("no", "perhaps", "yes"))
    kept = {path: value for path, value in weights(own.model).items() if not path.startswith(("classes/", "ngram_linear/"))}
    own.adapt(tf.data.Dataset.from_tensor_slices((texts[:200], numbers[:200])))
    for path, value in kept.items():
        np.testing.assert_array_equal(weights(own.model)[path], value, err_msg=path)
    assert np.mean(logits(own, texts[200:]).argmax(axis=1) == numbers[200:]) > 0.6
    assert lineage.fresh(own.model) == set()


@pytest.mark.parametrize("export", CLASSIFIERS, indirect=True)
def test_a_head_of_every_classifier_is_made_of_the_old_one(export, tmp_path):
    """With as many classes that are the old ones by another name it says nearly the same of the training examples."""
    old = export.rebuilt(tmp_path / "artefact")
    assert isinstance(old, Classifier)
    own = zoo.load_task(tmp_path / "artefact", labels=[f"new {label}" for label in old.labels])
    data = FAMILIES[old.model.built_by.name].data()
    values = np.array([value for value, *_ in data.train.as_numpy_iterator()])
    wanted = logits(old, values).argmax(axis=1)
    fresh = lineage.fresh(own.model)
    assert fresh
    own.adapt(tf.data.Dataset.from_tensor_slices((values, wanted)))
    assert lineage.fresh(own.model) == set()
    assert np.mean(logits(own, values).argmax(axis=1) == wanted) > 0.8
    for path, value in weights(own.model).items():
        assert path in fresh or np.array_equal(value, weights(old.model)[path]), path


@pytest.mark.parametrize(("old", "new"), [(2, 2), (2, 3), (4, 2), (4, 5)])
def test_a_map_of_the_logits_of_ngrams_is_a_layer_of_ngrams(old, new):
    random = np.random.default_rng(0)
    hashes = random.integers(1, 2**31, (6, 9, 2)).astype("int32")
    trained, layer = NGramLinear(old, 1024), NGramLinear(new, 1024)
    trained(hashes), layer(hashes)
    trained.adapt(np.repeat(hashes.ravel(), 2), np.repeat(np.arange(6) % old, 36))
    trained.factors.assign(random.normal(0, 1, trained.factors.shape))
    trained.bias.assign(random.normal(0, 1, trained.bias.shape))
    weights, bias = random.normal(0, 1, (old, new)), random.normal(0, 1, new)
    layer.continue_from(trained, weights, bias)
    expected, found = trained(hashes).numpy() @ weights + bias, layer(hashes).numpy()
    assert np.abs(trained(hashes)).max() > 1
    centred = [values - values.mean(axis=1, keepdims=True) for values in (expected, found)]  # a constant is no answer
    np.testing.assert_allclose(*centred, rtol=1e-4, atol=1e-4)


def test_ngrams_that_tell_more_take_a_bucket_and_others_keep_what_they_weigh():
    layer = NGramLinear(2, 256)
    layer(np.ones((1, 1, 1), "int32"))
    known, stranger = 7, 7 + 256  # of one bucket
    layer.adapt(np.repeat(known, 4), np.array([0, 0, 1, 1])[[0, 1, 0, 1]])
    layer.factors.assign(np.full(layer.factors.shape, 0.5))
    weight = (layer.ratios.numpy() * layer.factors.numpy())[7]
    layer.adapt(np.repeat(known, 8), np.ones(8, int))  # now it tells more: it weighs what it did
    assert layer.ratios.numpy()[7] > 0
    np.testing.assert_allclose((layer.ratios.numpy() * layer.factors.numpy())[7], weight, atol=1e-6)
    before = weights_of(layer)
    layer.adapt(np.repeat(stranger, 4), np.ones(4, int))
    assert weights_of(layer) == before
    layer.adapt(np.repeat(stranger, 40), np.zeros(40, int))
    assert weights_of(layer) != before
    assert layer.factors.numpy()[7] == 0  # nothing is known of it


def weights_of(layer):
    return [np.asarray(weight).tobytes() for weight in layer.weights]


def test_a_regression_uses_what_helps_on_examples_that_were_left_out():
    random = np.random.default_rng(0)
    columns = random.normal(0, 1, (300, 40)).astype("float32")
    labels = (columns[:, 0] + 0.3 * random.normal(0, 1, 300) > 0).astype(int)
    logits = random.normal(0, 1, (300, 2))
    weights, bias, told = _regression([logits[:200], columns[:200]], labels[:200], 2, seed=0)
    answers = np.concatenate([logits, columns], axis=1)[200:] @ weights + bias
    assert np.mean(answers.argmax(axis=1) == labels[200:]) > 0.85
    assert told > 0.3
    _, _, told = _regression([logits[:200]], labels[:200], 2, seed=0)
    assert told < 0.1
    noise, *_ = _regression([logits[:200], columns[:200]], random.integers(0, 2, 200), 2, seed=0)
    assert np.abs(noise).max() < 0.2 * np.abs(weights).max()
    weights, _, told = _regression([logits[:3], columns[:3]], labels[:3], 2, seed=0)
    assert weights.shape == (42, 2)
    assert told == 0


def test_a_fresh_model_has_no_head_to_begin_with():
    model = zoo.create_model("text_classifier", vocabulary_size=4, num_classes=2, cell="rnn", units=3)
    task = zoo.TextClassifier(model, zoo.preprocessing.Words(["a", "b"], limit=4), SENTIMENTS)
    before = weights(model)
    task.adapt(splits((["a", "b"], [0, 1]), SENTIMENTS).train)
    for path, value in weights(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
