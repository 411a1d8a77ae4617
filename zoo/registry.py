"""What can be built: builders register here with `@register_model`, and `create_model` finds them by name.

The facts about a builder (`list_models`, `model_info`) are read from the source of `zoo/models/*.py`, so that listing them
needs neither TensorFlow nor an import of the families; a family is imported when one of its models is created.
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


def create_model(name: str, *, weights: str | None = None, **arguments: Any):
    """Builds an uncompiled `keras.Model`.

    Args:
        name: a name from `list_models()`.
        weights: name or path of an artefact of the same builder to start from. Its own arguments are then the defaults of
            those that are not given. A layer of another shape (a head with another number of classes) stays as
            initialised, and that is printed.
        **arguments: the builder's own; `None` means its default.

    Raises:
        ZooError: for an unknown name or argument, or if the artefact is of another builder or no layer of it fits.
    """
    from zoo import lineage

    info = model_info(name)
    given = {key: value for key, value in arguments.items() if value is not None}
    theirs = lineage.arguments(weights, name) if weights is not None else {}
    unknown = sorted({*arguments, *theirs} - set(info.arguments))
    if unknown:
        known = ", ".join(key if default == "" else f"{key}={default}" for key, default in info.arguments.items())
        raise ZooError(f"{name} takes no argument {', '.join(unknown)}; it takes {known}.")
    arguments = theirs | given
    missing = [key for key, default in info.arguments.items() if default == "" and key not in arguments]
    if missing:
        raise ZooError(f"{name} needs the argument {', '.join(missing)}.")
    if name not in _builders:
        importlib.import_module(info.module)
    model = _builders[name](**arguments)
    model.built_by = BuiltBy(name, arguments)
    model.lineage = lineage.Lineage(model)
    if weights is not None:
        lineage.restore(model, weights)
        print(model.lineage.describe(model))
    return model


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
    for path in sorted(Path(__file__).with_name("models").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", None) == "register_model":
                    mapping = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}["mapping"]
                    doc = ast.get_docstring(node) or ""
                    defaults = ["" if default is None else ast.unparse(default) for default in node.args.kw_defaults]
                    arguments = {arg.arg: default for arg, default in zip(node.args.kwonlyargs, defaults, strict=True)}
                    infos[node.name] = ModelInfo(
                        node.name, mapping, _first_sentence(doc), doc, arguments, f"zoo.models.{path.stem}"
                    )
    return infos


def _first_sentence(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())
