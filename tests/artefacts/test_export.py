"""What becomes of a trained task: how an artefact is made, published and trained on from."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import config as configs
from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find, ops
from zoo.artefacts.renew import renew
from zoo.artefacts.save import save

# A name that TensorFlow cannot read from, and a terminal not show; on Linux with a byte that is not UTF-8.
ODD = "runs [1] * \\ \n" + (os.fsdecode(b"\xff") if sys.platform == "linux" else "")
TEXTS = ["A wonderful film.", "", "awful, awful, awful", "Nobody could call this film dull. " * 9]


def change_card(directory, change):
    card = cards.read(directory)
    change(card)
    (directory / find.CARD).write_text(json.dumps(card))


def same(answers, others):
    """Answers that differ in the last digits at most."""
    assert [answer["label"] for answer in answers] == [other["label"] for other in others]
    for answer, other in zip(answers, others, strict=True):
        np.testing.assert_allclose(answer["probabilities"], other["probabilities"], atol=1e-5)


# Made


def test_names_and_shapes_are_frozen(model):
    """A client of the artefact relies on them."""
    assert model.card["signatures"] == {
        "serving_default": {
            "inputs": {"text": "string [N]"},
            "outputs": {"label": "string [N]", "probabilities": "float32 [N, 2]"},
        },
        "parts": {
            "inputs": {"text": "string [N]"},
            "outputs": {"recurrent": "float32 [N, 2]", "ngrams": "float32 [N, 2]"},
        },
    }
    assert set(model.signatures) == set(model.card["signatures"])


def test_the_card_says_how_it_came_about(model, tiny_artefact, tiny_flags):
    card = model.card
    assert card["name"] == "imdb_sentiment"
    assert card["data"]["source"] == "sample"
    assert card["run"]["max_steps"] == 3
    assert card["run"]["command"].startswith("python recipes/imdb_sentiment.py ")
    assert set(tiny_flags) < set(card["run"]["command"].split())
    assert card["versions"]["tensorflow"] == tf.__version__
    assert card["parameters"] == zoo.load_task(tiny_artefact).model.count_params()
    assert card["task"]["arguments"]["units"] == 8
    files = {path.relative_to(tiny_artefact).as_posix() for path in tiny_artefact.rglob("*") if path.is_file()}
    assert set(card["files"]) == files - {"card.json", "README.md"}
    assert card["files"] == cards.hashes(tiny_artefact)
    saved = [name for name in card["files"] if not name.startswith("pictures/")]
    assert card["bytes"] == pytest.approx(sum((tiny_artefact / name).stat().st_size for name in saved), rel=1e-3)
    assert "![Training curves](pictures/curves.png)" in cards.render(card)


def test_the_examples_of_the_card_are_its_own_answers(model):
    examples = model.card["examples"]
    same(model.predict([example["input"] for example in examples]), [example["output"] for example in examples])


def test_the_score_is_that_of_the_artefact(model, imdb):
    test = zoo.data.imdb_reviews(imdb.Config(data="sample")).test
    texts, labels = zip(*test.as_numpy_iterator(), strict=True)
    hits = [
        answer["label"] == model.card["labels"][label]
        for answer, label in zip(model.predict(texts, batch_size=200), labels, strict=True)
    ]
    score = model.card["scores"]["accuracy"]
    assert score["n"] == len(texts) == model.card["data"]["sizes"]["test"]
    assert score["value"] == pytest.approx(np.mean(hits), abs=1e-9)
    assert score["low"] < score["value"] < score["high"]
    bands = [other["n"] for name, other in model.card["scores"].items() if name.startswith("accuracy, ") and "to" in name]
    assert sum(bands) <= 2 * len(texts)


def test_the_readme_is_the_card(model, tiny_artefact):
    readme = (tiny_artefact / "README.md").read_text(encoding="utf-8")
    assert readme == cards.render(model.card, str(tiny_artefact))
    assert f"{model.card['scores']['accuracy']['value']:.4f}" in readme
    assert model.card["run"]["command"] in readme


def test_the_warm_up_can_be_replayed(model, tiny_artefact):
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(tiny_artefact / "assets.extra" / "tf_serving_warmup_requests"))
    seen = set()
    for record in records.as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        outputs = model.signatures[request.model_spec.signature_name](**inputs)
        assert all(len(value) == len(inputs["text"]) for value in outputs.values())
        seen.add((request.model_spec.signature_name, len(inputs["text"])))
    assert {name for name, _ in seen} == set(model.signatures)
    assert len(seen) == 4


@pytest.fixture
def trained(tiny_artefact, tmp_path):
    """The directory of a run that is trained and not yet exported, and the flags that continue it."""
    run = tmp_path / ODD / "imdb_sentiment" / tiny_artefact.parent.name
    shutil.copytree(tiny_artefact.parent, run, ignore=shutil.ignore_patterns("artefact"))
    return run, ["--runs", str(tmp_path / ODD)]


KILLED = """
import os, sys
sys.path.insert(0, "recipes")
import imdb_sentiment, zoo
zoo.TextClassifier.measure = lambda *_: os._exit(9)
zoo.run(imdb_sentiment.main, sys.argv[1:])
"""


def test_an_export_is_whole_or_not_there(trained, tiny_artefact, imdb, tiny_flags, monkeypatch, capsys):
    run, flags = trained
    before = sorted(path.name for path in run.iterdir())

    def measure(model, test):
        raise zoo.ZooError("no score")

    # it fails
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(zoo.TextClassifier, "measure", staticmethod(measure))
        configs.run(imdb.main, [*tiny_flags, *flags])
    assert "no score" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before

    # it is killed, which leaves a directory and a lock that nobody holds, but no artefact
    script = [sys.executable, "-c", KILLED, *tiny_flags, *flags]
    assert subprocess.run(script, capture_output=True, cwd=Path(zoo.__file__).parents[1]).returncode == 9
    assert not (run / "artefact").exists()
    assert "lock" in {path.name for path in run.iterdir()}
    assert len(list(run.iterdir())) == len(before) + 2

    # it is called again
    model = configs.run(imdb.main, [*tiny_flags, *flags])
    said = capsys.readouterr().out
    assert "Continuing after epoch 1" in said
    assert "Epoch" not in said, "trained again"
    assert model.directory == run / "artefact"
    assert sorted(path.name for path in run.iterdir()) == sorted([*before, "artefact"])
    original = cards.weights(tiny_artefact)
    assert all(np.array_equal(value, original[name]) for name, value in cards.weights(model.directory).items())

    # and once more: a finished run is not exported over
    with pytest.raises(zoo.ZooError, match="artefact exists already; nothing was overwritten"):
        zoo.export(None, SimpleNamespace(path=run), test=None)


def test_a_family_with_ops_of_its_own_is_exported_and_others_have_to_trust_it(trained, imdb, tiny_flags, monkeypatch, capsys):
    run, flags = trained
    monkeypatch.setattr(ops, "COMPUTING", ops.COMPUTING - {"StringLower"})
    model = configs.run(imdb.main, [*tiny_flags, *flags])
    assert "Others have to trust this artefact:" in capsys.readouterr().out
    for load in (zoo.load, zoo.load_task):
        with pytest.raises(zoo.ZooError, match="or are not known: StringLower"):
            load(run / "artefact")
    same(zoo.load(run / "artefact", trusted=True).predict(TEXTS), model.predict(TEXTS))


def test_no_space_within_an_export(task, tmp_path):
    """By the kernel's limit on a file, which TensorFlow's writer meets too."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(zoo.ZooError, match="artefact cannot be written: File too large"):
        try:
            with files.new_directory(tmp_path / "artefact") as directory:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
                save(task, directory)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


# Published


@pytest.fixture
def real(copy):
    """An artefact that says it was trained on the real data, to the end."""
    change_card(copy, lambda card: card["data"].update(source="real") or card["run"].update(max_steps=None))
    return copy


def test_publish_takes_the_next_version(real, tmp_path, monkeypatch):
    root = tmp_path / "models"
    assert zoo.publish(real, root) == root / "imdb_sentiment" / "1"
    (root / "imdb_sentiment" / "7").mkdir()
    shutil.copy(real / "card.json", root / "imdb_sentiment" / "7")
    assert zoo.publish(real, root) == root / "imdb_sentiment" / "8"
    assert sorted(path.name for path in (root / "imdb_sentiment").iterdir()) == ["1", "7", "8"]
    index = (root / "README.md").read_text()
    assert index.count("imdb_sentiment/8/README.md") == 1
    assert "imdb_sentiment/1/" not in index
    monkeypatch.setenv("ZOO_MODELS", str(root))
    same(zoo.load("imdb_sentiment").predict(TEXTS), zoo.load("imdb_sentiment", version=1).predict(TEXTS))
    assert zoo.load("imdb_sentiment").directory == root / "imdb_sentiment" / "8"


def test_publish_takes_the_directory_of_a_run(real, tmp_path):
    (tmp_path / "run").mkdir()
    real.rename(tmp_path / "run" / "artefact")
    assert zoo.publish(tmp_path / "run", tmp_path / "models").name == "1"


REFUSED = {
    "a sample": (
        lambda real: change_card(real, lambda card: card["data"].update(source="sample")),
        "trained on the sample data",
    ),
    "own texts": (lambda real: change_card(real, lambda card: card["data"].update(source="own")), "data of your own"),
    "a try-out": (lambda real: change_card(real, lambda card: card["run"].update(max_steps=5)), r"try-out \(--max-steps 5\)"),
    "damage": (lambda real: (real / "saved_model.pb").write_bytes(b"not it"), "is damaged: saved_model.pb"),
    "nothing": (lambda real: shutil.rmtree(real), "holds no artefact"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_publish_refuses(real, case, tmp_path):
    change, message = REFUSED[case]
    change(real)
    with pytest.raises(zoo.ZooError, match=message):
        zoo.publish(real, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_publish_says_where_it_cannot_write(real, tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(zoo.ZooError, match="cannot be written"):
        zoo.publish(real, tmp_path / "models")


def test_renewed_it_has_the_same_weights_and_scores_or_is_not_published(real, imdb, tmp_path, monkeypatch):
    root, test = tmp_path / "models", zoo.data.imdb_reviews(imdb.Config(data="sample")).test
    first = zoo.publish(real, root)
    second = renew(first, test=test, root=root)
    assert second == root / "imdb_sentiment" / "2"
    old, new = (zoo.load(path) for path in (first, second))
    for name, value in cards.weights(first).items():
        np.testing.assert_array_equal(cards.weights(second)[name], value)
    assert new.card["scores"] == old.card["scores"]
    assert new.card["run"] == old.card["run"]
    assert set(new.card["files"]) == set(old.card["files"])
    same(new.predict(TEXTS), old.predict(TEXTS))

    monkeypatch.setattr(zoo.TextClassifier, "measure", lambda *_: {"accuracy": {"value": 0.1}})
    with pytest.raises(zoo.ZooError, match=r"The accuracy of .* moved from .*; nothing was published"):
        renew(first, test=test, root=root)
    assert not (root / "imdb_sentiment" / "3").exists()


# Trained on from


@pytest.fixture(scope="module")
def task(tiny_artefact):
    return zoo.load_task(tiny_artefact)


def test_a_task_is_rebuilt_with_its_weights(task, tiny_artefact, model):
    with np.load(tiny_artefact.parent / "best.npz") as best:
        trained = [best[f"v{index}"] for index in range(len(best.files) - 1)]
    compared = 0
    for variable, value in zip(task.model.variables, trained, strict=True):
        if not variable.path.endswith("seed_generator_state"):
            np.testing.assert_allclose(variable, value, rtol=1e-3, atol=1e-4, err_msg=variable.path)  # float16 tables
            compared += bool(value.any())
    assert compared > 5
    assert {"module", "class"} | set(task.config()) == set(model.card["task"])
    assert all(model.card["task"][key] == value for key, value in task.config().items())
    assert task.labels == ("negative", "positive")


def test_a_rebuilt_task_answers_like_its_artefact(task, model):
    outputs = task.signatures()["serving_default"](tf.constant(TEXTS))
    answers = [
        {"label": label.decode(), "probabilities": row}
        for label, row in zip(outputs["label"].numpy(), outputs["probabilities"].numpy(), strict=True)
    ]
    same(answers, model.predict(TEXTS))


def test_weights_that_do_not_fit_at_all(tiny_artefact):
    other = {"cell": "rnn", "units": 3, "embedding_dim": 3, "bigram_dim": 0, "ngram_order": 0}
    with pytest.raises(zoo.ZooError, match=r"No weight of .* fits this model"):
        zoo.create_model("text_classifier", vocabulary_size=9, num_classes=3, weights=tiny_artefact, **other)
    with pytest.raises(zoo.ZooError, match="no artefact 'no_such_artefact'"):
        zoo.create_model("text_classifier", vocabulary_size=9, num_classes=3, weights="no_such_artefact")
