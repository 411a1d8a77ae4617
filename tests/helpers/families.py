"""The families and recipes that the shared checks go through: those of `tests/models/test_*.py`, none is named here."""

import importlib.util
from pathlib import Path


def _rows(path: Path):
    """A file of tests, run under a name of its own: pytest imports it again, to rewrite its assertions."""
    spec = importlib.util.spec_from_file_location(f"rows_of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_FILES = [_rows(path) for path in sorted(Path(__file__).parents[1].glob("models/test_*.py"))]
FAMILIES = {file.FAMILY.builder: file.FAMILY for file in _FILES if hasattr(file, "FAMILY")}
# A later recipe of a family has a file of its own, with `RECIPES`.
_RECIPES = [family.recipes for family in FAMILIES.values()] + [getattr(file, "RECIPES", ()) for file in _FILES]
RECIPES = {recipe.name: recipe for recipes in _RECIPES for recipe in recipes}
# Name of a tiny task → its family.
TASKS = {name: family for family in FAMILIES.values() for name in family.tasks}
