"""What a recipe can be told, and what it answers to what it cannot do."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import families
import pytest
import tyro

import zoo
from zoo import config

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.py"))

# Runs a recipe as a script and then says on stderr which of the slow packages it imported.
AS_SCRIPT = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("imported:", *sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)), file=sys.stderr)
"""


def script(*arguments, cwd=None):
    """Runs a recipe in a process of its own, on a wide terminal."""
    command = [sys.executable, "-c", AS_SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "1000"})


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_help_explains_every_flag_at_once(recipe, import_recipe):
    finished = script(recipe, "--help")
    assert (finished.returncode, finished.stderr) == (0, "imported:\n")
    flag, explained = "", {"": ""}
    for line in finished.stdout.splitlines():
        if match := re.match(r"│ --([\w-]+)(, --no-[\w-]+)?( \S+)? *(.*?) *│$", line):
            explained[flag := match[1]] = match[4]
        elif match := re.match(r"│ +(.*?) *│$", line):  # its flag and values fill the line above
            explained[flag] += match[1]
    texts = []
    for field in dataclasses.fields(import_recipe(recipe).Config):
        flag = "from" if field.name == "weights" else field.name.replace("_", "-")
        text, _, default = explained[flag].rpartition(" (default: ")
        assert len(text.split()) >= 3, f"{field.name} has no comment"
        said = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        assert default == f"{said})"
        texts.append(text)
    assert len(set(texts)) == len(texts), f"one comment for two fields: {max(texts, key=texts.count)}"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_bad_value_is_one_line_and_code_2(recipe):
    finished = script(recipe, "--epochs", -1)
    assert finished.returncode == 2
    assert finished.stderr == "error: --epochs must be at least 1, not -1.\nimported:\n"
    finished = script(recipe, "--epoch", 1)
    assert finished.returncode == 2
    assert re.search(r"Unrecognized options: --epoch\b", finished.stderr)
    assert "Traceback" not in finished.stderr


REFUSED = [(recipe.name, *refused) for recipe in families.RECIPES.values() for refused in recipe.refused.items()]


@pytest.mark.parametrize(("recipe", "flags", "message"), REFUSED, ids=lambda value: value)
def test_what_is_wrong_with_ones_own_file_is_said_before_tensorflow_is_imported(recipe, flags, message, tmp_path):
    (tmp_path / "wrong.csv").write_text("text,label\na film, well made,good\n")
    (tmp_path / "few.csv").write_text("text,label\n" + "\n".join(f"film {i},{'good' if i % 2 else 'bad'}" for i in range(4)))
    (recipe,) = (one for one in RECIPES if one.stem == recipe)
    finished = script(recipe, *flags.split(), cwd=tmp_path)
    assert finished.returncode == 2
    error, imported = finished.stderr.splitlines()
    assert error.startswith(f"error: {message}")
    assert imported == "imported:"


CSV = "text,label\nfine,good\nawful,bad\nnice,good\n"
BAD = {
    "--epochs 0": "--epochs must be at least 1, not 0",
    "--patience 0": "--patience must be at least 1",
    "--max-steps -3": "--max-steps must be at least 1",
    "--batch-size 0": "--batch-size must be at least 1",
    "--learning-rate 0": "--learning-rate must be greater than 0",
    "--learning-rate nan": "--learning-rate must be greater than 0",
    "--clip-norm -1": "--clip-norm must be greater than 0",
    "--average 1": "--average must be at least 0 and less than 1",
    "--name ../elsewhere": "--name cannot be '../elsewhere': a name has at most 100 letters",
    "--name text_classifier": "--name cannot be 'text_classifier', which is a builder",
    "--validation-fold 10 --data sample": "validation_fold is one of the tenths 0 to 9, not 10",
    "--seed -1": "--seed must be at least 0",
    "--precision mixed_float16": "--precision mixed_float16 needs a GPU",
    "--data auto --data-dir nowhere": "nowhere is not a readable directory",
    "--data real --data-dir texts.csv": "texts.csv is not a readable directory",
    "--runs texts.csv/runs": "Runs cannot be kept in texts.csv/runs: Not a directory.* Give another --runs",
    "--csv nowhere.csv": "nowhere.csv cannot be read: No such file",
    "--csv texts.csv --text-column body": "texts.csv has no column 'body'; it has 'text', 'label'",
    "--csv texts.csv --label-column text": "The texts and the labels cannot both be in the column 'text'",
    "--csv texts.csv": "The .* split is empty: there are too few examples",
    "--csv one.csv": r"Column 'label' of one.csv has 1 distinct label\(s\)",
    "--units 0": "units must be at least 1",
    "--layers 0": "layers must be at least 1",
    "--window 0": "window must be at least 1",
    "--dropout 1": "dropout must be at least 0 and less than 1",
    "--ngram-order -1": "ngram_order must be at least 0",
    "--max-words 0": "at least 1 word, not limit=0",
    "--from mnist_digits": "--from mnist_digits: it is of the family ImageClassifier, and this recipe of TextClassifier",
    "--from nowhere": "There is no artefact 'nowhere'",
    "--from imdb_sentiment": "--from takes the model of imdb_sentiment as it is: --[a-z-]+ would not count",
    "--vocabulary-size 2": "The vocabulary is empty: .* less than 3",
}


@pytest.mark.parametrize("flags", BAD)
def test_bad_values(flags, imdb, tiny_flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("texts.csv").write_text(CSV)
    Path("one.csv").write_text("text,label\nfine,good\nnice,good\n")
    with pytest.raises(SystemExit) as stopped:
        config.run(imdb.main, [*tiny_flags, *flags.split()])
    assert stopped.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert re.match(f"error: .*{BAD[flags]}", line), line


@pytest.mark.parametrize("flags", ["--epochs many", "--no-such-flag 3", "--cell qrnn", "--data fake"])
def test_bad_flags(flags, imdb, capsys):
    with pytest.raises(SystemExit) as stopped:
        config.run(imdb.main, flags.split())
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert flags.split()[0] in message
    assert "Traceback" not in message


def test_an_interrupted_recipe_says_how_to_go_on(capsys):
    def main(config: zoo.RunConfig):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        config.run(main, [])
    assert stopped.value.code == 130
    assert "The same command continues this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": 7, "data": "sample", "cell": "gru", "learning_rate": 1e-05, "max_steps": 9, "average": 0.0},
        {"weights": "runs/my own/artefact", "learning_rate": 1e-4},
        {"name": "its_texts", "csv": Path("my texts/it's.csv"), "text_column": "what was said", "label_column": "$label"},
    ],
)
def test_the_command_makes_the_same_configuration(settings, imdb):
    made = imdb.Config(**settings)
    python, recipe, *flags = shlex.split(config.command(made))
    assert (python, recipe) == ("python", "recipes/imdb_sentiment.py")
    assert tyro.cli(imdb.Config, args=flags) == made


def test_what_a_run_goes_on_from_is_a_flag_whose_name_python_keeps(imdb):
    assert config.command(imdb.Config(weights="imdb_sentiment")) == "python recipes/imdb_sentiment.py --from imdb_sentiment"
    assert config.identity(imdb.Config(weights="imdb_sentiment")) != config.identity(imdb.Config())


def test_an_artefact_of_another_family_is_refused_before_anything_is_read():
    (recipe,) = (path for path in RECIPES if path.stem == "pen_digits")  # both are sequence classifiers
    finished = script(recipe, "--from", "splice_junctions")
    assert finished.returncode == 2
    error, imported = finished.stderr.splitlines()
    assert re.match("error: --from splice_junctions: .*SymbolClassifier, .*PathClassifier. It goes on from .*pen_digits", error)
    assert imported == "imported:"


SEVERAL = """
from dataclasses import dataclass
import zoo

@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    lengths: tuple[int, ...] = (1,)
    cells: tuple[str, ...] = ("rnn", "gru")
"""


def test_a_flag_of_several_values(import_recipe, tmp_path):
    path = tmp_path / "several.py"
    path.write_text(SEVERAL)
    recipe = import_recipe(path)
    made = recipe.Config(lengths=(7, 9), cells=("gru",))
    flags = shlex.split(config.command(made))[2:]
    assert flags == ["--lengths", "7", "9", "--cells", "gru"]
    assert tyro.cli(recipe.Config, args=flags) == made
    identity = config.identity(made)
    assert json.loads(json.dumps(identity)) == identity  # else it is never the one that was stored


def test_only_what_a_run_computes_makes_it_another_run(imdb):
    same = imdb.Config(runs=Path("elsewhere"), fresh=True, publish=True, data_dir=Path("data"))
    assert config.identity(same) == config.identity(imdb.Config())
    for other in ({"seed": 1}, {"name": "mine"}, {"epochs": 77}, {"cell": "gru"}, {"csv": Path("texts.csv")}):
        assert config.identity(imdb.Config(**other)) != config.identity(imdb.Config())
