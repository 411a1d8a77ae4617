"""The score of a card again: the loader and the family that it names, looked up among what is there, and never imported.

A card is data that anybody may have written.
"""

import functools
import importlib
import inspect
import typing
from pathlib import Path

from zoo.artefacts.rebuild import family
from zoo.config import RunConfig
from zoo.data.labels import renumbered
from zoo.errors import ZooError
from zoo.registry import did_you_mean, loaders

PLAIN = (str, int, float, bool, type(None))


def test_and_measure(card: dict, data_dir: Path | None = None, *, trusted: bool = False):
    """The raw test split that a card speaks of, and the measure of its family.

    Args:
        card: of the artefact.
        data_dir: directory of prepared data, as `--data-dir`.
        trusted: read files that the card names, which are those of whoever trained it.

    Raises:
        ZooError: if the card names no loader or family of this package, or arguments that the loader does not take, or if
            its data come from elsewhere.
    """
    source, arguments = card["data"]["source"], card["data"]["arguments"]
    name = card["data"]["loader"]
    loader = getattr(importlib.import_module(_known(loaders(), name, "loader of data")), name)
    measure = family(card["task"]["module"], card["task"]["class"]).measure
    parameters = inspect.signature(loader).parameters
    if not trusted and any(_is_free(arguments[key], parameters[key].annotation) for key in arguments.keys() & parameters):
        named = ", ".join(f"{key} {value}" for key, value in arguments.items())
        raise ZooError(
            f"The card says to read data of whoever trained it ({named}). If that is you, say so: --trusted (SECURITY.md)."
        )
    try:
        if "config" in arguments:
            raise TypeError("'config' is not one of them")
        inspect.signature(loader).bind(None, **arguments)
        for key, value in arguments.items():
            _check_kind(key, value, parameters[key].annotation)
        config = RunConfig(data="real" if source == "real" else "sample", data_dir=data_dir)
        splits = loader(config, **arguments)
        if splits.source != source:
            raise ZooError(f"The card says that {name} gave {source} data; it gives {splits.source} data.")
        return renumbered(splits.test, splits.labels, card["labels"]), _explained(measure)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} does not take the arguments that the card names: {error}.") from error


def _is_free(value, annotation) -> bool:
    """Whether a value is a text that could name any file: not a number, nor one of the words of a `Literal`."""
    return isinstance(value, str) and value not in typing.get_args(annotation)


def _check_kind(key: str, value, annotation) -> None:
    """Raises `TypeError` where a value is not of the kind that a loader says to take; a `Path` is a text in a card."""
    choices = typing.get_args(annotation)
    kind = {Path: str}.get(annotation, annotation)
    fits = value in choices if choices else isinstance(value, kind if kind in PLAIN else PLAIN)
    if not fits or (isinstance(value, bool) and kind is int):
        raise TypeError(f"{key!r} is {value!r}")


def _explained(measure):
    """A measure that says so where an artefact or its data are not of its kind, whatever the card says."""

    @functools.wraps(measure)
    def measured(model, test):
        try:
            return measure(model, test)
        except (LookupError, TypeError, ValueError) as error:
            raise ZooError(
                f"The measure of the card's family, {measure.__name__}, does not fit this artefact and its data: "
                f"{type(error).__name__}: {error}."
            ) from error

    return measured


def _known(there: dict, name: str, what: str):
    if name not in there:
        raise ZooError(f"The card names a {what} that the zoo does not have, {name!r}. {did_you_mean(name, there)}")
    return there[name]
