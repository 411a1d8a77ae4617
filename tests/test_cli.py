"""The command line `zoo`."""

import io
import json
import shutil
import subprocess
import sys

import pytest

import zoo
from zoo import card as cards
from zoo.cli import main

TEXTS = ["A wonderful film.", 'Utterly dull, and "bad"', "I left early"]


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def zoo_command(capsys):
    """Arguments → what the command prints; or (code, message) if it fails."""

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            return stopped.code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def shelf(tiny_artefact, tmp_path, monkeypatch):
    """Two versions of tiny_review and one of an image captioner in $ZOO_MODELS."""
    for name, version, mapping in (("tiny_review", 1, None), ("tiny_review", 2, None), ("tiny_caption", 1, "one_to_many")):
        copy = shutil.copytree(tiny_artefact, tmp_path / "models" / name / str(version))
        card = cards.read(copy)
        (copy / "card.json").write_text(json.dumps(card | {"name": name, "mapping": mapping or card["mapping"]}))
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))


def test_list(zoo_command, shelf):
    lines = zoo_command("list").splitlines()
    assert any("text_classifier" in line and "many-to-one" in line for line in lines)
    (line,) = [line for line in lines if "tiny_review" in line]
    card = cards.read(cards.find("tiny_review"))
    for part in ("2", "many-to-one", f"accuracy {card['scores']['accuracy']['value']:.4f}", "MB", "text_classifier"):
        assert part in line


def test_list_can_be_narrowed_and_read_by_programs(zoo_command, shelf):
    def names(*arguments):
        found = json.loads(zoo_command("list", "--json", *arguments))
        return [model["name"] for model in found["builders"]], [artefact["name"] for artefact in found["artefacts"]]

    assert names()[0] == zoo.list_models()
    assert {"tiny_review", "tiny_caption"} <= set(names()[1])
    assert names("tiny_*") == ([], ["tiny_caption", "tiny_review"])
    assert names("tiny_*", "--mapping", "one_to_many") == ([], ["tiny_caption"])
    assert names("nothing like it") == ([], [])


def test_info(zoo_command, shelf):
    said = zoo_command("info", "text_classifier")
    assert zoo.model_info("text_classifier").doc in said
    assert "cell = 'lstm'" in said
    assert "num_classes = (required)" in said
    assert json.loads(zoo_command("info", "text_classifier", "--json"))["arguments"]["layers"] == "1"
    card = cards.read(cards.find("tiny_review"))
    assert cards.render(card) in zoo_command("info", "tiny_review")
    assert json.loads(zoo_command("info", "tiny_review", "--json")) == card


def test_predict_reads_arguments_files_and_standard_input(zoo_command, tiny_artefact, tmp_path, monkeypatch):
    expected = zoo.load(tiny_artefact).predict(TEXTS)

    def answers(*arguments):
        return [json.loads(line)["label"] for line in zoo_command("predict", tiny_artefact, "--json", *arguments).splitlines()]

    labels = [answer["label"] for answer in expected]
    assert answers(*TEXTS) == labels
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    assert answers("--file", "texts.txt") == labels
    (tmp_path / "texts.txt").write_text("\r\n".join(TEXTS))
    assert answers("--file", "texts.txt") == labels
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*TEXTS, "", TEXTS[0]])))
    assert answers() == [*labels, zoo.load(tiny_artefact).predict([""])[0]["label"], labels[0]]  # a line is a text
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert answers() == []

    line = zoo_command("predict", tiny_artefact, TEXTS[0])
    label, numbers = line.rstrip("\n").split("\t")
    assert label == labels[0]
    assert [float(number) for number in numbers.split()] == pytest.approx(expected[0]["probabilities"], abs=1e-4)
    assert set(json.loads(zoo_command("predict", tiny_artefact, "--json", "--signature", "parts", "A"))) == {
        "recurrent",
        "ngrams",
    }


def test_evaluate_repeats_the_score_of_the_card(zoo_command, tiny_artefact):
    card = cards.read(tiny_artefact)
    said = zoo_command("evaluate", tiny_artefact, "--json")
    assert json.loads(said[said.index("\n{") :]) == card["scores"]


ERRORS = {
    "predict no_such_artefact text": "There is no artefact 'no_such_artefact'; looked in",
    "predict text_classifier text": "It is a builder",
    "predict ARTEFACT --signature beam text": "There is no signature 'beam'; there are parts, serving_default",
    "predict ARTEFACT --file nowhere.txt": "nowhere.txt cannot be read as UTF-8 text",
    "predict ARTEFACT --file latin.txt": "latin.txt cannot be read as UTF-8 text",
    "predict ARTEFACT --file latin.txt text": "Give either texts or --file, not both",
    "evaluate no_such_artefact": "There is no artefact 'no_such_artefact'",
    "info no_such_artefact": "no_such_artefact",
    "list --mapping sideways": "There is no mapping 'sideways'; there are one_to_one",
    "publish nowhere": "nowhere holds no artefact",
    "publish ARTEFACT": "trained on the sample data; only runs on the real data are published",
}


@pytest.mark.parametrize("command", ERRORS)
def test_errors_are_one_line_and_code_2(zoo_command, tiny_artefact, tmp_path, command):
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    code, message = zoo_command(*command.replace("ARTEFACT", str(tiny_artefact)).split())
    assert code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert ERRORS[command] in message


WRONG = ["", "frobnicate", "predict", "list --jsn", "list a b", "predict name --jsn text", "predict name --version one"]


@pytest.mark.parametrize("command", WRONG)
def test_wrong_usage_is_explained(zoo_command, command):
    code, message = zoo_command(*command.split())
    assert code == 2
    assert message.startswith("usage: zoo")


def test_publish(zoo_command, tiny_artefact, tmp_path):
    copy = shutil.copytree(tiny_artefact, tmp_path / "run" / "artefact")
    card = cards.read(copy)
    card["data"]["source"], card["run"]["max_steps"] = "real", None
    (copy / "card.json").write_text(json.dumps(card))
    assert "Published: saved_models/imdb_sentiment/1" in zoo_command("publish", "run")
    assert "Published: there/imdb_sentiment/1" in zoo_command("publish", "run", "--to", "there")
    assert (tmp_path / "saved_models" / "README.md").is_file()
    assert "imdb_sentiment" in zoo_command("list", "imdb_*")


PROCESS = """
import sys
from zoo.cli import main
try:
    main()
finally:
    print("imported:", *sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["--help", "list", "info text_classifier", "info no_such_artefact"])
def test_what_needs_no_tensorflow_imports_none(command):
    finished = subprocess.run([sys.executable, "-c", PROCESS, *command.split()], capture_output=True, text=True)
    assert finished.returncode == (2 if "no_such" in command else 0)
    assert finished.stderr.endswith("imported:\n")
    assert "Traceback" not in finished.stderr


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    """As in `zoo list | head -0`."""
    command = f"{sys.executable} -c 'from zoo.cli import main; main()' info text_classifier --json | head -c 1"
    finished = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "{", "")
