"""The command line `zoo`."""

import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_cards

import zoo
from zoo import config
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.cli import main

ROOT = Path(__file__).parents[1]
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
    card = cards.read(find.artefact("tiny_review"))
    for part in ("2", "many-to-one", f"accuracy {card['scores']['accuracy']['value']:.4f}", "MB", "text_classifier"):
        assert part in line


def test_list_can_be_narrowed_and_read_by_programs(zoo_command, shelf):
    def names(*arguments):
        found = json.loads(zoo_command("list", "--json", *arguments))
        return [model["name"] for model in found["builders"]], [artefact["name"] for artefact in found["artefacts"]]

    assert names()[0] == zoo.list_models()
    assert {"tiny_review", "tiny_caption"} <= set(names()[1])
    assert names("tiny_*") == ([], ["tiny_caption", "tiny_review"])
    for mapping in ("one_to_many", "one-to-many"):
        assert names("tiny_*", "--mapping", mapping) == ([], ["tiny_caption"])
    assert names("nothing like it") == ([], [])


def test_info(zoo_command, shelf):
    said = zoo_command("info", "text_classifier")
    assert zoo.model_info("text_classifier").doc in said
    assert "cell = 'lstm'" in said
    assert "num_classes = (required)" in said
    assert json.loads(zoo_command("info", "text_classifier", "--json"))["arguments"]["layers"] == "1"
    card = cards.read(find.artefact("tiny_review"))
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
    (tmp_path / "texts.txt").write_bytes("\ufeff".encode() + "\n".join(TEXTS).encode())
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


def test_what_is_empty_is_said(tiny_artefact, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty.txt").touch()
    main(["predict", str(tiny_artefact), "--file", "empty.txt"])
    assert capsys.readouterr() == ("", "Nothing to answer: empty.txt is empty.\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    main(["predict", str(tiny_artefact)])
    assert capsys.readouterr() == ("", "Nothing to answer: standard input is empty.\n")
    main(["predict", str(tiny_artefact), "A film.", " "])
    said = capsys.readouterr()
    assert said.out.count("\n") == 2
    assert said.err == "Input 2 is empty; it is answered as an empty text.\n"


def test_what_is_not_utf8_is_named(zoo_command, tiny_artefact, monkeypatch):
    code, message = zoo_command("predict", tiny_artefact, "good", os.fsdecode("caf\xe9".encode("latin-1")))
    assert (code, message) == (2, "error: Input 2 is not UTF-8 text: it has the byte 0xe9 at 3.\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\ncaf\xe9\n")))
    code, message = zoo_command("predict", tiny_artefact)
    assert (code, message) == (2, "error: standard input is not UTF-8 text: line 2 has the byte 0xe9.\n")


def test_its_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"zoo {zoo.__version__}\n"


class FakeModel:
    """A loaded captioner, whose caption of a file is its content."""

    def __init__(self):
        self.asked = []

    def predict(self, inputs, signature):
        self.asked.append((inputs, signature))
        answers = []
        for item in inputs:
            path = item["image_bytes"] if isinstance(item, dict) else item
            error = "empty" if not path.stat().st_size else ""
            answers.append({"score": -1.5, "caption": path.read_text(), "error": error})
            if signature == "attention":
                answers[-1] |= {"tokens": ["▁a", "</s>", ""], "weights": [[[0.5] * 6] * 7] * 3}
        return answers


@pytest.fixture
def captioner(tmp_path, monkeypatch):
    """A model of files at ./captioner, which TensorFlow is not needed for, and two files, one of them bad."""
    one, more = {"image_bytes": "string [N]"}, {"seed": "int32 [N]", "image_bytes": "string [N]"}
    names = {"serving_default": one, "attention": one, "greedy": one, "sample": more}
    signatures = {name: {"inputs": inputs, "outputs": {}} for name, inputs in names.items()}
    small_cards.write(tmp_path / "captioner", signatures=signatures)
    (tmp_path / "a.jpg").write_text("a dog")
    (tmp_path / "b.jpg").touch()
    model = FakeModel()
    monkeypatch.setattr("zoo.artefacts.load.load", lambda name, version, trusted: model)
    return model


def test_predict_reads_files_where_the_signature_takes_their_content(zoo_command, captioner, tmp_path, monkeypatch):
    said = "a dog\t-1.5000\nerror: empty\n"  # a line for each file, in their order
    assert zoo_command("predict", "captioner", "a.jpg", "b.jpg") == said
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
    assert zoo_command("predict", "captioner", "--file", "list.txt") == said
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.jpg\nb.jpg\n"))
    assert zoo_command("predict", "captioner") == said
    assert captioner.asked == [([Path("a.jpg"), Path("b.jpg")], "serving_default")] * 3
    answer = json.loads(zoo_command("predict", "captioner", "--json", "b.jpg"))
    assert answer == {"score": -1.5, "caption": "", "error": "empty"}


def test_predict_takes_json_where_there_are_several_inputs(zoo_command, captioner, monkeypatch):
    line = '{"image_bytes": "a.jpg", "seed": 3}'
    assert zoo_command("predict", "captioner", "--signature", "sample", line) == "a dog\t-1.5000\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{line}\n{line}\n"))
    assert zoo_command("predict", "captioner", "--signature", "sample") == "a dog\t-1.5000\n" * 2
    assert captioner.asked[0] == ([{"image_bytes": Path("a.jpg"), "seed": 3}], "sample")


def test_predict_prints_weights_with_json_alone(zoo_command, captioner):
    command = ("predict", "captioner", "a.jpg", "--signature", "attention")
    assert zoo_command(*command) == "a dog\t-1.5000\t▁a </s>\t(3 × 7 × 6 numbers)\n"
    assert json.loads(zoo_command(*command, "--json"))["weights"] == [[[0.5] * 6] * 7] * 3


def test_predict_draws_attention(zoo_command, captioner, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr("zoo.plots.attention", lambda *arguments: drawn.append(arguments))
    main(["predict", "captioner", "--plot", "out.png", "--json", "a.jpg"])
    said = capsys.readouterr()
    assert drawn == [(captioner, Path("a.jpg"), Path("out.png"))]
    assert json.loads(said.out)["caption"] == "a dog"
    assert said.err == "Picture: out.png\n"


CAPTIONER_ERRORS = {
    "c.jpg": "There is no file 'c.jpg'; this signature takes paths of files",
    "a.jpg captioner": "captioner is a directory; this signature takes paths of files",
    f"{'long' * 100}": "There is no file 'longlong",
    "a.jpg --signature beam": "There is no signature 'beam'; there are attention, greedy, sample, serving_default",
    "a.jpg --signature sample": 'This signature takes JSON objects {"image_bytes": ..., "seed": ...}, not \'a.jpg\'',
    "[1] --signature sample": "This signature takes JSON objects",
    '{"image_bytes":"c.jpg"} --signature sample': "There is no file 'c.jpg'",
    "a.jpg b.jpg --plot a.png": "--plot draws one input, not 2",
    "a.jpg --plot a.png --signature greedy": "--plot draws the signature 'attention'; leave out --signature",
    "a.jpg --plot a.xyz": "a.xyz cannot be written: the name of a picture ends in one of",
    "a.jpg --plot nowhere/a.png": "there is no directory nowhere",
}


@pytest.mark.parametrize("arguments", CAPTIONER_ERRORS)
def test_errors_with_files_are_known_before_the_model_is_loaded(zoo_command, captioner, monkeypatch, arguments):
    monkeypatch.setattr("zoo.artefacts.load.load", None)
    code, message = zoo_command("predict", "captioner", *arguments.split())
    assert code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert CAPTIONER_ERRORS[arguments] in message


def test_scores_up_to_100_have_two_decimals_and_tiny_ones_two_digits():
    assert [cards.number(value) for value in (0.92124, 1.0, 31.4159, -0.5)] == ["0.9212", "1.0000", "31.42", "-0.5000"]
    assert [cards.number(value) for value in (0.00034567, 0, 0.001)] == ["3.5e-04", "0.0000", "0.0010"]
    assert cards.interval({"low": 30.126, "high": 32}) == "30.13 to 32.00"


def test_evaluate_repeats_the_score_of_the_card(zoo_command, tiny_artefact):
    card = cards.read(tiny_artefact)
    assert json.loads(zoo_command("evaluate", tiny_artefact, "--json")) == card["scores"]


def test_evaluate_has_scores_that_an_older_card_lacks(zoo_command, copy):
    small_cards.change(copy, lambda card: card["scores"].pop("calibration error"))
    said = zoo_command("evaluate", copy)
    assert re.search(r"^accuracy: 0\.\d+ \(.*\); the card says 0\.\d+$", said, re.MULTILINE)
    assert re.search(r"^calibration error: 0\.\d+ \(.*\); the card does not say$", said, re.MULTILINE)


def test_train_runs_a_recipe_from_anywhere(zoo_command, monkeypatch):
    Path("one.csv").write_text("text,label\nfine,good\nnice,good\n")
    code, message = zoo_command("train", "imdb_sentiment", "--csv", "one.csv")
    assert (code, message.count("\n")) == (2, 1)
    assert message.startswith("error: Column 'label' of one.csv has 1 distinct label(s)")
    started = []
    monkeypatch.setattr(config, "run", lambda main, flags, program: started.append((main, flags)))
    zoo_command("train", "imdb_sentiment", "--name", "mine", "--no-fresh", "--json")
    ((recipe, flags),) = started
    assert flags == ["--name", "mine", "--no-fresh", "--json"]  # all of them are the recipe's
    made = inspect.signature(recipe).parameters["config"].annotation(name="mine")
    assert config.command(made) == "python recipes/imdb_sentiment.py --name mine"
    assert (config.run_name(made), config.recipe_name(made)) == ("mine", "imdb_sentiment")
    monkeypatch.setattr(config, "is_installed", lambda: True)
    assert config.command(made) == "zoo train imdb_sentiment --name mine"


def test_train_shows_the_recipes_and_their_flags(zoo_command, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = capsys.readouterr().out
    for path in (ROOT / "recipes").glob("*.py"):
        assert f"  {path.stem} " in said
    with pytest.raises(SystemExit):
        main(["train", "mnist_digits", "--help"])
    said = capsys.readouterr().out
    assert said.startswith("usage: zoo train mnist_digits")
    assert "--folder" in said
    code, message = zoo_command("train", "mnist_digits", "--epochs", "0")
    assert (code, message) == (2, "error: --epochs must be at least 1, not 0.\n")


ERRORS = {
    "train imdb_sentimentt": "There is no recipe 'imdb_sentimentt'. Did you mean 'imdb_sentiment'?",
    "predict no_such_artefact text": "There is no artefact 'no_such_artefact'; looked in",
    "predict text_classifier text": "It is a builder",
    "predict ARTEFACT --signature beam text": "There is no signature 'beam'; there are parts, serving_default",
    "predict ARTEFACT --file nowhere.txt": "nowhere.txt cannot be read: No such file or directory",
    "predict ARTEFACT --file latin.txt": "latin.txt is not UTF-8 text: line 2 has the byte 0xe9",
    "predict ARTEFACT --file latin.txt text": "Give either inputs or --file, not both",
    "predict ARTEFACT text --plot a.png": "--plot draws the signature 'attention'",
    "evaluate no_such_artefact": "There is no artefact 'no_such_artefact'",
    "info no_such_artefact": "no_such_artefact",
    "list --mapping sideways": "There is no mapping 'sideways'; there are one_to_one",
    "publish nowhere": "nowhere holds no artefact",
    "publish ARTEFACT": "trained on the sample data, is not published: only runs on the real data are",
}


@pytest.mark.parametrize("command", ERRORS)
def test_errors_are_one_line_and_code_2(zoo_command, tiny_artefact, tmp_path, command):
    (tmp_path / "latin.txt").write_bytes("tea\ncafé".encode("latin-1"))
    code, message = zoo_command(*command.replace("ARTEFACT", str(tiny_artefact)).split())
    assert code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert ERRORS[command] in message


WRONG = ["", "frobnicate", "train", "serve --timeout 0", "serve --port -1"]
WRONG += ["predict", "list --jsn", "list a b", "predict name --jsn text", "predict name --version one"]


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


LIGHT = ["--help", "list", "train --help", "train mnist_digits --help", "info text_classifier", "info no_such_artefact"]


@pytest.mark.parametrize("command", LIGHT)
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
