"""`fit`: the same numbers for the same seed, interrupted or not; the best weights; what stops it; and its batches."""

import csv
import errno
import itertools
import json
import shutil
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import config as configs
from zoo import files
from zoo.data import Splits
from zoo.training import state
from zoo.training.batches import Batches
from zoo.training.steps import Steps

LIMIT = 16  # words of a text; the buckets are 3, 4, 8 and 16


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Three epochs."""

    epochs: int = 3
    batch_size: int = 4
    learning_rate: float = 0.01


def examples(count, seed):
    """Texts of 0 to 20 words, each with a word of its own; label 1 where "good" is in it."""
    random = np.random.default_rng(seed)
    texts = [f"n{seed}x{i} {' '.join(random.choice(['good', 'bad', 'film'], i % 20))}" for i in range(count - 1)] + ["<br />"]
    return tf.data.Dataset.from_tensor_slices((texts, [int("good" in text) for text in texts]))


@pytest.fixture(scope="module")
def data():
    return Splits(
        loader="none",
        source="own",
        train=examples(61, 0),
        validation=examples(20, 1),
        test=examples(5, 2),
        description="",
        terms="",
        labels=("bad", "good"),
    )


@pytest.fixture(scope="module")
def words(data):
    return zoo.preprocessing.Words.fit(data.train, size=100, limit=LIMIT)


@pytest.fixture(scope="module")
def train(data, words):
    """Trains a fresh, seeded model: (directory of runs, callbacks of Keras, settings) → (task, run)."""

    def run(root, *callbacks, **settings):
        config = Config(runs=root, **settings)
        configs.prepare(config)
        model = zoo.create_model(
            "text_classifier",
            vocabulary_size=words.size,
            num_classes=2,
            cell="rnn",
            units=4,
            bidirectional=False,
            dropout=0.5,
            ngram_order=2,
            ngram_buckets=256,
        )
        task = zoo.TextClassifier(model, words, data.labels)
        return task, zoo.fit(task, data, config, callbacks=callbacks)

    return run


@pytest.fixture(scope="module")
def seeds():
    """The seeds of the epochs of the reference, in order."""
    return []


@pytest.fixture(scope="module")
def reference(train, seeds, tmp_path_factory):
    """A run of three epochs that nothing disturbed: (task, run)."""
    epoch = Batches.epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "epoch", lambda self, seed=None: seeds.append(seed) or epoch(self, seed))
        return train(tmp_path_factory.mktemp("reference"))


def arrays(path):
    """What a run keeps in one file: its arrays, and its progress without the time it took."""
    with np.load(path) as stored:
        progress = json.loads(str(stored["progress"]))
        return [stored[f"v{index}"] for index in range(len(stored.files) - 1)], timeless(progress)


def timeless(progress):
    log = [{key: value for key, value in row.items() if key != "seconds"} for row in progress.get("log", [])]
    return {key: value for key, value in progress.items() if key != "seconds"} | {"log": log}


def assert_same_run(path, expected):
    for name in ("newest.npz", "best.npz"):
        (mine, progress), (theirs, expected_progress) = arrays(path / name), arrays(expected / name)
        assert progress == expected_progress
        assert len(mine) == len(theirs)
        for value, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(value, other)


def raw_weights(run):
    """What a run would go on from, without the state of its optimizer: of all its files the largest part."""
    best, newest = arrays(run.path / "best.npz")[0], arrays(run.path / "newest.npz")[0]
    return newest[: len(best)]


def weights(task):
    return [variable.numpy() for variable in task.model.trainable_variables]


def differ(some, others):
    return max(np.abs(value - other).max() for value, other in zip(some, others, strict=True)) > 1e-6


def test_a_run_leaves_its_log_and_its_best_weights(reference):
    task, run = reference
    rows = list(csv.DictReader((run.path / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    steps = Batches(task, run.data.train, batch_size=4).steps
    assert [int(row["step"]) for row in rows] == [steps, 2 * steps, 3 * steps]
    scores = [float(row["val_logits_crossentropy"]) for row in rows]
    assert run.best == min(scores)
    assert run.best_epoch == 1 + scores.index(min(scores))
    stored, _ = arrays(run.path / "best.npz")
    for variable, value in zip(task.model.variables, stored, strict=True):
        if not variable.path.startswith("ngram_linear"):  # of few texts: solved again with those that validated
            np.testing.assert_array_equal(variable, value)


def test_it_says_how_far_it_will_go_and_how_far_it_went(reference, train, tmp_path, capsys):
    steps = Batches(reference[0], reference[1].data.train, batch_size=4).steps
    train(tmp_path, max_steps=steps + 2)
    said = capsys.readouterr().out
    assert f"examples: {steps + 2} steps, {steps} an epoch." in said
    assert f"Epoch 1 of 2: {steps} steps, " in said
    assert "Epoch 2 of 2: 2 steps, " in said


def test_the_adapted_start_is_used(reference):
    """The n-gram path starts from counts: "good" alone tells the classes apart from the first epoch on."""
    _, run = reference
    assert run.log[0]["val_ngrams_accuracy"] > 0.8


def test_an_interrupted_run_ends_like_one_that_was_not(reference, train, tmp_path, monkeypatch, capsys):
    """Nor met a full disk, nor ran under an odd name. Also: an equal seed gives equal weights."""
    middle, sync = reference[1].log[0]["step"] + 2, files._sync
    root = tmp_path / "runs [1] * \n"

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == middle:
                raise KeyboardInterrupt

    def no_space_for(name, times):
        def full(path):
            if path.name == name and next(calls) == times:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(path)

        calls = itertools.count()
        return full

    with pytest.raises(KeyboardInterrupt):
        train(root, Interrupt())
    (path,) = (root / "test_training").iterdir()
    assert "Continuing" not in capsys.readouterr().out
    # the second epoch ends between its two files of weights; then its log is missing
    for name, times, epochs in (("newest.npz", 0, 1), ("log.csv", 1, 1)):
        with monkeypatch.context() as patch, pytest.raises(zoo.ZooError, match=f"{name} cannot be written: No space left"):
            patch.setattr(files, "_sync", no_space_for(name, times))
            train(root)
        assert f"Continuing after epoch {epochs} of 3; --fresh starts anew." in capsys.readouterr().out
        assert {one.name for one in path.iterdir()} == {"config.json", "best.npz", "newest.npz", "log.csv"}
    assert len((path / "log.csv").read_text().splitlines()) == 2
    _, run = train(root)
    assert run.path == path
    assert "Continuing after epoch 2 of 3" in capsys.readouterr().out
    assert (path / "log.csv").read_text().count("\n") == 4
    assert_same_run(path, reference[1].path)
    assert timeless(vars(run))["log"] == timeless(vars(reference[1]))["log"]


def test_a_run_that_only_lacks_its_artefact_is_not_trained_again(reference, train):
    task, run = reference
    again, continued = train(run.config.runs)
    assert continued.path == run.path
    assert (continued.log, continued.best, continued.best_epoch) == (run.log, run.best, run.best_epoch)
    assert continued.seconds == pytest.approx(run.seconds)
    assert not differ(weights(again), weights(task))


def test_each_epoch_has_an_order_of_its_own(reference, seeds):
    assert len(set(seeds) - {None}) == len(reference[1].log)


def test_damaged_weights_are_known_before_training_goes_on(reference, train, tmp_path, capsys):
    """The best ones too, which are needed in the end only; and nothing is lost."""
    path = tmp_path / "test_training" / reference[1].path.name
    shutil.copytree(reference[1].path, path, ignore=shutil.ignore_patterns("lock"))
    (path / "best.npz").write_bytes((path / "best.npz").read_bytes()[:-100])
    before = {one: one.read_bytes() for one in path.iterdir()}
    with pytest.raises(zoo.ZooError, match=r"best\.npz is damaged or missing .*start anew with --fresh"):
        train(tmp_path)
    assert {one: one.read_bytes() for one in path.iterdir()} == before
    shutil.copy(reference[1].path / "best.npz", path)
    assert train(tmp_path)[1].best == reference[1].best


def test_what_cannot_be_published_in_the_end_is_not_trained(train, tmp_path, monkeypatch):
    with pytest.raises(zoo.ZooError, match="This run, trained on data of your own, is published under its own name only"):
        train(tmp_path / "runs", publish=True)
    with pytest.raises(zoo.ZooError, match=r"imdb_sentiment/\d+ is many-to-one of imdb_reviews.* give another --name"):
        train(tmp_path / "runs", name="imdb_sentiment")
    monkeypatch.setattr("zoo.artefacts.publish.PUBLISHED", ("own",))
    with pytest.raises(zoo.ZooError, match=r"This run is a try-out \(--max-steps 2\)"):
        train(tmp_path / "runs", publish=True, max_steps=2)
    (tmp_path / "saved_models").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(zoo.ZooError, match=r"saved_models cannot be written: .* is not a directory"):
        train(tmp_path / "runs", publish=True)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_models"]


@pytest.fixture
def scores(monkeypatch):
    """Validation scores to give in place of the real ones, and the weights that were scored."""
    given, seen = [], []

    def evaluate(self, *_):
        seen.append([variable.numpy() for variable in self.model.trainable_variables])
        score = given[len(seen) - 1]
        return {"logits_accuracy": score, "logits_crossentropy": 1 - score}

    monkeypatch.setattr(Steps, "evaluate", evaluate)
    monkeypatch.setattr(zoo.TextClassifier, "least_steps", 1)
    return given, seen


def test_early_stopping_keeps_the_best_weights(train, tmp_path, scores):
    given, seen = scores
    given += [0.5, 0.7, 0.7, 0.6, 0.9]
    task, run = train(tmp_path, epochs=5, patience=26)  # two epochs
    assert len(run.log) == len(seen) == 4
    assert (run.best, run.best_epoch) == (1 - 0.7, 2)
    assert not differ(weights(task), seen[1])
    assert differ(weights(task), seen[2])


def test_max_steps_ends_training_within_an_epoch_and_another_seed_gives_other_weights(reference, train, tmp_path, scores):
    scores[0].append(0.5)
    task, run = train(tmp_path, max_steps=2, seed=1)
    assert [row["step"] for row in run.log] == [2]
    assert differ(weights(task), weights(reference[0]))


def test_a_loss_that_is_no_number_stops_with_advice(train, tmp_path, monkeypatch, scores):
    scores[0].append(0.5)

    def save(path, variables, progress):
        save_arrays(path, variables, progress)
        if path.name == "newest.npz":  # from here on the model is ill
            (weight,) = (variable for variable in variables if variable.path == "classes/kernel")
            weight.assign(np.full(weight.shape, np.nan))

    save_arrays = state.save_arrays
    monkeypatch.setattr(state, "save_arrays", save)
    with pytest.raises(zoo.ZooError, match=r"not a number any more \(step \d+\).*--learning-rate.*best\.npz"):
        train(tmp_path)
    (path,) = (tmp_path / "test_training").iterdir()
    for name in ("best.npz", "newest.npz"):
        assert all(np.isfinite(value).all() for value in arrays(path / name)[0])


def test_averaging_scores_the_mean_and_goes_on_from_the_raw_weights(reference, train, tmp_path):
    raw, scored = [], []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raw.append([variable.numpy() for variable in self.model.trainable_variables])

        def on_epoch_end(self, epoch, logs=None):
            scored.append((len(raw), [variable.numpy() for variable in self.model.trainable_variables]))

    task, run = train(tmp_path, Record(), average=0.5)

    momentum = 1 - 1 / (0.5 * len(raw))
    mean, means = raw[0], []
    for step in raw:
        mean = [momentum * old + (1 - momentum) * new for old, new in zip(mean, step, strict=True)]
        means.append(mean)
    assert len(scored) == 3
    for step, values in scored:
        for value, expected in zip(values, means[step - 1], strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-6)
        assert differ(values, raw[step - 1])
    # the raw weights went the way of the run without averaging
    for value, expected in zip(raw_weights(run), raw_weights(reference[1]), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert not differ(weights(task), scored[run.best_epoch - 1][1])


def test_truncated_gradients_teach_something_else_only_in_short_windows(reference, train, tmp_path):
    weights = [train(tmp_path / str(steps), bptt_steps=steps)[0].model.get_weights() for steps in (LIMIT, 2)]
    untouched = reference[0].model.get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(weights[0], untouched, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(weights[1], untouched, strict=True))


@pytest.fixture(scope="module")
def many():
    return examples(200, 3)


@pytest.fixture(scope="module")
def task(words):
    model = zoo.create_model("text_classifier", vocabulary_size=words.size, num_classes=2, cell="rnn", units=1, ngram_order=2)
    return zoo.TextClassifier(model, words, ("bad", "good"))


@pytest.fixture(scope="module")
def batches(task, many):
    return Batches(task, many, batch_size=4)


def tokens(epoch):
    return [inputs["tokens"].numpy() for inputs, _ in epoch]


def ordered(epoch):
    """The examples as they come, without padding."""
    return [tuple(row[row > 0].tolist()) for batch in tokens(epoch) for row in batch]


def test_every_example_once_an_epoch(batches, task, many):
    ids = task.inputs(tf.stack([text for text, _ in many]))["tokens"].numpy()
    expected = [tuple(row[row > 0].tolist()) for row in ids]
    assert len(expected) == batches.examples == 200
    for seed in (None, 0, 1):
        assert sorted(ordered(batches.epoch(seed))) == sorted(expected)


def test_labels_stay_with_their_texts(batches, words):
    good = words.vocabulary.index("good") + words.RESERVED
    for inputs, targets in batches.epoch(0):
        # a text is cut off at LIMIT words, and so may lose the word that made its label
        whole = (inputs["tokens"][:, -1] == 0).numpy() | (inputs["tokens"].shape[1] < LIMIT)
        has = tf.reduce_any(inputs["tokens"] == good, axis=1).numpy()
        np.testing.assert_array_equal(has[whole], targets["logits"].numpy()[whole] == 1)


def test_batches_have_few_shapes(batches, task):
    buckets = task.buckets
    assert buckets == (3, 4, 8, 16)
    for inputs, targets in batches.epoch(0):
        rows, steps = inputs["tokens"].shape
        assert steps in buckets
        assert rows <= 4 * LIMIT // steps
        assert inputs["ngrams"].shape == (rows, steps, 2)
        assert targets["logits"].shape == (rows,)
        lengths = (inputs["tokens"].numpy() > 0).sum(axis=1)
        smaller = max((bucket for bucket in buckets if bucket < steps), default=-1)
        assert lengths.min() > smaller, "padded beyond the next bucket"
    full = {batch.shape for batch in tokens(batches.epoch(0)) if len(batch) == 4 * LIMIT // batch.shape[1]}
    assert len(full) >= 3


def test_the_steps_are_those_announced(batches):
    for seed in (None, 0, 1):
        epoch = batches.epoch(seed)
        assert int(epoch.cardinality()) == batches.steps == len(list(epoch))


def test_texts_without_words_count_too(task):
    full = 4 * LIMIT // task.buckets[0]
    empty = tf.data.Dataset.from_tensor_slices((["film"] * full + ["", "<br />"], [0] * (full + 2)))
    batches = Batches(task, empty, batch_size=4)
    assert [len(batch) for batch in tokens(batches.epoch(0))] == [full, 2]


def test_a_seed_decides_on_the_order(batches):
    assert ordered(batches.epoch(5)) == ordered(batches.epoch(5))
    assert ordered(batches.epoch(5)) != ordered(batches.epoch(6))
    assert ordered(batches.epoch()) == ordered(batches.epoch())
