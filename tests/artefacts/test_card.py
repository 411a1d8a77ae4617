"""A card is data that anybody may have written, and an artefact holds the files that it lists."""

import contextlib
import copy as copies
import json
import os
import random
import shutil
import types

import pytest
import small_cards

import zoo
from zoo import cli, names
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.artefacts import publish as publishing


def places(value, path=()):
    """The path of every value of a card, itself included."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


WRONG_VALUES = [
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "../../x",
    "\x1b[31m[red]",
    "a|b\n# c",
    "\ud800",
    [],
    [[]],
    {},
    {"": {}},
    {"b64": 3},
]


def mutations(card, count):
    """Cards with a field left out or of another kind, now and then two of them."""
    seeded = random.Random(0)
    found = list(places(card))
    for path in found[1:]:
        for value in [...] + seeded.sample(WRONG_VALUES, count):
            mutant = copies.deepcopy(card)
            for place in (path, seeded.choice(found[1:])) if seeded.random() < 0.2 else (path,):
                parent = mutant
                with contextlib.suppress(KeyError, IndexError, TypeError):  # the other one took it away
                    for key in place[:-1]:
                        parent = parent[key]
                    if value is ...:
                        del parent[place[-1]]
                    else:
                        parent[place[-1]] = value
            yield path, mutant


def test_a_card_of_any_shape_is_read_or_refused(tmp_path):
    """Each field of a real card in turn, of each wrong kind: nothing but a `ZooError` comes of it, that names a field."""
    card = json.loads((find.artefact("spanish_to_english") / find.CARD).read_text(encoding="utf-8"))
    card["examples"] = card["examples"][:1]
    card["baselines"] = {"always answering 'x'": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 1}}
    card["confusion"] = [{"truth": "x", "answer": "", "count": 1}]
    read = refused = 0
    for path, mutant in mutations(card, 3):
        (tmp_path / find.CARD).write_text(json.dumps(mutant), encoding="utf-8")
        try:
            facts = cards.read(tmp_path)
        except zoo.ZooError as error:
            refused += 1
            assert "not readable as a card (" in str(error), path
            assert names.printable(str(error)) == str(error), path
            continue
        read += 1
        text = cards.render(facts)
        assert names.printable(text) == text, path
        text.encode()
        assert all(isinstance(part, str) for part in cards.first_score(facts)), path
        with contextlib.suppress(zoo.ZooError):
            cards.verify(tmp_path, facts)
    assert read > 50
    assert refused > 300


BAD_CARDS = {
    "an array": ("[]", "a card must be an object, not a list"),
    "nothing": ("", "Expecting value"),
    "not UTF-8": (b"\xff\xfe{}", "utf-8"),
    "a name that is none": (json.dumps(small_cards.card(name=["x"])), "'name' must be a name of letters a to z"),
    "no scores": (
        json.dumps({key: value for key, value in small_cards.card().items() if key != "scores"}),
        "'scores' is missing",
    ),
    "no signature to ask": (json.dumps(small_cards.card(signatures={})), "'signatures.serving_default' is missing"),
    "a score without a value": (
        json.dumps(small_cards.card(scores={"a": {"low": 0, "high": 0, "n": 1}})),
        "'scores.a.value' is missing",
    ),
    "sizes as words": (json.dumps(small_cards.card(bytes="6 MB")), "'bytes' must be a whole number, not below 0, not \"6 MB\""),
    "true for a number": (json.dumps(small_cards.card(parameters=True)), "'parameters' must be a whole number"),
    "a hash that is none": (json.dumps(small_cards.card(files={"a": "b"})), "'files.a' must be a SHA-256"),
    "a file outside": (
        json.dumps(small_cards.card(files={"../a": small_cards.HASH})),
        "a key of 'files' must be a path inside",
    ),
    "NaN": (json.dumps(small_cards.card(bytes=float("nan"))), "NaN is no number in JSON"),
    "infinite": (json.dumps(small_cards.card(parameters=1)).replace("0.5", "1e999"), "a number is too large"),
    "huge": (json.dumps(small_cards.card(parameters=10**30)), "is too large"),
    "more digits than Python reads": (json.dumps(small_cards.card(parameters=1)).replace("0.5", "9" * 5000), "digits"),
    "half a character": (json.dumps(small_cards.card(summary="\ud800")), "holds half a character"),
    "a field twice": (
        json.dumps(small_cards.card()).replace('"name"', '"name": "other", "name"', 1),
        "'name\" is there twice|name.* is there twice",
    ),
    "deep": ("[" * 100_000, "nested too deeply"),
    "rather deep": (
        json.dumps(small_cards.card(labels=[])).replace("[]", "[" * 60 + "]" * 60),
        "nested too deeply|must be a text",
    ),
    "escapes for a terminal": (json.dumps(small_cards.card(scores={"\x1b[2J": {}})), r"not \"\\u001b\[2J\""),
}


@pytest.mark.parametrize("case", BAD_CARDS)
def test_what_is_wrong_with_a_card_is_said_and_others_are_listed(case, tmp_path, monkeypatch, capsys):
    content, message = BAD_CARDS[case]
    bad, good = tmp_path / "models" / "bad" / "1", small_cards.write(tmp_path / "models" / "good" / "1", name="good")
    bad.mkdir(parents=True)
    (bad / find.CARD).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    for use in (cards.read, zoo.load):
        with pytest.raises(zoo.ZooError, match=message):
            use(bad)
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))
    cli.main(["list", "--json", "[bg]*"])
    said = capsys.readouterr()
    assert [card["path"] for card in json.loads(said.out)["artefacts"]] == [str(good)]
    assert said.err.startswith(f"left out: {bad}")
    publishing.write_index(tmp_path / "models")
    index = (tmp_path / "models" / "README.md").read_text(encoding="utf-8")
    assert "good/1/README.md" in index
    assert "bad/1" not in index


def test_a_card_as_large_as_a_disk_is_not_read(tmp_path):
    small_cards.write(tmp_path)
    os.truncate(tmp_path / find.CARD, 2**40)  # it takes no place
    with pytest.raises(zoo.ZooError, match="larger than 16 MB"):
        cards.read(tmp_path)


def test_a_card_is_shown_and_not_obeyed(tmp_path, monkeypatch, capsys):
    """Neither by a terminal, nor by rich, nor by what shows Markdown."""
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 1}
    facts = {
        "name": "imdb_sentiment",
        "summary": "A model.\x1b[2J\u202e <script>x</script> [here](http://evil) `x`",
        "scores": {"[red]accuracy[/red] | b": score},
        "labels": ["\x1b]0;title\x07"],
    }
    small_cards.write(tmp_path / "models" / "stranger" / "1", **facts)
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))
    cli.main(["list", "stranger"])
    said = capsys.readouterr().out
    assert "[red]accuracy[/red]" in said
    assert "stranger" in said  # what `zoo.load` takes, not what the card calls itself
    for flags in ([], ["--json"]):
        cli.main(["info", "stranger", *flags])
        said = capsys.readouterr().out
        assert not {"\x1b", "\u202e", "\x07"} & set(said)
        assert "\\u001b[2J" in said
    text = cards.render(cards.read(tmp_path / "models" / "stranger" / "1"))
    assert not [part for part in ("<script>", "[here](", "`x`", "accuracy[/red] | b") if part in text]


def test_answers_are_shown_and_not_obeyed(tmp_path, monkeypatch, capsys):
    """A label, which is a stranger's too."""
    small_cards.write(tmp_path / "model")
    answer = {"label": "good\x1b[2J\x9b2J\ttab", "score": 0.5}
    model = types.SimpleNamespace(predict=lambda inputs, signature: [answer])
    monkeypatch.setattr("zoo.artefacts.load.load", lambda name, version, trusted: model)
    cli.main(["predict", str(tmp_path / "model"), "text"])
    assert capsys.readouterr().out == "good\\u001b[2J\\u009b2J\ttab\t0.5000\n"
    cli.main(["predict", str(tmp_path / "model"), "text", "--json"])
    said = capsys.readouterr().out
    assert "\x9b" not in said
    assert json.loads(said) == answer


# Files


def listed_fifo(copy):
    os.mkfifo(copy / "assets" / "pipe")


def linked(copy, name, target):
    path = copy / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(target)


FILES = {
    "a link to a file elsewhere": (
        lambda copy: linked(copy, "assets/labels.txt", "/etc/passwd"),
        "labels.txt is a link to /etc/passwd",
    ),
    "a link to a directory elsewhere": (lambda copy: linked(copy, "assets", copy.parent), "assets is a link to"),
    "a link to a directory of its own": (lambda copy: linked(copy, "more", "assets"), "more is a link to assets"),
    "a link upwards": (lambda copy: linked(copy, "README.md", "../other"), "README.md is a link to"),
    "a link to itself": (lambda copy: linked(copy, "more", "more"), "more is "),
    "a pipe": (listed_fifo, "pipe is neither a file nor a directory"),
    "a file that is not listed": (
        lambda copy: (copy / "saved_model.pbtxt").touch(),
        "holds saved_model.pbtxt, which its card does not list",
    ),
    "a module": (lambda copy: (copy / "payload.py").touch(), "holds payload.py, which its card does not list"),
    "no files listed": (
        lambda copy: small_cards.change(copy, lambda card: card.update(files={})),
        "does not list saved_model.pb",
    ),
    "the graph not listed": (
        lambda copy: small_cards.change(copy, lambda card: card["files"].pop("saved_model.pb")),
        "does not list saved_model.pb",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_an_artefact_holds_its_files_itself_and_no_others(copy, case, tmp_path):
    change, message = FILES[case]
    change(copy)
    for use in (zoo.load, zoo.load_task, cards.weights, lambda path: zoo.publish(path, tmp_path / "models")):
        with pytest.raises(zoo.ZooError, match=message):
            use(copy)
    assert not (tmp_path / "models").exists()


def test_a_link_within_is_fine(copy):
    labels = copy / "assets" / "labels.txt"
    labels.rename(copy / "assets" / "names.txt")
    labels.symlink_to("names.txt")
    small_cards.change(copy, lambda card: card.update(files=cards.hashes(copy)))
    assert zoo.load_task(copy).assets["labels.txt"] == ["negative", "positive"]
