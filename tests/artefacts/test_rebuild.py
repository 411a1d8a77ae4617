"""What a card names is looked up, and never imported."""

import sys
import types

import pytest
import small_cards

import zoo
from zoo import registry
from zoo.artefacts import card as cards
from zoo.artefacts import find, rescore


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """A module beside the artefact, which an import of its name would find; gives the names of the modules that it ran as."""
    ran = []
    monkeypatch.setattr(sys, "ran_payloads", ran, raising=False)
    (tmp_path / "payload.py").write_text("import sys\nsys.ran_payloads.append(__name__)\nclass Payload:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    return ran


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("payload", "Payload"),
        ("os", "system"),
        ("builtins", "eval"),
        ("zoo.tasks.base", "Task"),  # abstract
        ("zoo.models.text_classifier", "Words"),  # imported there, no family
        ("zoo.models.text_classifier", "_private"),
        ("zoo.models.payload", "Payload"),
        ("zoo.models...payload", "Payload"),
        ("zoo.artefacts.save", "_Float16Storage"),
    ],
)
def test_a_card_imports_nothing(copy, payload, module, name):
    small_cards.change(copy, lambda card: card["task"].update({"module": module, "class": name}))
    with pytest.raises(zoo.ZooError, match=rf"There is no family {name} of .* imports nothing"):
        zoo.load_task(copy)
    assert payload == []
    assert "payload" not in sys.modules


def test_a_family_that_the_program_imported_is_found(copy):
    class Mine(zoo.TextClassifier):
        pass

    small_cards.change(copy, lambda card: card["task"].update({"module": __name__, "class": "Mine"}))
    assert type(zoo.load_task(copy)) is Mine


TASKS = {
    "a field is missing": lambda task: task.pop("words"),
    "a field of another kind": lambda task: task["words"].update(limit="many"),
    "no such builder": lambda task: task.update(builder="nothing"),
    "another builder": lambda task: task.update(builder="series_regressor"),
    "an unknown argument": lambda task: task["arguments"].update(payload=1),
    "weights from elsewhere": lambda task: task["arguments"].update(weights="spanish_to_english"),
    "an object for Keras": lambda task: task["arguments"].update(units={"module": "os", "class_name": "system", "config": {}}),
    "an argument of another kind": lambda task: task["arguments"].update(units="x"),
    "a cell that is none": lambda task: task["arguments"].update(cell="../x"),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_task_that_cannot_be_rebuilt_is_said(copy, case):
    small_cards.change(copy, lambda card: TASKS[case](card["task"]))
    with pytest.raises(zoo.ZooError):
        zoo.load_task(copy)


def test_examples_and_assets_of_another_kind_are_said(copy):
    small_cards.change(copy, lambda card: card["examples"][0].update(input={"path": "/etc/passwd"}))
    with pytest.raises(zoo.ZooError, match=r"does not describe a TextClassifier: .*an example has path for the inputs text"):
        zoo.load_task(copy)
    (copy / "assets" / "labels.txt").write_bytes(b"\xff")
    small_cards.change(copy, lambda card: card["examples"].clear() or card.update(files=cards.hashes(copy)))
    with pytest.raises(zoo.ZooError, match="does not describe a TextClassifier: UnicodeDecodeError"):
        zoo.load_task(copy)


def test_the_loaders_and_families_are_those_of_this_package():
    assert {"imdb_reviews", "mnist", "labelled_texts", "adding_problem"} <= registry.loaders().keys()
    shipped = [cards.read(path) for path in find.artefacts().values()]
    assert {card["data"]["loader"] for card in shipped} <= registry.loaders().keys()
    assert {(card["task"]["class"], card["task"]["module"]) for card in shipped} <= registry.families().items()


def data(loader, source="real", **arguments):
    return {**small_cards.card()["data"], "loader": loader, "source": source, "arguments": arguments}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(
            ({"data": data(name)}, "a loader of data that the zoo does not have")
            for name in ("photos", "Splits", "stable_bucket")
        ),
        ({"data": data("__import__", name="os")}, "a loader of data that the zoo does not have"),
        ({"task": small_cards.card()["task"] | {"module": "os", "class": "system"}}, "There is no family system of os"),
        ({"data": data("imdb_reviews", "own")}, "gave own data; it gives sample data"),
        ({"data": data("adding_problem", length=9, train=1, validation=1, test=1)}, "gave real data; it gives synthetic data"),
        ({"data": data("imdb_reviews", validation_fold=10)}, "one of the tenths 0 to 9"),
        ({"data": data("imdb_reviews", validation_fold="0")}, "read data of whoever trained it"),
        ({"data": data("labelled_texts", "sample", path="/etc/passwd")}, "read data of whoever trained it"),
        ({"data": data("imdb_reviews", config={})}, "does not take the arguments"),
        ({"data": data("imdb_reviews", path="/etc/passwd")}, "does not take the arguments"),
        ({"data": data("adding_problem", "synthetic", length="9")}, "read data of whoever trained it"),
        ({"data": data("adding_problem", "synthetic", length=9)}, "does not take the arguments"),
        (
            {"data": data("adding_problem", "synthetic", length=True, train=1, validation=1, test=1)},
            "does not take the arguments",
        ),
        ({"data": data("adding_problem", "synthetic", length=-1, train=1, validation=1, test=1)}, "at least 2 steps"),
        ({"data": data("labelled_texts", "own", path=["/etc/passwd"])}, "does not take the arguments"),
    ],
)
def test_a_card_calls_nothing_but_loaders_and_measures(fields, message):
    with pytest.raises(zoo.ZooError, match=message):
        rescore.test_and_measure(small_cards.card(**fields))


def test_files_that_a_card_names_are_read_at_the_users_word(tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"film {n},{('bad', 'good')[n % 2]}\n" for n in range(100)))
    arguments = {"path": str(tmp_path / "mine.csv"), "text_column": "text", "label_column": "label"}
    card = small_cards.card(data=data("labelled_texts", "own", **arguments))
    with pytest.raises(zoo.ZooError, match=r"read data of whoever trained it \(path .*mine\.csv.*--trusted"):
        rescore.test_and_measure(card)
    test, measure = rescore.test_and_measure(card, trusted=True)
    assert int(test.cardinality()) > 0
    assert measure.__wrapped__ is zoo.metrics.accuracy
    captioner = types.SimpleNamespace(card=card, signatures={}, predict=lambda inputs, **_: [{"caption": "x"}] * len(inputs))
    with pytest.raises(zoo.ZooError, match="measure of the card's family, accuracy, does not fit this artefact"):
        measure(captioner, test.take(2))
