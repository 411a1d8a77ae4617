"""Norms of gradients against the lag, held against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from zoo import layers
from zoo.gradients import factor_per_step

STEPS, ROWS, UNITS = 12, 5, 4
RANDOM = np.random.default_rng(0)
SERIES = RANDOM.normal(0, 1, (ROWS, STEPS, 3)).astype("float32")
STOCK = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
ZOO = {"rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}


def last(targets, outputs):
    """A loss of the last step alone."""
    return tf.reduce_mean(outputs[:, -1] ** 2)


def linear(layer, gain, *, masking=False):
    """A model whose recurrent kernel is `gain` times orthogonal; with the tiny `INPUTS` tanh is a straight line."""
    model = keras.Sequential([keras.Input((None, 3)), *([keras.layers.Masking(9.0)] if masking else []), layer])
    layer.cell.recurrent_kernel.assign(gain * np.linalg.qr(RANDOM.normal(0, 1, (UNITS, UNITS)))[0])
    layer.cell.kernel.assign(np.eye(3, UNITS))
    return model


INPUTS = SERIES * 1e-4


def expected(model, layer, inputs, gain):
    """Norms by lag of the mean of squares of the last state: d/dx_t = 2 / (N U) W Rᵀ... h."""
    h = np.asarray(model(inputs), "float64")
    kernel, recurrent = np.asarray(layer.cell.kernel, "float64"), np.asarray(layer.cell.recurrent_kernel, "float64")
    gradients, norms = 2 * h / h.size, []
    for _ in range(inputs.shape[1]):
        norms.append(np.linalg.norm(gradients @ kernel.T, axis=1).mean())
        gradients = gradients @ recurrent.T
    return np.array(norms)


@pytest.mark.parametrize("cells", [STOCK, ZOO], ids=["stock", "zoo"])
@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_norms_change_by_the_gain_of_the_recurrent_kernel(cells, gain):
    layer = cells["rnn"](UNITS, name="layer")
    model = linear(layer, gain)
    (norms,) = zoo.gradient_flow(model, INPUTS).values()
    assert (norms.shape, norms.dtype) == ((STEPS,), np.float64)
    np.testing.assert_allclose(norms, expected(model, layer, INPUTS, gain), rtol=1e-3)
    assert factor_per_step(norms) == pytest.approx(gain, rel=0.05)  # three of the four dimensions are seen


@pytest.mark.parametrize("cell", STOCK)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_zoo_layers_and_stock_ones_have_the_same_norms(cell, bidirectional):
    found = []
    for cells in (STOCK, ZOO):
        layer = cells[cell](UNITS, return_sequences=True, name="layer")
        layer = keras.layers.Bidirectional(layer, name="both") if bidirectional else layer
        model = keras.Sequential([keras.Input((None, 3)), layer, cells[cell](2, name="top")])
        random = np.random.default_rng(1)
        model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.weights])
        found.append(zoo.gradient_flow(model, (SERIES, np.ones((ROWS, 2))), loss=keras.losses.MeanSquaredError()))
    names = ["both/forward_layer", "both/backward_layer"] if bidirectional else ["layer"]
    assert list(found[0]) == list(found[1]) == [*names, "top"]
    for name, norms in found[0].items():
        assert (norms > 0).all()
        np.testing.assert_allclose(found[1][name], norms, rtol=1e-4)


def test_the_lag_is_counted_from_the_last_valid_step():
    lengths = (5, 2, 3)
    inputs = np.full((4, 6, 3), 9, "float32")  # padding, and a row of nothing else
    for row, length in enumerate(lengths):
        inputs[row, :length] = INPUTS[row, :length]
    layer = ZOO["rnn"](UNITS)
    model = linear(layer, 0.5, masking=True)
    (norms,) = zoo.gradient_flow(model, inputs, loss=lambda _, outputs: tf.reduce_sum(outputs**2, axis=-1)).values()
    alone = []
    for row, length in enumerate(lengths):
        alone.append(np.full(6, np.nan))
        # of a mean over 4 rows, and for `expected` over 4 units
        alone[-1][:length] = expected(model, layer, inputs[row : row + 1, :length], 0.5)
    np.testing.assert_allclose(norms, [*np.nanmean(np.array(alone)[:, :5], axis=0), np.nan], rtol=1e-3)


def test_a_left_padded_row_of_a_stock_layer():
    layer = STOCK["rnn"](UNITS)
    model = linear(layer, 0.5, masking=True)
    padded = np.concatenate([np.full((ROWS, 3, 3), 9, "float32"), INPUTS], axis=1)
    (norms,) = zoo.gradient_flow(model, padded).values()
    np.testing.assert_allclose(norms[:STEPS], expected(model, layer, INPUTS, 0.5), rtol=1e-3)
    assert np.isnan(norms[STEPS:]).all()


@pytest.mark.parametrize("cells", [STOCK, ZOO], ids=["stock", "zoo"])
def test_the_lag_of_a_layer_that_goes_backwards_is_counted_as_it_reads(cells):
    layer = cells["rnn"](UNITS, go_backwards=True)
    model = linear(layer, 0.5, masking=True)
    (norms,) = zoo.gradient_flow(model, INPUTS).values()
    forward = expected(model, layer, INPUTS, 0.5)
    np.testing.assert_allclose(norms, forward, rtol=1e-3)
    padded = np.concatenate([INPUTS, np.full((ROWS, 3, 3), 9, "float32")], axis=1)
    (norms,) = zoo.gradient_flow(model, padded).values()
    np.testing.assert_allclose(norms[:STEPS], forward, rtol=1e-3)
    assert np.isnan(norms[STEPS:]).all()


def test_what_passes_a_layer_by_is_not_counted():
    x = keras.Input((STEPS, 3))
    y = keras.layers.SimpleRNN(3, return_sequences=True, kernel_initializer="zeros", name="layer")(x)
    (norms,) = zoo.gradient_flow(keras.Model(x, x + y), SERIES).values()
    np.testing.assert_array_equal(norms, 0)


def test_layers_of_nested_models_and_of_a_layer_called_twice():
    shared = keras.layers.GRU(3, return_sequences=True, name="shared")
    inner = keras.Sequential([keras.Input((None, 3)), shared], name="inner")
    x = keras.Input((None, 3))
    model = keras.Model(x, inner(inner(x)))
    norms = zoo.gradient_flow(model, SERIES, loss=last)
    assert list(norms) == ["inner/shared", "inner/shared 2"]
    assert norms["inner/shared"][-1] > 0


def test_a_decoder_of_the_zoo():
    sizes = {"source_size": 20, "target_size": 20, "units": 4}
    model = zoo.create_model("sequence_to_sequence", **sizes, cell="lstm", bidirectional=True)
    ids = RANDOM.integers(1, 20, (3, 5))
    norms = zoo.gradient_flow(
        model, {"source": ids, "target": ids}, loss=lambda _, out: tf.reduce_mean(tf.nest.flatten(out)[0][:, -1] ** 2)
    )
    assert len(norms) >= 3
    assert all(np.isfinite(value).all() for value in norms.values())


def test_the_compiled_loss_is_the_default():
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(2)])
    targets = np.ones((ROWS, 2), "float32")
    given = zoo.gradient_flow(model, (SERIES, targets), loss=keras.losses.MeanAbsoluteError())
    model.compile(loss="mean_absolute_error")
    np.testing.assert_allclose(*[list(flow.values()) for flow in (zoo.gradient_flow(model, (SERIES, targets)), given)])


def test_the_model_is_left_as_it_was():
    layer = ZOO["lstm"](3)
    model = keras.Sequential([keras.Input((None, 3)), layer])
    weights, before = model.get_weights(), dict(vars(layer))
    zoo.gradient_flow(model, SERIES)
    with pytest.raises(zoo.ZooError):
        zoo.gradient_flow(model, SERIES[..., :2])
    assert vars(layer).keys() == before.keys()
    assert all(np.array_equal(old, new) for old, new in zip(weights, model.get_weights(), strict=True))


def test_the_picture(tmp_path):
    zoo.gradient_flow(linear(ZOO["rnn"](UNITS), 0.5), INPUTS, picture=tmp_path / "flow.png")
    with Image.open(tmp_path / "flow.png") as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_the_factor_per_step():
    assert factor_per_step([8, 4, 2, 1]) == pytest.approx(0.5)
    assert factor_per_step([1, 3, 2, 8.0]) == pytest.approx(2)
    assert factor_per_step([1e-30, 1e-38, 0, np.nan]) == pytest.approx(1e-8)
    assert np.isnan(factor_per_step([1.0]))
    assert np.isnan(factor_per_step([0, 0, np.nan]))


PLAIN = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
RECURRENT = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(2)])
BAD = {
    "no recurrent layer": lambda: zoo.gradient_flow(PLAIN, SERIES[:, 0]),
    "targets and no loss": lambda: zoo.gradient_flow(RECURRENT, (SERIES, np.ones((ROWS, 2)))),
    "has no weights yet": lambda: zoo.gradient_flow(keras.Sequential([keras.layers.LSTM(2)]), SERIES),
    "takes a keras.Model, not LSTM": lambda: zoo.gradient_flow(keras.layers.LSTM(2), SERIES),
    "not 3 things": lambda: zoo.gradient_flow(RECURRENT, (SERIES, SERIES, SERIES)),
    "does not fit the model": lambda: zoo.gradient_flow(RECURRENT, SERIES[..., :2]),
    "there is no directory nowhere": lambda: zoo.gradient_flow(RECURRENT, SERIES, picture="nowhere/a.png"),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_explained(message):
    with pytest.raises(zoo.ZooError, match=message):
        BAD[message]()
