"""One long sequence read in windows: where windows lie, and that what is carried goes from each to the next."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small import splits

import zoo
from zoo.tasks import signature
from zoo.training.steps import Steps
from zoo.training.streams import LEAST, Streams

WINDOW = 4


@keras.saving.register_keras_serializable("tests")
class RunningSum(keras.layers.Layer):
    """x float [N, T], total [N, 1] → the sum of all so far, [N, T], and the total; times a weight that is 1 at the start."""

    def build(self, *shapes):
        self.gain = self.add_weight(name="gain", shape=(), initializer="ones")

    def call(self, x, total):
        sums = total + tf.cumsum(x, axis=1)
        return self.gain * sums, sums[:, -1:]

    def compute_output_spec(self, x, total):
        return keras.KerasTensor(x.shape), keras.KerasTensor((x.shape[0], 1))


class Summing(zoo.Task):
    """Numbers to their running sum: only with what was carried is it right after the first window."""

    monitor = zoo.Monitor("loss", "min")
    carried, window = ("total",), WINDOW

    def encode_example(self, numbers):
        return {"x": numbers}, tf.cumsum(numbers, axis=1)

    def losses(self):
        return "mse"

    def metrics(self):
        return ["mae"]

    @signature(x=tf.TensorSpec([None], tf.float32))
    def serving_default(self, x):
        return {"sum": tf.reduce_sum(x, axis=1)}


@pytest.fixture(scope="module")
def task():
    x, total = keras.Input((None,), name="x"), keras.Input((1,), name="total")
    sums, last = RunningSum(name="sum")(x, total)
    return Summing(keras.Model({"x": x, "total": total}, {"sums": sums, "total": last}), examples=[np.ones(2, "float32")])


def numbers(*lengths):
    """Examples that are 0, 1, 2, ... together."""
    parts = np.split(np.arange(sum(lengths), dtype="float32"), np.cumsum(lengths)[:-1])
    return tf.data.Dataset.from_generator(
        lambda: iter([(part,) for part in parts]), output_signature=(tf.TensorSpec([None]),)
    ).apply(tf.data.experimental.assert_cardinality(len(lengths)))


def rows(batches):
    """The streams of an epoch, each in one piece."""
    return np.concatenate([inputs["x"].numpy() for inputs, _ in batches], axis=1)


def test_rows_of_a_batch_go_on_where_those_of_the_one_before_ended(task):
    length = 3 * LEAST * WINDOW + 7
    streams = Streams(task, numbers(length - 20, 20), batch_size=8)
    batches = list(streams.epoch())
    assert (len(batches), streams.steps, streams.examples) == (LEAST * 3 // 2 + 1, LEAST * 3 // 2 + 1, 2 * streams.steps)
    assert {tuple(inputs["x"].shape) for inputs, _ in batches} == {(2, 4), (2, 3)}
    np.testing.assert_array_equal(rows(batches), np.arange(length // 2 * 2).reshape(2, -1))


def test_each_epoch_begins_elsewhere_and_reads_nearly_all_once(task):
    length = 4 * LEAST * WINDOW + 3
    streams = Streams(task, numbers(length), batch_size=4)
    epochs = [rows(streams.epoch(seed)) for seed in (0, 1, 1)]
    assert epochs[0][0, 0] != epochs[1][0, 0]
    np.testing.assert_array_equal(epochs[1], epochs[2])
    for epoch in epochs:
        assert len(np.unique(epoch)) == length - 3
        steps = np.diff(epoch.ravel())
        assert set(steps) == {1, 1 - length}, "it goes round"


def test_short_sequences_have_few_streams_and_enough_steps(task):
    assert [Streams(task, numbers(size), batch_size=16).epoch().element_spec[0]["x"].shape.rank for size in (3, 500)] == [2, 2]
    assert len(rows(Streams(task, numbers(3), batch_size=16).epoch())) == 1
    assert Streams(task, numbers(2000), batch_size=16, least_steps=100).steps >= 100


def test_the_state_goes_from_window_to_window_and_not_from_epoch_to_epoch(task):
    """Also: validation does not disturb training."""
    streams = Streams(task, numbers(LEAST * WINDOW), batch_size=1)
    model = task.trained
    model.compile(keras.optimizers.SGD(0.0), loss=task.losses(), metrics=task.metrics())
    model.optimizer.build(model.trainable_variables)
    steps = Steps(model, streams.epoch().element_spec, carried=task.carried)
    for _ in range(2):
        scores = steps.evaluate(streams.epoch(), keras.callbacks.CallbackList([]))
        assert scores == {"loss": 0.0, "mae": 0.0}
        steps.reset()
        for inputs, targets in streams.epoch():
            logs = steps.train(inputs, targets)
        assert float(logs["loss"]) == 0.0


def test_no_gradient_reaches_the_window_before(task):
    """The loss of the second window of two depends on the weight directly alone."""
    model = task.trained
    model.compile(keras.optimizers.SGD(1e-3), loss="mse", metrics=[])
    model.optimizer.build(model.trainable_variables)
    spec = Streams(task, numbers(8), batch_size=1).epoch().element_spec
    steps = Steps(model, spec, carried=task.carried)
    (gain,) = model.trainable_variables
    x = tf.constant([[1.0, 2.0, 3.0, 4.0]])
    steps.train({"x": x}, tf.cumsum(x, axis=1))
    assert float(gain) == 1.0
    steps.train({"x": x}, tf.zeros([1, 4]))
    sums = 10 + np.cumsum([1.0, 2.0, 3.0, 4.0])
    assert float(gain) == pytest.approx(1 - 1e-3 * 2 * np.mean(sums**2), rel=1e-5)
    gain.assign(1.0)


def test_fit_carries_it(task, tmp_path):
    data = splits(np.arange(LEAST * WINDOW, dtype="float32")[None])  # one stream
    data = zoo.data.Splits(
        **{name: getattr(data, name).map(lambda row: (row,)) for name in ("train", "validation", "test")},
        **{name: getattr(data, name) for name in ("source", "description", "terms")},
    )
    task.model.built_by = zoo.registry.BuiltBy("language_model", {})
    run = zoo.fit(task, data, zoo.RunConfig(runs=tmp_path, epochs=1, learning_rate=1e-20, batch_size=1))
    assert run.best == pytest.approx(0, abs=1e-3)
