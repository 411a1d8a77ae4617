"""`fit` with tasks of one's own: what is watched, callbacks of Keras, and how examples become batches."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import config as configs
from zoo.data import Splits
from zoo.training import batches
from zoo.training.steps import Steps

STEPS = 13  # of an epoch: 50 examples in batches of 4
MARKS = 5  # the ids of a target are 1 to 4


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Three epochs."""

    epochs: int = 3
    batch_size: int = 4


class Speech(zoo.Task):
    """Frames, float [T, 2], and fewer marks, int [C], drawn by the number of an example; notes what it is asked for."""

    monitor = zoo.Monitor("loss", "min")
    buckets = (10, 20, 40)

    def __init__(self):
        frames = keras.Input((None, 2), name="frames")
        before = keras.Input((None,), dtype="int32", name="before")
        x = keras.layers.Embedding(MARKS, 4)(before) + keras.layers.Dense(4)(keras.ops.mean(frames, axis=1, keepdims=True))
        x = keras.layers.Dense(MARKS)(keras.layers.Dropout(0.2)(x))
        super().__init__(keras.Model({"frames": frames, "before": before}, x, name="speech"), ())
        self.encoded, self.batches = [], []

    def encode_example(self, number):
        def example(numbers):
            self.encoded.append(len(numbers))
            rows = [speech(number) for number in numbers.numpy()]
            return padded([frames for frames, _ in rows]), padded([marks for _, marks in rows])

        frames, marks = tf.py_function(example, [number], [tf.float32, tf.int32])
        frames, marks = tf.ensure_shape(frames, [None, None, 2]), tf.ensure_shape(marks, [None, None])
        return {"frames": frames, "before": tf.pad(marks[:, :-1], [[0, 0], [1, 0]])}, marks

    def length(self, inputs, targets):
        marks = tf.math.count_nonzero(targets)
        return {"frames": tf.math.count_nonzero(inputs["frames"][:, 0]), "before": marks}, marks

    def finish_batch(self, inputs, targets):
        def note(frames, before, marks):
            self.batches.append((frames.numpy(), before.numpy(), marks.numpy()))

        with tf.control_dependencies([tf.py_function(note, [inputs["frames"], inputs["before"], targets], [])]):
            return tf.nest.map_structure(tf.identity, (inputs, targets))

    def losses(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def serving_default(self, number):
        raise NotImplementedError


def speech(number):
    """3 to 39 frames, none of them zero, and a mark for about every seventh."""
    random = np.random.default_rng(int(number))
    frames = random.uniform(0.5, 1, (random.integers(3, 40), 2)).astype("float32")
    return frames, random.integers(1, MARKS, len(frames) // 7 + 1).astype("int32")


def weights(task):
    return [weight.numpy() for weight in task.model.weights]


def assert_equal(some, others):
    for value, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(value, other)


def padded(rows):
    longest = max(map(len, rows))
    return np.stack([np.pad(row, [(0, longest - len(row)), *[(0, 0)] * (row.ndim - 1)]) for row in rows])


class Noisy(Speech):
    """Frames of one length with noise, another in each epoch; validation without."""

    buckets = ()
    encode_each_epoch = True

    def encode_example(self, number, *, seed):
        frames = tf.ones([tf.size(number), 8, 2])
        noise = tf.random.stateless_uniform(tf.shape(frames), seed) if seed is not None else 0.0
        marks = tf.repeat(1 + tf.cast(number[:, None] % 4, tf.int32), 3, axis=1)
        return {"frames": frames + noise, "before": tf.pad(marks[:, :-1], [[0, 0], [1, 0]])}, marks


class Early(Noisy):
    """Waits for progress from the first step on."""

    least_steps = 1


class Interrupt(keras.callbacks.Callback):
    """As a person does, after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.steps:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data():
    parts = {"train": range(50), "validation": range(100, 120), "test": range(2)}
    splits = {name: tf.data.Dataset.from_tensor_slices(list(numbers)) for name, numbers in parts.items()}
    splits = {name: split.map(lambda number: (number,)) for name, split in splits.items()}
    return Splits(loader="none", source="own", description="", terms="", **splits)


@pytest.fixture
def train(data, tmp_path):
    """(class of a task, callbacks, settings) → the task, trained, and its run."""

    def run(kind, *callbacks, runs="runs", **settings):
        config = Config(runs=tmp_path / runs, **settings)
        configs.prepare(config)
        task = kind()
        return task, zoo.fit(task, data, config, callbacks=callbacks)

    return run


@pytest.fixture
def losses(monkeypatch):
    """Losses of validation, one an epoch, in place of the real ones."""
    given = []
    monkeypatch.setattr(Steps, "evaluate", lambda self, *_: {"accuracy": 0.5, "loss": given.pop(0)})
    return given


# What is watched


def test_a_loss_is_watched_the_lower_the_better(train, losses):
    losses += [0.5, 0.7, 0.4, 0.4, 0.6]
    _, run = train(Early, epochs=5, patience=2 * STEPS)
    assert (run.best, run.best_epoch, len(run.log)) == (0.4, 3, 5)
    losses += [0.5, 0.7, 0.6, 0.1]
    _, run = train(Early, epochs=6, patience=2 * STEPS)
    assert (run.best, run.best_epoch, len(run.log)) == (0.5, 1, 3)


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("accuracy", r"Noisy\.monitor is a zoo\.Monitor, such as Monitor\(\"accuracy\"\), not 'accuracy'"),
        (zoo.Monitor("r2"), r"Monitor\('r2'\) watches nothing that is measured; there are: loss, accuracy"),
    ],
)
def test_what_cannot_be_watched_is_said_at_once(monitor, message, train):
    with pytest.raises(zoo.ZooError, match=message):
        train(type("Noisy", (Noisy,), {"monitor": monitor}))


def test_a_direction_is_max_or_min():
    with pytest.raises(zoo.ZooError, match="not 'lower'"):
        zoo.Monitor("loss", "lower")


# Callbacks


class Look(keras.callbacks.Callback):
    """What a callback is shown: the logs of each epoch, and in the end the weights."""

    def __init__(self):
        super().__init__()
        self.logs = {}

    def on_epoch_end(self, epoch, logs=None):
        self.logs[epoch] = logs

    def on_train_end(self, logs=None):
        self.weights = [weight.numpy() for weight in self.model.weights]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras's own, when it saves weights
def test_callbacks_of_keras_see_an_epoch_and_may_end_training(train, losses, tmp_path):
    losses += [0.5, 0.7, 0.6]
    look, best = Look(), tmp_path / "best.weights.h5"
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=1)
    keep = keras.callbacks.ModelCheckpoint(best, monitor="val_loss", mode="min", save_best_only=True, save_weights_only=True)
    task, run = train(Noisy, look, stop, keep, epochs=5)
    assert len(run.log) == 2
    keys = ("accuracy", "loss", "val_accuracy", "val_loss")
    assert look.logs == {row["epoch"] - 1: {key: row[key] for key in keys} for row in run.log}
    assert_equal(look.weights, weights(task))
    task.model.load_weights(best)
    assert_equal(look.weights, weights(task))
    assert len(train(Noisy, epochs=5)[1].log) == 2, "it had ended"


def test_in_half_precision_the_loss_is_scaled(train, monkeypatch):
    # a recipe's --precision asks for a GPU
    monkeypatch.setattr(configs, "prepare", lambda config: keras.config.set_dtype_policy("mixed_float16"))
    try:
        task, run = train(Noisy)
    finally:
        keras.config.set_dtype_policy("float32")
    scaled = task.model.optimizer
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)
    # steps whose gradients overflowed are left out, and the scale is halved
    left_out = run.log[-1]["step"] - int(scaled.iterations)
    assert float(scaled.dynamic_scale) == scaled.initial_scale / 2**left_out
    assert run.log[-1]["loss"] < run.log[0]["loss"]


# Batches


def test_sequences_have_lengths_of_their_own(train, data):
    task, run = train(Speech)
    expected = {number: speech(number) for part in (data.train, data.validation) for (number,) in part.as_numpy_iterator()}
    longest = max(len(frames) for frames, _ in expected.values())
    found, shapes = [], set()
    for frames, before, marks in task.batches:
        assert before.shape == marks.shape
        shapes.add((frames.shape[1], marks.shape[1]))
        for row, row_marks in zip(frames, marks, strict=True):
            found.append((row[row[:, 0] > 0].tobytes(), row_marks[row_marks > 0].tobytes()))
    assert sorted(found) == sorted(3 * [(frames.tobytes(), marks.tobytes()) for frames, marks in expected.values()])
    for side in (0, 1):
        assert len({shape[side] for shape in shapes}) <= 8, "4 in training and 4 in validation"
    assert max(shapes) == (longest, longest // 7 + 1)
    assert all(marks <= frames / 2 for frames, marks in shapes)
    assert len(task.encoded) == 2, "once for each split"
    assert run.log[-1]["loss"] < run.log[0]["loss"]


def test_what_takes_too_much_memory_is_encoded_in_each_epoch_and_trains_the_same(train, monkeypatch):
    kept, _ = train(Speech, runs="kept")
    monkeypatch.setattr(batches, "MEMORY", 100)
    streamed, _ = train(Speech, runs="streamed")
    assert_equal(weights(streamed), weights(kept))
    assert len(streamed.encoded) >= 2 * 3


def test_noise_is_another_in_each_epoch_and_the_same_again_after_an_interruption(train):
    task, run = train(Noisy, runs="whole")
    per_epoch, steps = len(task.batches) // 3, run.log[0]["step"]
    epochs = [task.batches[start : start + per_epoch] for start in range(0, len(task.batches), per_epoch)]
    noise = [np.sort(np.concatenate([frames.ravel() for frames, *_ in epoch[:steps]])) for epoch in epochs]
    assert len(np.unique(np.concatenate(noise))) > 0.9 * 3 * len(noise[0])
    assert all((frames == 1).all() for epoch in epochs for frames, *_ in epoch[steps:]), "validation is without"

    with pytest.raises(KeyboardInterrupt):
        train(Noisy, Interrupt(steps + 2))
    again, resumed = train(Noisy)
    assert_equal(weights(again), weights(task))
    assert [row["val_loss"] for row in resumed.log] == [row["val_loss"] for row in run.log]


@pytest.mark.parametrize("buckets", [(1, 2, 3, 4, 5), (4, 2), (0, 1)])
def test_buckets_are_few_and_ascend(buckets, train):
    with pytest.raises(zoo.ZooError, match="buckets are at most 4 lengths, ascending, not"):
        train(type("Speech", (Speech,), {"buckets": buckets}))
