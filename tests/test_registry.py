"""The registry, and what every builder in it promises."""

import importlib
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from families import FAMILIES
from family import tokens

import zoo
from zoo import registry

TEXTS = FAMILIES["text_classifier"].common
CASES = [
    pytest.param(name, arguments, id=f"{name}-{'-'.join(f'{key}={value}' for key, value in arguments.items())}")
    for name, family in FAMILIES.items()
    for arguments in family.tiny
]


def build(name, arguments):
    """A tiny model, the weights that start at zero made other than zero, so that every path counts."""
    keras.utils.set_random_seed(0)  # else a few units of ReLU may happen to be dead, all of them
    model = zoo.create_model(name, **FAMILIES[name].common | arguments)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path == "ngram_linear/owners":
            weight.assign(np.ones(weight.shape))  # the fingerprint of all ids below 256
        elif not np.any(weight.numpy()):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return model


def batch(model, rows, steps):
    """A batch of random rows, {row: length}: input name → array. A row is the same whatever its batch-mates and the steps."""

    def make(tensor):
        row_of = FAMILIES[model.built_by.name].tensors.get(tensor.name, tokens)
        return [row_of(tensor.shape[1:], length, steps, np.random.default_rng(row)) for row, length in rows.items()]

    return {tensor.name: np.stack(make(tensor)) for tensor in model.inputs}


def answer(model, inputs):
    """Output name → array."""
    outputs = model(inputs if len(inputs) > 1 else next(iter(inputs.values())), training=False)
    return {key: np.array(value) for key, value in (outputs if isinstance(outputs, dict) else {"": outputs}).items()}


def assert_equal(actual, expected):
    """Compares outputs up to the steps that both have: where the inputs are padded, an output by steps goes on."""
    assert actual.keys() == expected.keys()
    for key, value in actual.items():
        both = tuple(slice(min(sizes)) for sizes in zip(value.shape, expected[key].shape, strict=True))
        np.testing.assert_allclose(value[both], expected[key][both], atol=1e-5, err_msg=key)


def paths(model):
    return [(weight.path, tuple(weight.shape)) for weight in model.weights]


def test_list_by_pattern_and_mapping():
    assert "text_classifier" in zoo.list_models()
    assert zoo.list_models() == sorted(zoo.list_models())
    assert "text_classifier" in zoo.list_models("text_*", mapping="many_to_one")
    assert "text_classifier" not in zoo.list_models(mapping="one_to_many")
    assert zoo.list_models("no such thing") == []
    with pytest.raises(zoo.ZooError, match=r"'one_to_six'.*one_to_one, one_to_many"):
        zoo.list_models(mapping="one_to_six")


@pytest.mark.parametrize("function", [zoo.create_model, zoo.model_info])
def test_an_unknown_name_suggests_the_nearest(function):
    with pytest.raises(zoo.ZooError, match=r"'text_clasifier'.*Did you mean 'text_classifier'"):
        function("text_clasifier")
    with pytest.raises(zoo.ZooError, match=r"There are .*text_classifier"):
        function("zzz")


def test_unknown_and_missing_arguments_are_named():
    with pytest.raises(zoo.ZooError, match=r"no argument celll, hidden; it takes vocabulary_size, .*cell='lstm'"):
        zoo.create_model("text_classifier", vocabulary_size=9, num_classes=2, hidden=3, celll="gru")
    with pytest.raises(zoo.ZooError, match="needs the argument num_classes"):
        zoo.create_model("text_classifier", vocabulary_size=9)


def test_none_means_the_default():
    plain = zoo.create_model("text_classifier", **TEXTS)
    model = zoo.create_model("text_classifier", **TEXTS, cell=None, layers=None, ngram_order=None)
    assert paths(model) == paths(plain)
    assert model.built_by == plain.built_by


def test_the_facts_need_no_tensorflow_and_are_those_after_the_import():
    script = (
        "import json, sys, zoo\n"
        "infos = {name: vars(zoo.model_info(name)) for name in zoo.list_models()}\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "print(json.dumps(infos))"
    )
    before = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    for name in before:
        importlib.import_module(zoo.model_info(name).module)
    assert before == {name: vars(zoo.model_info(name)) for name in zoo.list_models()}


@pytest.fixture
def registered(monkeypatch):
    """A builder of somebody else's, registered for one test."""
    monkeypatch.setattr(registry, "_builders", dict(registry._builders))
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @zoo.register_model(mapping="one_to_one")
    def house_price(*, units=3):
        """Prices a house: one layer."""
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])

    return house_price


def test_a_builder_of_somebody_elses(registered):
    assert "house_price" in zoo.list_models(mapping="one_to_one")
    assert zoo.model_info("house_price").summary == "Prices a house: one layer."
    assert zoo.create_model("house_price", units=5).output_shape == (None, 5)
    zoo.register_model(mapping="one_to_one")(registered)  # its module is run again, as in a notebook


def test_a_name_is_registered_once(registered):
    def house_price():
        """Another."""

    house_price.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="'house_price' is registered already, by"):
        zoo.register_model(mapping="one_to_one")(house_price)

    def text_classifier():
        """Somebody's, under a name of this package."""

    text_classifier.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="'text_classifier' is registered already, by"):
        zoo.register_model(mapping="one_to_one")(text_classifier)
    with pytest.raises(ValueError, match="'two_to_two' is not one of"):
        zoo.register_model(mapping="two_to_two")


def test_every_builder_has_its_rows():
    assert set(zoo.list_models()) == set(FAMILIES)


@pytest.mark.parametrize("name", zoo.list_models())
def test_builders_are_documented_and_take_keywords(name):
    info = zoo.model_info(name)
    assert info.mapping in registry.MAPPINGS
    assert info.summary.endswith(".")
    for part in ("Args:", "Returns:", "Source:"):
        assert f"\n{part}" in info.doc
    builder = getattr(importlib.import_module(info.module), name)
    for key, parameter in inspect.signature(builder).parameters.items():
        assert parameter.kind == parameter.KEYWORD_ONLY, key
        assert f"    {key}: " in info.doc, f"{key} is not explained"


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_builders(name, arguments):
    model = build(name, arguments)
    assert not getattr(model, "compiled", False)
    assert paths(model) == paths(build(name, arguments)), "weight paths depend on what was built before"
    assert len({path for path, _ in paths(model)}) == len(model.weights), "two weights share a path"

    rows = {0: 7, 1: 3, 2: 1}
    outputs = answer(model, batch(model, rows, 7))
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert all(value.shape[0] == len(rows) for value in outputs.values())

    # neither padding nor batch-mates change an answer
    assert_equal(answer(model, batch(model, rows, 11)), outputs)
    assert_equal(answer(model, batch(model, {1: 3}, 3)), {key: value[1:2] for key, value in outputs.items()})

    # other inputs have other answers
    other = answer(model, {key: value[::-1] for key, value in batch(model, rows, 7).items()})
    assert all(np.abs(other[key] - value).max() > 1e-5 for key, value in outputs.items())

    for copy in (keras.models.clone_model(model), keras.models.model_from_json(model.to_json())):
        copy.set_weights(model.get_weights())
        assert_equal(answer(copy, batch(model, rows, 7)), outputs)


WRONG = [(name, arguments) for name, family in FAMILIES.items() for arguments in family.wrong]


@pytest.mark.parametrize(("name", "arguments"), WRONG, ids=str)
def test_wrong_arguments_are_refused(name, arguments):
    with pytest.raises(zoo.ZooError, match=list(arguments)[-1]):
        zoo.create_model(name, **FAMILIES[name].common | arguments)
