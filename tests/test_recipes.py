"""Every recipe: its shape, and that it runs from data to artefact on the sample."""

import csv
import dataclasses
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import config as configs
from zoo.artefacts import card as cards

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.py"))

# Flags that make a run of each recipe small; those of imdb_sentiment are in conftest.py.
SMALL = {
    "flickr8k_captioning": "--encoder convolutional --image-size 32 --units 8 --embedding-dim 8 --vocabulary-size 150",
    "mnist_digits": "",
    "spanish_to_english": "--units 8 --embedding-dim 8 --vocabulary-size 300 --max-tokens 12",
    "vanishing_gradients": "--lengths 6 --cells gru rnn --examples 60 --units 4",
}

# Recipes whose data are made by the rule that is the task: there is no sample of them.
SYNTHETIC = {"vanishing_gradients"}

# More settings to run a recipe with, beyond its defaults.
VARIANTS = [
    ("imdb_sentiment", "--cell rnn --ngram-order 0"),
    ("imdb_sentiment", "--cell gru --ngram-order 0 --average 0 --window 8"),
    ("imdb_sentiment", "--cell transformer --ngram-order 0 --precision mixed_bfloat16"),
]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_alike(path, import_recipe):
    recipe = import_recipe(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert f"python recipes/{path.name}" in recipe.__doc__
    assert any(mapping in recipe.__doc__ for mapping in ("one-to-one", "one-to-many", "many-to-one", "many-to-many"))
    assert lines[-2:] == ['if __name__ == "__main__":', "    zoo.run(main)"]
    assert issubclass(recipe.Config, zoo.RunConfig)
    assert recipe.Config.__dataclass_params__.frozen
    assert inspect.signature(recipe.main).parameters["config"].annotation is recipe.Config
    assert path.stem not in zoo.list_models(), "artefacts are not called like builders"
    for field in dataclasses.fields(recipe.Config):
        assert field.default is not dataclasses.MISSING, f"--{field.name} has no default"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_as_a_script(path, tiny_flags, tiny_artefact, tmp_path):
    small = ["--data", "sample", "--max-steps", "3", *SMALL.get(path.stem, "").split()]
    flags = tiny_flags if path.stem == "imdb_sentiment" else small
    command = [sys.executable, path, *flags, "--runs", "runs"]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert (finished.returncode, finished.stderr) == (0, "")
    source = "synthetic" if path.stem in SYNTHETIC else "sample"
    assert ("SAMPLE" in finished.stdout) == (source == "sample")
    assert f"{source} data: " in finished.stdout  # beside the score
    assert "zoo publish" not in finished.stdout
    (run,) = (artefact.parent for artefact in (tmp_path / "runs" / path.stem).glob("*/artefact"))
    card = cards.read(run / "artefact")
    assert card["name"] == path.stem
    assert card["data"]["source"] == source
    answers = zoo.load(run / "artefact").predict([example["input"] for example in card["examples"]])
    assert len(answers) == len(card["examples"]) > 0
    if path.stem == "imdb_sentiment":  # the same seed gives the same weights, in another process too
        mine, other = cards.weights(run / "artefact"), cards.weights(tiny_artefact)
        assert mine.keys() == other.keys()
        assert all(np.array_equal(value, other[name]) for name, value in mine.items())


@pytest.mark.parametrize(("name", "flags"), VARIANTS)
def test_other_settings(name, flags, import_recipe, tiny_flags, tmp_path, request):
    import keras

    request.addfinalizer(lambda: keras.config.set_dtype_policy("float32"))
    (path,) = (path for path in RECIPES if path.stem == name)
    model = configs.run(import_recipe(path).main, [*tiny_flags, "--runs", str(tmp_path), *flags.split()])
    for flag, value in zip(flags.split()[::2], flags.split()[1::2], strict=True):
        assert str(model.card["run"]["config"][flag[2:].replace("-", "_")]) in (value, value + ".0")
    assert ("parts" in model.signatures) == ("--ngram-order 0" not in flags)
    for answer in model.predict(["A wonderful film.", ""]):
        assert answer["label"] in model.card["labels"]
        assert np.isfinite(answer["probabilities"]).all()
    assert next(iter(model.card["scores"])) == "accuracy"


def test_a_recipe_of_several_runs_goes_on_where_it_was_interrupted(import_recipe, tmp_path, monkeypatch, capsys):
    recipe = import_recipe(Path(__file__).parents[1] / "recipes" / "vanishing_gradients.py")
    flags = "--lengths 6 --cells rnn lstm --examples 60 --units 4 --epochs 2 --batch-size 10".split()
    arguments, learn = [*flags, "--runs", str(tmp_path)], recipe.learn

    def interrupted(config):
        if config.cells == ("lstm",):
            raise KeyboardInterrupt
        return learn(config)

    monkeypatch.setattr(recipe, "learn", interrupted)
    with pytest.raises(SystemExit):
        configs.run(recipe.main, arguments)
    monkeypatch.setattr(recipe, "learn", learn)
    capsys.readouterr()
    model = configs.run(recipe.main, arguments)
    said = capsys.readouterr().out
    assert "2 runs: rnn at 6 steps, lstm at 6 steps." in said
    assert said.count("Continuing after epoch 2 of 2") == 1
    assert len(list((tmp_path / "vanishing_gradients").iterdir())) == 2

    assert {"pictures/learning_curves.png", "pictures/gradient_flow.png"} < set(model.card["files"])
    for title in ("Learning curves", "Gradient flow"):
        assert f"![{title}](pictures/" in cards.render(model.card)
    with (model.directory.parent / "who_learns.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["length"], row["cell"]) for row in rows] == [("6", "rnn"), ("6", "lstm")]
    best = min(rows, key=lambda row: float(row["mean squared error"]))
    assert model.card["task"]["arguments"]["cell"] == best["cell"]
    # alone it comes out the same, whatever ran before it: the command of the card is for one run
    command = model.card["run"]["command"].split()
    assert command[command.index("--cells") + 1] == best["cell"]
    again = configs.run(recipe.main, [*command[2:], "--runs", str(tmp_path / "again")])
    assert again.card["scores"] == model.card["scores"]


def test_a_recipe_of_several_runs_without_matplotlib(import_recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.delattr(zoo, "plots", raising=False)
    monkeypatch.delitem(sys.modules, "zoo.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    recipe = import_recipe(Path(__file__).parents[1] / "recipes" / "vanishing_gradients.py")
    flags = "--lengths 4 --cells gru --examples 20 --units 2 --epochs 1 --runs".split()
    model = configs.run(recipe.main, [*flags, str(tmp_path)])
    assert 'Pictures left out: matplotlib is not installed: pip install "sequence-zoo[plots]"' in capsys.readouterr().out
    assert not [name for name in model.card["files"] if name.startswith("pictures/")]


def test_own_texts_from_a_file(imdb, tiny_flags, tmp_path):
    """Three classes from a CSV file, whose labels come back."""
    rows = [f'"{word} film number {i}, truly {word}","{label}"' for i in range(60) for word, label in LABELLED]
    (tmp_path / "texts.csv").write_text("\n".join(["body,mood", *rows]), encoding="utf-8")
    own = ["--csv", str(tmp_path / "texts.csv"), "--text-column", "body", "--label-column", "mood", "--ngram-order", "1"]
    model = configs.run(imdb.main, [*tiny_flags, *own, "--max-steps", "20", "--runs", str(tmp_path / "runs")])
    assert model.card["labels"] == sorted(label for _, label in LABELLED)
    answers = model.predict([f"{word} film" for word, _ in LABELLED])
    assert [answer["label"] for answer in answers] == [label for _, label in LABELLED]
    assert len(answers[0]["probabilities"]) == 3
    assert model.card["data"]["source"] == "own"
    own_texts = {row.split('"')[1] for row in rows}
    assert {example["input"] for example in model.card["examples"]} < own_texts


def test_own_sentence_pairs_from_a_file(import_recipe, tmp_path):
    """A vocabulary of their own, also of other scripts, and no picture of anybody else's data in the card."""
    recipe = import_recipe(Path(__file__).parents[1] / "recipes" / "spanish_to_english.py")
    pairs = [f"{number} раз\t{number} times" for number in range(400)]
    (tmp_path / "pairs.tsv").write_text("\n".join(pairs), encoding="utf-8")
    flags = [*SMALL["spanish_to_english"].split(), "--pairs", str(tmp_path / "pairs.tsv"), "--max-steps", "3"]
    model = configs.run(recipe.main, [*flags, "--runs", str(tmp_path / "runs")])
    assert model.card["data"]["source"] == "own"
    assert {"translation", "score", "cut"} == set(model.predict(["7 раз"])[0])
    assert "▁раз" in (model.directory / "assets" / "source.txt").read_text(encoding="utf-8").split("\n")


LABELLED = (("dull", "böse"), ("fine", "gut"), ("odd", "unsure, really"))
