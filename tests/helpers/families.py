"""The families and recipes that the shared checks go through: those of `tests/models/test_*.py`, none is named here."""

import importlib.util
from pathlib import Path


def _family(path: Path):
    """The `FAMILY` of a file of tests, run under a name of its own: pytest imports it again, to rewrite its assertions."""
    spec = importlib.util.spec_from_file_location(f"rows_of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FAMILY


FAMILIES = {family.builder: family for family in map(_family, sorted(Path(__file__).parents[1].glob("models/test_*.py")))}
RECIPES = {recipe.name: recipe for family in FAMILIES.values() for recipe in family.recipes}
# Name of a tiny task → its family.
TASKS = {name: family for family in FAMILIES.values() for name in family.tasks}
