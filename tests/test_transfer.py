"""Going on from trained weights: no weight is lost, classes keep their names, and a card says what the run began with."""

import csv
import dataclasses
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from families import FAMILIES
from small import SENTIMENTS, assert_equal, columns, reviews, weights

import zoo
from zoo import config as configs
from zoo.artefacts import card as cards
from zoo.artefacts import lineage
from zoo.data.film_reviews import film_reviews

ROOT = Path(__file__).parents[1]
# One step at a rate that moves nothing: what differs afterwards was overwritten.
STILL = {"max_steps": 1, "epochs": 1, "learning_rate": 1e-20}

GOING_ON = [family.trained or next(iter(family.tasks)) for family in FAMILIES.values()]


@pytest.fixture
def task(tiny_artefact):
    return zoo.load_task(tiny_artefact)


@pytest.mark.parametrize("export", GOING_ON, indirect=True)
def test_going_on_keeps_every_trained_weight(export, tmp_path, capsys):
    task = export.rebuilt(tmp_path / "mine")
    assert lineage.fresh(task.model) == set()
    before = weights(task.model)
    assert_equal(before, weights(export.task.model))
    label = task.model.lineage.label
    capsys.readouterr()
    run = zoo.fit(task, FAMILIES[task.model.built_by.name].data(), zoo.RunConfig(runs=tmp_path / "runs", **STILL))
    assert "from counts" not in capsys.readouterr().out
    # the statistics of a batch norm follow the data, as they should
    assert_equal(weights(task.model), before, [path for path in before if "/moving_" not in path])
    assert run.began_with == label


@pytest.mark.parametrize("export", GOING_ON, indirect=True)
def test_no_family_adapts_what_was_taken(export, tmp_path):
    """Neither in a task of the artefact nor in a model that takes its weights: word vectors were overwritten once."""
    task = export.rebuilt(tmp_path / "mine")
    data, before = FAMILIES[task.model.built_by.name].data(), weights(task.model)
    task.adapt(data.train)
    assert_equal(weights(task.model), before)
    model = zoo.create_model(task.model.built_by.name, weights=tmp_path / "mine")
    own = type(task).from_config(task.config(), task.assets, task.examples, model=model)
    own.adapt(data.train)
    assert_equal(weights(own.model), before)


def test_a_recipe_goes_on_from_an_artefact_with_classes_of_ones_own(imdb, tiny_artefact, tmp_path, capsys):
    texts, sentiments = columns(film_reviews(80, 1, 1)["train"])
    with (tmp_path / "own.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(text, ("poor", "good")[sentiment]) for text, sentiment in zip(texts, sentiments, strict=True)]
        csv.writer(file).writerows([("text", "label"), *rows])
    flags = ["--csv", str(tmp_path / "own.csv"), "--from", str(tiny_artefact), "--name", "own", "--runs", str(tmp_path)]
    model = configs.run(imdb.main, [*flags, "--max-steps", "1"])
    assert model.card["labels"] == ["good", "poor"]
    assert model.card["task"]["arguments"]["units"] == zoo.load(tiny_artefact).card["task"]["arguments"]["units"]
    assert f"--from {tiny_artefact}" in model.card["run"]["command"]
    assert model.predict(["A wonderful film."])[0]["label"] in ("good", "poor")
    assert re.search(r"weights \(\d+ %\) from imdb_sentiment", capsys.readouterr().out)


def test_what_a_run_begins_with_is_kept_if_nothing_is_better(task, tmp_path, capsys):
    """Going on makes no model worse, on validation."""
    before = weights(task.model)
    run = zoo.fit(task, reviews(), zoo.RunConfig(runs=tmp_path, max_steps=2, epochs=1, learning_rate=30.0, clip_norm=1e9))
    assert_equal(weights(task.model), before)
    assert run.best_epoch == 0
    assert "before the first step" in capsys.readouterr().out
    card = zoo.export(task, run, test=reviews().test).card
    assert "kept: what it began with" in cards.render(card)


def test_the_learning_rate_suits_trained_weights_unless_it_is_given(task, tiny_artefact, tmp_path, capsys):
    def said(task, **settings):
        capsys.readouterr()
        zoo.fit(
            task,
            reviews(("bad", "good") if task.labels != SENTIMENTS else SENTIMENTS),
            zoo.RunConfig(runs=tmp_path, max_steps=1, **settings),
        )
        return capsys.readouterr().out

    assert "Learning rate: at most 0.00025, 0.25 times that for fresh weights" in said(task)
    assert "Learning rate: at most 0.5." in said(zoo.load_task(tiny_artefact), learning_rate=0.5)
    # the tiny artefact knows nothing, and its answers tell nothing of other classes
    strange = zoo.load_task(tiny_artefact, labels=("bad", "good"))
    strange.adapt = lambda train, seed: setattr(strange.model.lineage, "tells", 0.01)
    assert "Learning rate: at most 0.001, as for fresh weights" in said(strange)


def test_a_fresh_model_is_still_adapted_and_one_that_someone_set_is_not(tmp_path, capsys):
    def run(settle):
        data = reviews(count=60)
        words = zoo.preprocessing.Words.fit(data.train, size=100, limit=16)
        model = zoo.create_model(
            "text_classifier", vocabulary_size=words.size, num_classes=2, cell="rnn", units=4, ngram_order=1, ngram_buckets=256
        )
        embedding = model.get_layer("embedding")
        settle(embedding.embeddings)
        before = embedding.embeddings.numpy()
        began = zoo.fit(zoo.TextClassifier(model, words, SENTIMENTS), data, zoo.RunConfig(runs=tmp_path, **STILL))
        assert model.get_layer("ngram_linear").owners.numpy().any()  # nobody set those
        return np.array_equal(embedding.embeddings, before), began

    kept, fresh = run(lambda embeddings: None)
    assert (kept, fresh.began_with) == (False, "")
    kept, given = run(lambda embeddings: embeddings.assign(np.full(embeddings.shape, 0.25)))
    assert (kept, given.began_with) == (True, "weights set before the run")
    assert given.path != fresh.path, "runs from other weights do not go on with each other"
    assert fresh.path.parent == tmp_path / "my_text_classifier"


def test_a_second_fit_goes_on_and_an_interrupted_one_is_taken_up(task, tmp_path):
    data = reviews()
    config = zoo.RunConfig(runs=tmp_path, epochs=2, batch_size=32)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.fit(task, data, config, callbacks=[Interrupt()])
    (path,) = (tmp_path / "imdb_sentiment").iterdir()
    first = zoo.fit(task, data, config)
    assert first.path == path
    trained = weights(task.model)
    second = zoo.fit(task, data, dataclasses.replace(config, **STILL))
    assert second.path != path
    assert_equal(weights(task.model), trained)
    assert second.began_with == f"{first.began_with}, then run imdb_sentiment/{path.name}"
    again = zoo.fit(task, data, config)
    assert again.path not in (first.path, second.path)
    assert len(again.log) == 2


# Names


@pytest.mark.parametrize("labels", [SENTIMENTS, SENTIMENTS[::-1]])
def test_labels_are_compared_by_name(labels, task, tiny_artefact, tmp_path, capsys):
    """Also: what a card says of where its weights come from."""
    old = zoo.load(tiny_artefact)
    data = reviews(labels)
    expected = zoo.metrics.accuracy(old, reviews(old.card["labels"]).test)["accuracy"]["value"]
    run = zoo.fit(task, data, zoo.RunConfig(runs=tmp_path, **STILL))
    assert run.log[0]["val_logits_accuracy"] == pytest.approx(expected)
    if labels == SENTIMENTS:
        return  # the export is the same
    model = zoo.export(task, run, test=data.test)
    assert expected > 0.6
    assert model.card["scores"]["accuracy"]["value"] == pytest.approx(expected)
    assert model.card["labels"] == list(SENTIMENTS)
    texts = list(task.examples)
    assert [answer["label"] for answer in model.predict(texts)] == [answer["label"] for answer in old.predict(texts)]

    label = f"imdb_sentiment, run {tiny_artefact.parent.name}"
    assert model.card["name"] == "imdb_sentiment"
    assert model.card["run"]["began_with"] == label
    assert f"| weights it began with | {label} |" in cards.render(model.card)
    assert model.card["data"]["terms"] == "own terms; generated by this project, Apache-2.0"
    assert model.card["run"]["command"] == "zoo.fit(task, data, RunConfig(epochs=1, max_steps=1, learning_rate=1e-20))"
    assert "weights it began with" not in cards.render(old.card)


def test_other_classes_are_refused_by_an_export(task, tmp_path):
    (tmp_path / "run").mkdir()
    run = zoo.training.Run(tmp_path / "run", "name", zoo.RunConfig(), reviews(("bad", "good")))
    with pytest.raises(zoo.ZooError, match=r"\('bad', 'good'\), the model has 2 classes \('negative', 'positive'\)"):
        zoo.export(task, run, test=run.data.test)
    assert not (run.path / "artefact").exists()


# Names of runs, and the README


def test_a_run_is_named_for_its_recipe_and_else_for_what_it_began_with(imdb):
    typed_in = dataclasses.make_dataclass("Config", [], bases=(zoo.RunConfig,), frozen=True, kw_only=True)
    typed_in.__module__ = "__main__of_a_notebook"
    assert configs.recipe_name(imdb.Config()) == "imdb_sentiment"
    assert configs.recipe_name(zoo.RunConfig()) == ""
    assert configs.recipe_name(typed_in()) == ""
    assert configs.command(typed_in(epochs=2, fresh=True)) == "zoo.fit(task, data, Config(epochs=2))"


def test_going_on_as_the_documents_show_it(tiny_artefact, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(
        r"```python\n((?:(?!```).)*load_task.*?)```", (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8"), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_artefact, tmp_path / "saved_models" / "imdb_sentiment" / "1")
    texts, sentiments = columns(film_reviews(80, 1, 1)["train"])
    classes = ("awful", "fine", "great")
    rows = [(text, classes[(row + sentiment) % 3]) for row, (text, sentiment) in enumerate(zip(texts, sentiments, strict=True))]
    with Path("reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    names = {}
    exec(code, names)
    answer = names["model"].predict(["A wonderful film."])[0]
    assert answer["label"] in classes
    assert names["model"].card["run"]["began_with"] == "imdb_sentiment 1"
    assert names["model"].directory.parent.parent == tmp_path / "runs" / "my_reviews"
