"""What an artefact promises: how it is made, found, checked, asked, published and trained on from."""

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
from zoo import card as cards
from zoo import config as configs

TEXTS = ["A wonderful film.", "", "awful, awful, awful", "Nobody could call this film dull. " * 9]


@pytest.fixture(scope="module")
def model(tiny_artefact):
    return zoo.load(tiny_artefact)


@pytest.fixture
def copy(tiny_artefact, tmp_path):
    """A copy of the artefact to do harm to."""
    return shutil.copytree(tiny_artefact, tmp_path / "copy")


def change_card(directory, change):
    card = cards.read(directory)
    change(card)
    (directory / cards.FILE).write_text(json.dumps(card))


def same(answers, others):
    """Answers that differ in the last digits at most."""
    assert [answer["label"] for answer in answers] == [other["label"] for other in others]
    for answer, other in zip(answers, others, strict=True):
        np.testing.assert_allclose(answer["probabilities"], other["probabilities"], atol=1e-5)


# Asked


def test_predict_gives_plain_python(model):
    answers = model.predict(TEXTS)
    assert len(answers) == len(TEXTS)
    for answer in answers:
        assert sorted(answer) == ["label", "probabilities"]
        assert [type(value) for value in answer["probabilities"]] == [float, float]
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert answer["label"] == ("negative", "positive")[int(np.argmax(answer["probabilities"]))]
    assert json.loads(json.dumps(answers)) == answers
    assert len({answer["probabilities"][0] for answer in answers}) == len(TEXTS)  # each its own


def test_predict_takes_any_iterable_of_text_in_any_grouping(model, tmp_path):
    answers = model.predict(TEXTS)
    (tmp_path / "text").write_text(TEXTS[0])
    same(model.predict(text.encode() for text in TEXTS), answers)
    same(model.predict(np.array(TEXTS)), answers)
    same(model.predict([{"text": text} for text in TEXTS]), answers)
    same(model.predict([tmp_path / "text"]), answers[:1])
    for batch_size in (2, 3):
        same(model.predict(TEXTS, batch_size=batch_size), answers)
    same([model.predict([text])[0] for text in TEXTS], answers)
    assert model.predict([]) == []
    assert model.predict([b"\xff\xfe not UTF-8"])[0]["label"] in ("negative", "positive")


def test_every_signature_answers(model):
    parts = model.predict(TEXTS, signature="parts")
    assert all(sorted(answer) == ["ngrams", "recurrent"] for answer in parts)
    with pytest.raises(zoo.ZooError, match="no signature 'part'; there are parts, serving_default"):
        model.predict(TEXTS, signature="part")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("a text", "takes a list with one item per example, not str"),
        (b"a text", "not bytes"),
        (Path("text"), "not PosixPath"),
        ({"text": "a"}, "not dict"),
        (None, "not NoneType"),
        (3, "not int"),
        (["a", 3], "Input 1, 'text', must be a string or bytes, not int"),
        (["a", None], "Input 1, 'text', must be a string or bytes, not NoneType"),
        ([["a"]], "Input 0, 'text', must be a string or bytes, not list"),
        ([{"words": "a"}], r"Input 0 has the keys \['words'\]; the signature takes \['text'\]"),
    ],
)
def test_other_inputs_are_refused(model, inputs, message):
    with pytest.raises(zoo.ZooError, match=message):
        model.predict(inputs)


SERVED = """
import sys
for name in ("keras", "tf_keras"):
    sys.modules[name] = None
import zoo
answers = zoo.load(sys.argv[1]).predict(["A wonderful film."])
assert answers[0]["label"] in ("negative", "positive")
print(*sorted(name for name in sys.modules if name.startswith("zoo.")))
"""


def test_loading_needs_tensorflow_only(tiny_artefact):
    finished = subprocess.run([sys.executable, "-c", SERVED, tiny_artefact], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["zoo.card", "zoo.errors", "zoo.loading"]


# Found


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    """An empty working directory, and a function that puts versions of an artefact below it."""
    monkeypatch.chdir(tmp_path)

    def put(root, name, *versions):
        for version in versions:
            directory = tmp_path / root / name / str(version)
            directory.mkdir(parents=True)
            (directory / cards.FILE).write_text("{}")
        return tmp_path / root / name

    return put


def test_the_newest_version_or_the_one_asked_for(shelves):
    name = shelves("saved_models", "some_artefact", 1, 2, 10)
    (name / "11").mkdir()  # without a card
    (name / "README.md").write_text("")
    assert cards.find("some_artefact") == name / "10"
    assert cards.find("some_artefact", 2) == name / "2"
    assert cards.find(name) == name / "10"
    assert cards.find(name, 2) == name / "2"
    assert cards.find(name / "1") == name / "1"
    for where in ("some_artefact", name):
        with pytest.raises(zoo.ZooError, match="no version 3; there is 1, 2, 10"):
            cards.find(where, 3)


def test_the_users_models_come_first(shelves, monkeypatch, tmp_path):
    mine, here = shelves("mine", "some_artefact", 1), shelves("saved_models", "some_artefact", 1, 2)
    other = shelves("saved_models", "other_artefact", 4)
    assert cards.find("some_artefact") == here / "2"
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "mine"))
    assert cards.find("some_artefact") == mine / "1"
    assert cards.find("other_artefact") == other / "4"
    found = cards.artefacts()
    assert found["some_artefact"].resolve() == mine / "1"
    assert found["other_artefact"].resolve() == other / "4"


def test_an_unknown_name_tells_where_it_was_looked_for(shelves, monkeypatch, tmp_path):
    shelves("saved_models", "some_artefact", 1)
    checkout = Path(zoo.__file__).parents[1] / "saved_models"
    with pytest.raises(zoo.ZooError) as error:
        zoo.load("some_artefakt")
    message = str(error.value)
    for part in (
        "'some_artefakt'",
        "$ZOO_MODELS (not set)",
        "./saved_models",
        f"({checkout})",
        "Did you mean 'some_artefact'?",
    ):
        assert part in message
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "mine"))
    with pytest.raises(zoo.ZooError, match=rf"\$ZOO_MODELS \({tmp_path / 'mine'}\)"):
        zoo.load("some_artefakt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text_classifier", r"no artefact 'text_classifier'; looked in .* It is a builder"),
        ("no/such/directory", "no artefact at no/such/directory"),
        (".", "no artefact at ."),
        (None, "a string or a path, not NoneType"),
        (3, "a string or a path, not int"),
    ],
)
def test_what_is_no_artefact(shelves, name, message):
    with pytest.raises(zoo.ZooError, match=message):
        zoo.load(name)


# Checked


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a bit of the weights": (lambda copy: flip(copy / "variables" / "variables.data-00000-of-00001"), "not the file that was"),
    "a bit of the graph": (lambda copy: flip(copy / "saved_model.pb"), "saved_model.pb is not the file that was exported"),
    "the vocabulary is gone": (lambda copy: (copy / "assets" / "vocabulary.txt").unlink(), "vocabulary.txt is missing"),
    "half a card": (lambda copy: os.truncate(copy / "card.json", 500), "card.json is not readable as a card"),
    "no card in the card": (lambda copy: (copy / "card.json").write_text("{}"), "card.json is not readable as a card"),
    "a list in the card": (lambda copy: (copy / "card.json").write_text("[]"), "card.json is not readable as a card"),
    "no card": (lambda copy: (copy / "card.json").unlink(), "has no card.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed(copy, damage):
    change, message = DAMAGE[damage]
    change(copy)
    with pytest.raises(zoo.ZooError, match=message):
        zoo.load(copy)


def test_a_graph_that_this_tensorflow_cannot_read(copy):
    (copy / "saved_model.pb").write_bytes(b"from the future")
    change_card(copy, lambda card: card["files"].update(cards.hashes(copy)) or card["versions"].update(tensorflow="3.1"))
    with pytest.raises(zoo.ZooError, match=rf"TensorFlow {tf.__version__} cannot load .*, made with 3\.1: "):
        zoo.load(copy)


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
    assert card["bytes"] == pytest.approx(sum((tiny_artefact / name).stat().st_size for name in card["files"]), rel=1e-3)


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
    assert readme == cards.render(model.card)
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
    run = tmp_path / "runs" / "imdb_sentiment" / tiny_artefact.parent.name
    shutil.copytree(tiny_artefact.parent, run, ignore=shutil.ignore_patterns("artefact"))
    return run, ["--runs", str(tmp_path / "runs")]


KILLED = """
import os, sys
sys.path.insert(0, "recipes")
import imdb_sentiment, zoo.metrics
def accuracy(model, test):
    os._exit(9)
zoo.metrics.accuracy = accuracy
zoo.run(imdb_sentiment.main, sys.argv[1:])
"""


def test_an_export_is_whole_or_not_there(trained, tiny_artefact, imdb, tiny_flags, monkeypatch, capsys):
    run, flags = trained
    before = sorted(path.name for path in run.iterdir())

    def accuracy(model, test):
        raise zoo.ZooError("no score")

    # it fails
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(zoo.metrics, "accuracy", accuracy)
        configs.run(imdb.main, [*tiny_flags, *flags])
    assert "no score" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before

    # it is killed, which leaves something, but no artefact
    script = [sys.executable, "-c", KILLED, *tiny_flags, *flags]
    assert subprocess.run(script, capture_output=True, cwd=Path(zoo.__file__).parents[1]).returncode == 9
    assert not (run / "artefact").exists()
    assert len(list(run.iterdir())) == len(before) + 1

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
        zoo.export(None, SimpleNamespace(path=run), test=None, score=None)


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
    "own texts": (lambda real: change_card(real, lambda card: card["data"].update(source="own")), "on the own data"),
    "a try-out": (lambda real: change_card(real, lambda card: card["run"].update(max_steps=5)), r"try-out \(--max-steps 5\)"),
    "damage": (lambda real: flip(real / "saved_model.pb"), "is damaged: saved_model.pb"),
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


def test_a_model_may_start_from_an_artefact(tiny_artefact, task, capsys):
    same_head = zoo.create_model("text_classifier", weights=tiny_artefact, **task.config()["arguments"])
    assert "freshly" not in capsys.readouterr().out
    other_head = zoo.create_model("text_classifier", weights=tiny_artefact, **task.config()["arguments"] | {"num_classes": 3})
    said = capsys.readouterr().out
    assert "freshly initialised" in said
    fresh = {"classes/kernel", "classes/bias", "ngram_linear/ratios", "ngram_linear/factors", "ngram_linear/bias"}
    expected = {weight.path: weight.numpy() for weight in task.model.weights}
    assert [weight.path for weight in other_head.weights if weight.path in said] == [
        weight.path for weight in other_head.weights if weight.path in fresh
    ]
    for model, paths in ((same_head, set(expected)), (other_head, set(expected) - fresh)):
        for weight in model.weights:
            if weight.path in paths:
                np.testing.assert_array_equal(weight, expected[weight.path])


def test_weights_that_do_not_fit_at_all(tiny_artefact):
    with pytest.raises(zoo.ZooError, match=r"No weight of .* fits this model"):
        zoo.create_model("text_classifier", vocabulary_size=9, num_classes=3, cell="rnn", units=3, weights=tiny_artefact)
    with pytest.raises(zoo.ZooError, match="no artefact 'no_such_artefact'"):
        zoo.create_model("text_classifier", vocabulary_size=9, num_classes=3, weights="no_such_artefact")
