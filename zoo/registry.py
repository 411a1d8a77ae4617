"""What there is: builders, the families of tasks around them, loaders of data, recipes; found by name, never listed by hand.

The facts are read from the source of `zoo/models/*.py` and `zoo/data/*.py`, so that listing them needs neither TensorFlow
nor an import; a family is imported when one of its models is created. Builders of other packages use `@register_model` too.
"""

import ast
import difflib
import fnmatch
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

MAPPINGS = ("one_to_one", "one_to_many", "many_to_one", "many_to_many")

_builders: dict[str, Callable] = {}
_registered: dict[str, "ModelInfo"] = {}


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a builder without building anything."""

    name: str
    mapping: str
    summary: str  # the first sentence of the docstring
    doc: str
    arguments: dict[str, str]  # name → default as written; "" where there is none
    module: str


@dataclass(frozen=True)
class BuiltBy:
    """How a model was made, kept at it as `built_by`: with it a task is rebuilt from its card."""

    name: str
    arguments: dict[str, Any]

    def build(self):
        """Makes the same model anew, with freshly initialised weights."""
        model = builder(self.name)(**self.arguments)
        model.built_by = self
        return model


def register_model(*, mapping: str):
    """Registers a builder under its function's name.

    Args:
        mapping: one of `MAPPINGS`.

    Returns:
        A decorator for a function with keyword-only arguments that returns an uncompiled `keras.Model`.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"mapping {mapping!r} is not one of {', '.join(MAPPINGS)}")

    def register(builder):
        name, doc = builder.__name__, inspect.getdoc(builder) or ""
        if name in _builders and _builders[name].__module__ != builder.__module__:
            raise ValueError(f"a model named {name!r} is registered already, by {_builders[name].__module__}")
        arguments = {
            key: "" if parameter.default is parameter.empty else repr(parameter.default)
            for key, parameter in inspect.signature(builder).parameters.items()
        }
        _builders[name] = builder
        _registered[name] = ModelInfo(name, mapping, _first_sentence(doc), doc, arguments, builder.__module__)
        return builder

    return register


def checked_mapping(mapping: str | None) -> str | None:
    """A mapping as `MAPPINGS` has it, of `many_to_one` or `many-to-one`; None stays. Raises `ZooError` for any other."""
    name = mapping and mapping.replace("-", "_")
    if name not in (None, *MAPPINGS):
        raise ZooError(f"There is no mapping {name!r}; there are {', '.join(MAPPINGS)}.")
    return name


def list_models(pattern: str = "*", mapping: str | None = None) -> list[str]:
    """Names of the builders that match a shell pattern, of one mapping if given (`many_to_one` or `many-to-one`), sorted."""
    mapping = checked_mapping(mapping)
    models = _infos().values()
    return sorted(model.name for model in models if fnmatch.fnmatch(model.name, pattern) and mapping in (None, model.mapping))


def model_info(name: str) -> ModelInfo:
    """The facts about one builder; an unknown name raises `ZooError` with the nearest one."""
    infos = _infos()
    if name not in infos:
        raise ZooError(f"There is no model builder {name!r}. {did_you_mean(name, infos)}")
    return infos[name]


def builder(name: str) -> Callable:
    """The builder of a name; its family is imported, if it was not."""
    info = model_info(name)
    if name not in _builders:
        importlib.import_module(info.module)
    return _builders[name]


def did_you_mean(name: str, names) -> str:
    """A sentence that suggests the nearest of some names, or lists them all if none is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(sorted(names))}."


def _infos() -> dict[str, ModelInfo]:
    return _declared() | _registered


@functools.cache
def _declared() -> dict[str, ModelInfo]:
    """The builders of this package, read from the source of its families."""
    infos = {}
    for module, node in _definitions("models", ast.FunctionDef):
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", None) == "register_model":
                mapping = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}["mapping"]
                doc = ast.get_docstring(node) or ""
                defaults = ["" if default is None else ast.unparse(default) for default in node.args.kw_defaults]
                arguments = {arg.arg: default for arg, default in zip(node.args.kwonlyargs, defaults, strict=True)}
                infos[node.name] = ModelInfo(node.name, mapping, _first_sentence(doc), doc, arguments, module)
    return infos


@functools.cache
def families() -> dict[str, str]:
    """The tasks of this package, the public classes in `zoo/models/*.py` that derive from one: name → module."""
    return {node.name: module for module, node in _definitions("models", ast.ClassDef) if node.bases}


@functools.cache
def loaders() -> dict[str, str]:
    """The loaders of data of this package, the functions in `zoo/data/*.py` that are decorated as such: name → module."""
    return {
        node.name: module
        for module, node in _definitions("data", ast.FunctionDef)
        if any(getattr(decorator, "id", None) == "loader" for decorator in node.decorator_list)
    }


def recipes() -> dict[str, Path]:
    """The recipes: name → file. They lie beside the package in a checkout, and inside of it where it is installed."""
    package = Path(__file__).parent
    directory = package / "recipes" if is_installed() else package.parent / "recipes"
    return {path.stem: path for path in sorted(directory.glob("*.py"))}


def is_installed() -> bool:
    """Whether the recipes and artefacts are inside of the package, where setup.py puts them in a wheel: this is no checkout."""
    return (Path(__file__).parent / "recipes").is_dir()


def _definitions(package: str, kind):
    """(module, node) of the public functions or classes of the modules in `zoo/PACKAGE/*.py`."""
    for path in sorted((Path(__file__).parent / package).glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, kind) and not node.name.startswith("_"):
                yield f"zoo.{package}.{path.stem}", node


def _first_sentence(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())
