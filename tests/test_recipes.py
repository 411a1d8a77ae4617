"""Every recipe: its shape, and that it runs from data to artefact on the sample."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import families
import numpy as np
import pytest

import zoo
from zoo import config as configs
from zoo.artefacts import card as cards
from zoo.artefacts import find

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.py"))


def test_every_recipe_has_its_rows():
    assert {path.stem for path in RECIPES} == set(families.RECIPES)


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


@pytest.mark.parametrize("recipe", families.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_runs_from_data_to_artefact(recipe, import_recipe, tiny_artefact, tmp_path, capsys, monkeypatch):
    if recipe.name == "imdb_sentiment":
        directory = tiny_artefact
    else:
        if recipe.generator:  # to draw, encode and answer the whole sample takes longer than all the rest
            monkeypatch.setattr(recipe.generator, "__defaults__", (200, 20, 20, 0))
        module = import_recipe(ROOT / "recipes" / f"{recipe.name}.py")
        directory = configs.run(module.main, [*recipe.flags, "--runs", str(tmp_path)]).directory
        assert_said(recipe, *capsys.readouterr())
    card = cards.read(directory)
    assert card["name"] == recipe.name
    assert card["data"]["source"] == recipe.source
    answers = zoo.load(directory).predict([example["input"] for example in card["examples"]])
    assert len(answers) == len(card["examples"]) > 0


@pytest.mark.parametrize("recipe", families.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_goes_on_from_an_artefact(recipe, import_recipe, tmp_path, capsys, monkeypatch):
    """With the classes of the data, where there are any."""
    versions = find.versions(ROOT / "saved_models" / recipe.name)
    if not versions:
        pytest.skip(f"no artefact of {recipe.name} is published yet")

    def load_task(name, **labels):
        raise zoo.ZooError(f"asked for {name} with {labels}")

    monkeypatch.setattr(zoo, "load_task", load_task)
    if recipe.generator:
        monkeypatch.setattr(recipe.generator, "__defaults__", (200, 20, 20, 0))
    module = import_recipe(ROOT / "recipes" / f"{recipe.name}.py")
    with pytest.raises(SystemExit):
        configs.run(module.main, ["--data", "sample", "--from", recipe.name, "--runs", str(tmp_path)])
    task = cards.read(ROOT / "saved_models" / recipe.name / str(versions[-1]))["task"]
    assert module.Config.family == task["class"]
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(
        f"asked for {recipe.name} with {{'labels': \\('" if "num_classes" in task["arguments"] else "with {}", said
    )


def assert_said(recipe, out, err):
    assert err == ""
    assert ("SAMPLE" in out) == (recipe.source == "sample")
    assert f"{recipe.source} data: " in out  # beside the score
    assert "zoo publish" not in out


def test_a_recipe_runs_as_a_script_and_the_same_seed_gives_the_same_weights(tiny_artefact, tmp_path):
    recipe = families.RECIPES["imdb_sentiment"]
    command = [sys.executable, ROOT / "recipes" / "imdb_sentiment.py", *recipe.flags, "--runs", "runs"]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert finished.returncode == 0
    assert_said(recipe, finished.stdout, finished.stderr)
    (artefact,) = (tmp_path / "runs" / "imdb_sentiment").glob("*/artefact")
    mine, other = cards.weights(artefact), cards.weights(tiny_artefact)
    assert mine.keys() == other.keys()
    assert all(np.array_equal(value, other[name]) for name, value in mine.items())
