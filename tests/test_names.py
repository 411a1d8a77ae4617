"""Names that become paths: of artefacts, versions and runs."""

import contextlib
import sys
import types

import pytest
import small_cards

import zoo
from zoo import config, names
from zoo.artefacts import find


@pytest.mark.parametrize("name", ["imdb_sentiment", "a", "7", "A-b.c_d", "x" * 100, "_x", "a..b"])
def test_names_that_are_fine(name):
    assert names.valid_name(name)
    assert names.check_name(name, "It") == name


WRONG_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    ".hidden",
    "-x",
    "a b",
    "a\n",
    "é",
    "x" * 101,
    "a:b",
    "a\0",
    "\ud800",
    None,
    3,
    ["a"],
]


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_names_that_could_lead_elsewhere(name):
    assert not names.valid_name(name)
    with pytest.raises(zoo.ZooError, match=r"It cannot be .* at most 100 letters"):
        names.check_name(name, "It")


@pytest.mark.parametrize("name", ["²", "١٢", "1" * 20, "1.0", "+1", "1_0", " 1", "-1", "", "x"])
def test_directories_that_are_no_version(name, tmp_path):
    assert names.version_number(name) is None
    small_cards.write(tmp_path / "model" / "2")
    with contextlib.suppress(OSError):
        small_cards.write(tmp_path / "model" / (name or "none"))
    assert find.versions(tmp_path / "model") == [2]
    assert find.artefact(tmp_path / "model").name == "2"


@pytest.mark.parametrize("name", [name for name in WRONG_NAMES if isinstance(name, str)] + ["/" * 5000, "y" * 5000])
def test_no_name_makes_another_error(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(zoo.ZooError, match="There is no artefact"):
        zoo.load(name)


@pytest.mark.parametrize("version", ["2", 1.0, True, [1]])
def test_a_version_is_a_whole_number(version, tmp_path):
    small_cards.write(tmp_path / "model" / "1")
    with pytest.raises(zoo.ZooError, match="whole number"):
        zoo.load(tmp_path / "model", version=version)


@pytest.mark.parametrize("name", ["../../outside", "..", "/tmp/outside", "a/b", "", None])
def test_nothing_is_published_outside(name, tmp_path):
    run = small_cards.write(tmp_path / "run" / "artefact")
    small_cards.change(run, lambda card: card.update(name=name) or card["data"].update(source="real"))
    with pytest.raises(zoo.ZooError, match="'name' must be a name"):
        zoo.publish(tmp_path / "run", tmp_path / "a" / "models")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_has_the_name_of_a_recipe_that_can_be_one(tmp_path):
    module = types.ModuleType("recipe")
    (tmp_path / "my recipe.py").touch()
    module.__file__ = str(tmp_path / "my recipe.py")
    sys.modules["recipe"] = module
    try:
        with pytest.raises(zoo.ZooError, match=r"The name of a recipe's file, .* cannot be 'my recipe'"):
            config.recipe_name(type("Config", (config.RunConfig,), {"__module__": "recipe"})())
    finally:
        del sys.modules["recipe"]


def test_what_is_shown_is_harmless():
    assert names.quoted("a\x1b[2J\nb\udcff") == r"'a\x1b[2J\nb\udcff'"
    assert names.quoted("x" * 50) == f"'{'x' * 37}...'"
    assert len(names.quoted("é" * 40)) == 42
