"""What an artefact promises to who uses it: how it is asked, found and checked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.artefacts import card as cards
from zoo.artefacts import find

TEXTS = ["A wonderful film.", "", "awful, awful, awful", "Nobody could call this film dull. " * 9]


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
    same(model.predict(tf.constant(TEXTS)), answers)
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
        (["a", 3], "Input 1, 'text', must be a string or bytes: 3 is no text"),
        (["a", None], "Input 1, 'text', must be a string or bytes: None is no text"),
        ([["a"]], r"Input 0, 'text', must have the shape \(\), not \(1,\)"),
        (np.array("a"), "takes a list with one item per example, not ndarray"),
        (tf.constant("a"), "takes a list with one item per example, not EagerTensor"),
        (["a", "b\ud800"], r"Input 1, 'text', must be a string or bytes: it has U\+D800, half of a surrogate pair, at 1"),
        ([{"b64": "?"}], "Input 0, 'text', must be a string or bytes: {'b64': ...} must hold base64"),
        ([{"words": "a"}], r"Input 0 has the keys \['words'\]; the signature takes \['text'\]"),
    ],
)
def test_other_inputs_are_refused(model, inputs, message):
    with pytest.raises(zoo.ZooError, match=message):
        model.predict(inputs)


@pytest.mark.parametrize("batch_size", (-1, 0, 1.5, "2", True))
def test_a_senseless_batch_size_is_refused(model, batch_size):
    with pytest.raises(zoo.ZooError, match="batch_size must be a whole number of at least 1"):
        model.predict(TEXTS, batch_size=batch_size)


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
    names = "card find findings load markdown ops schema streaming trust values"
    artefacts = [f"artefacts.{name}" for name in names.split()]
    mine = ["artefacts", *artefacts, "errors", "files", "names", "registry"]
    assert finished.stdout.split() == [f"zoo.{name}" for name in mine]


# Found


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    """An empty working directory, and a function that puts versions of an artefact below it."""
    monkeypatch.chdir(tmp_path)

    def put(root, name, *versions):
        for version in versions:
            directory = tmp_path / root / name / str(version)
            directory.mkdir(parents=True)
            (directory / find.CARD).write_text("{}")
        return tmp_path / root / name

    return put


def test_the_newest_version_or_the_one_asked_for(shelves):
    name = shelves("saved_models", "some_artefact", 1, 2, 10)
    (name / "11").mkdir()  # without a card
    (name / "README.md").write_text("")
    assert find.artefact("some_artefact") == name / "10"
    assert find.artefact("some_artefact", 2) == name / "2"
    assert find.artefact(name) == name / "10"
    assert find.artefact(name, 2) == name / "2"
    assert find.artefact(name / "1") == name / "1"
    for where in ("some_artefact", name):
        with pytest.raises(zoo.ZooError, match="no version 3; there is 1, 2, 10"):
            find.artefact(where, 3)


def test_the_users_models_come_first(shelves, monkeypatch, tmp_path):
    mine, here = shelves("mine", "some_artefact", 1), shelves("saved_models", "some_artefact", 1, 2)
    other = shelves("saved_models", "other_artefact", 4)
    assert find.artefact("some_artefact") == here / "2"
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "mine"))
    assert find.artefact("some_artefact") == mine / "1"
    assert find.artefact("other_artefact") == other / "4"
    found = find.artefacts()
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
    "no card in the card": (lambda copy: (copy / "card.json").write_text("{}"), "the field 'name' is missing"),
    "a list in the card": (lambda copy: (copy / "card.json").write_text("[]"), "a card must be an object, not a list"),
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
    card = cards.read(copy)
    card["files"] = cards.hashes(copy)
    card["versions"]["tensorflow"] = "3.1"
    (copy / find.CARD).write_text(json.dumps(card))
    with pytest.raises(zoo.ZooError, match=rf"TensorFlow {tf.__version__} cannot load .*, made with 3\.1: "):
        zoo.load(copy)
