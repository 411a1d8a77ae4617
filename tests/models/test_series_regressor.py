"""A series regressor from the adding problem to its artefact."""

import functools
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe
from family import series as six_steps
from small import splits

import zoo
from zoo import config as configs
from zoo.artefacts import card as cards
from zoo.cli import main
from zoo.metrics import regression_scores

LENGTH = 4
SERIES = np.random.default_rng(0).normal(0, 1, (5, 7, 2)).round(2).tolist()


def tiny_task(**arguments):
    """A `SeriesRegressor` of series of two features."""
    model = zoo.create_model("series_regressor", features=2, **arguments)
    tiny.shake(model)
    return zoo.SeriesRegressor(model, examples=SERIES[:3])


FAMILY = Family(
    builder="series_regressor",
    common={"features": 2, "units": 4},
    tiny=[
        {"cell": "rnn"},
        {"cell": "gru", "bidirectional": True, "targets": 3, "dropout": 0.5},
        {"cell": "lstm", "layers": 2, "bidirectional": True},
        {"cell": "transformer"},
        {"cell": "transformer", "bidirectional": True},
    ],
    wrong=[
        {"cell": "qrnn"},
        {"features": 0},
        {"targets": 0},
        {"units": 0},
        {"layers": 0},
        {"dropout": 1.0},
    ],
    tensors={"series": six_steps},
    tasks={"regressor gru": functools.partial(tiny_task, cell="gru", units=8, targets=2, bidirectional=True)},
    inputs={"series": SERIES},
    signatures=lambda task: {"serving_default": ({"series": "float [N, ?, 2]"}, {"value": "float [N, 2]"})},
    data=lambda: splits((SERIES, np.arange(10.0).reshape(5, 2))),
    misfits={
        "more features": (
            (np.zeros((3, 5, 4)), np.zeros((3, 2))),
            r"series float32 \[\?, 2\].*float64 \[5, 4\]",
        ),
        "fewer targets": ((np.zeros((3, 5, 2)), np.zeros((3, 1))), r"value float32 \[2\].*float64 \[1\]"),
        "texts": ((["a"], np.zeros((1, 2))), r"series float32 \[\?, 2\]"),
    },
    recipes=(
        Recipe(
            name="vanishing_gradients",
            small="--length 6 --examples 60 --units 4",
            source="synthetic",
        ),
    ),
)


@pytest.fixture(scope="module")
def model(import_recipe, request, tmp_path_factory):
    recipe = import_recipe(request.config.rootpath / "recipes" / "vanishing_gradients.py")
    flags = f"--length {LENGTH} --cell gru --units 16 --examples 1500 --epochs 12 --batch-size 25 --learning-rate 0.01 --runs"
    return configs.run(recipe.main, [*flags.split(), str(tmp_path_factory.mktemp("runs"))])


def series(rows, length=LENGTH):
    return np.random.default_rng(0).random((rows, length, 2), "float32").round(2)


# The builder


def test_each_direction_gives_its_last_state():
    network = zoo.create_model("series_regressor", features=2, cell="gru", units=3, bidirectional=True)
    layer, inputs = network.get_layer("bidirectional_0"), series(4)
    stock = keras.layers.Bidirectional(keras.layers.GRU(3))
    stock.build(inputs.shape)
    stock.set_weights(layer.get_weights())
    np.testing.assert_allclose(network(inputs), network.get_layer("value")(stock(inputs)), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_transformer_sees_all_steps(bidirectional):
    keras.utils.set_random_seed(0)
    network = zoo.create_model("series_regressor", features=2, cell="transformer", units=4, bidirectional=bidirectional)
    inputs = series(1, 5)
    for step in range(5):
        changed = inputs.copy()
        changed[:, step] += 1
        assert abs(network(changed) - network(inputs)).numpy().max() > 1e-4


# The task


def test_examples_that_do_not_fit_are_refused():
    network = zoo.create_model("series_regressor", features=2, units=2)
    for examples in (series(2)[..., :1], series(2)[0], [series(1, 3)[0], series(1, 4)[0]], [], series(2, 0)):
        with pytest.raises(zoo.ZooError, match="The examples must"):
            zoo.SeriesRegressor(network, examples=examples)


@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_no_step_is_one_of_zeros(cell):
    network = zoo.create_model("series_regressor", features=2, cell=cell, units=4)
    answer = zoo.SeriesRegressor(network, examples=series(2)).signatures()["serving_default"]
    expected = answer(tf.zeros([3, 1, 2]))["value"]
    np.testing.assert_array_equal(answer(tf.zeros([3, 0, 2]))["value"], expected)
    assert answer(tf.zeros([0, 4, 2]))["value"].shape == (0, 1)


# The artefact


def test_names_and_shapes_are_frozen(model):
    """A client of the artefact relies on them."""
    assert model.card["signatures"] == {
        "serving_default": {"inputs": {"series": "float32 [N, ?, 2]"}, "outputs": {"value": "float32 [N, 1]"}}
    }


def test_it_learns(model):
    scores = model.card["scores"]
    assert list(scores) == ["mean squared error", "R²", "share within 0.04"]
    assert scores["mean squared error"]["value"] < 0.01
    assert scores["R²"]["value"] > 0.9
    assert model.card["run"]["monitor"] == "r2"
    for score in scores.values():
        assert score["low"] <= score["value"] <= score["high"]
        assert score["n"] == 150


def test_series_are_arrays_or_lists(model):
    inputs = series(5)
    answers = model.predict(inputs)
    assert [type(value) for answer in answers for value in answer["value"]] == [float] * 5
    assert model.predict(inputs.tolist()) == answers
    assert model.predict([{"series": one} for one in inputs]) == answers
    assert model.predict([]) == []
    assert len(model.predict(series(2, 0))) == 2
    short, long = series(1, 3)[0], series(1, 6)[0]
    assert len(model.predict([short, long], batch_size=1)) == 2
    with pytest.raises(zoo.ZooError, match=r"must have one shape, not \(3, 2\), \(6, 2\)"):
        model.predict([short, long])
    for wrong in (0.5, [0.5, 1], [], [["a", "b"]], [["1", "2"]], [[None, 1]], [[1j, 0]], [[1], [2, 3]], np.ones((4, 3))):
        with pytest.raises(zoo.ZooError, match="Input 0, 'series'"):
            model.predict([wrong])


def test_the_card(model):
    rendered = cards.render(model.card)
    assert 'model.predict([model.card["examples"][0]["input"]])' in rendered
    for example in model.card["examples"]:
        assert np.shape(example["input"]) == (LENGTH, 2)
        assert model.predict([example["input"]])[0]["value"] == pytest.approx(example["output"]["value"], abs=1e-5)
    assert model.card["data"]["source"] == "synthetic"


def test_the_command_line(model, capsys):
    main(["predict", str(model.directory), "[[0.5, 1], [0.25, 0], [0.125, 1]]", "--json"])
    (expected,) = model.predict([[[0.5, 1], [0.25, 0], [0.125, 1]]])
    assert json.loads(capsys.readouterr().out) == expected
    with pytest.raises(SystemExit):
        main(["predict", str(model.directory), "0.5 1"])
    assert "takes numbers as a JSON list" in capsys.readouterr().err
    main(["evaluate", str(model.directory), "--json"])
    assert json.loads(capsys.readouterr().out) == model.card["scores"]


def test_it_is_published_and_trained_on_from_a_checkout(model, tmp_path, monkeypatch):
    path = zoo.publish(model.directory, tmp_path)
    if (path / "assets").is_dir():
        (path / "assets").rmdir()  # git keeps no empty directory
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path))
    answers = zoo.load("vanishing_gradients").predict(series(3))
    values = zoo.load_task("vanishing_gradients").model(series(3))
    np.testing.assert_allclose(values, [answer["value"] for answer in answers], atol=1e-5)


# The scores


def test_scores_of_known_answers():
    values = np.arange(10.0)[:, None]
    perfect = regression_scores(values, values)
    assert [score["value"] for score in perfect.values()] == [0, 1, 1]
    off = np.where(np.arange(10) < 4, 0.5, 0.01)[:, None]
    scores = regression_scores(values, values + off)
    assert scores["mean squared error"]["value"] == pytest.approx(np.mean(off**2))
    assert scores["R²"]["value"] == pytest.approx(1 - np.mean(off**2) / np.var(values))
    assert scores["share within 0.04"]["value"] == 0.6
    mean = regression_scores(values, np.full_like(values, values.mean()))
    assert mean["R²"]["value"] == pytest.approx(0)
    metric = keras.metrics.R2Score()
    metric.update_state(values, values + off)
    assert scores["R²"]["value"] == pytest.approx(float(metric.result()), abs=1e-5)


def test_scores_of_several_targets_and_of_one_example():
    values = np.random.default_rng(0).normal(0, 1, (20, 2))
    answers = values + [0.01, 0.1]
    scores = regression_scores(values, answers)
    assert scores["share within 0.04"]["value"] == 0  # all targets of an example count
    each = [regression_scores(values[:, [target]], answers[:, [target]])["R²"]["value"] for target in range(2)]
    assert scores["R²"]["value"] == pytest.approx(np.mean(each))
    assert regression_scores(values[:1], values[:1])["R²"]["value"] == 1


def test_answers_are_matched_with_their_truth():
    data = zoo.data.adding_problem(zoo.RunConfig(), length=LENGTH, train=1, validation=1, test=150)
    fake = SimpleNamespace(
        predict=lambda inputs, batch_size: [{"value": [float((one[:, 0] * one[:, 1]).sum())]} for one in inputs]
    )
    assert zoo.metrics.regression(fake, data.test)["mean squared error"]["value"] == pytest.approx(0, abs=1e-10)
