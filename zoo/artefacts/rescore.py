"""The score of a card again: the loader and the score that it names, looked up among what is there, and never imported.

A card is data that anybody may have written.
"""

import functools
import importlib
import inspect
from pathlib import Path

from zoo import metrics
from zoo.config import RunConfig
from zoo.data.labels import renumbered
from zoo.errors import ZooError
from zoo.registry import did_you_mean, loaders

PLAIN = (str, int, float, bool, type(None))


def scores() -> dict:
    """Name → the public functions of `zoo.metrics` that score a model on a test split."""
    functions = {name: one for name, one in vars(metrics).items() if inspect.isfunction(one) and not name.startswith("_")}
    return {
        name: one
        for name, one in functions.items()
        if one.__module__ == metrics.__name__ and list(inspect.signature(one).parameters) == ["model", "test"]
    }


def test_and_score(card: dict, data_dir: Path | None = None, *, trusted: bool = False):
    """The raw test split that a card speaks of, and the function that scored the artefact on it.

    Args:
        card: of the artefact.
        data_dir: directory of prepared data, as `--data-dir`.
        trusted: read files that the card names, which are those of whoever trained it.

    Raises:
        ZooError: if the card names no loader or score of this package, or arguments that the loader does not take.
    """
    source, arguments = card["data"]["source"], card["data"]["arguments"]
    name = card["data"]["loader"]
    loader = getattr(importlib.import_module(_known(loaders(), name, "loader of data")), name)
    score = _known(scores(), card["metric"], "score")
    parameters = inspect.signature(loader).parameters
    if "config" not in parameters and not trusted and any(isinstance(value, str) for value in arguments.values()):
        named = ", ".join(f"{key} {value}" for key, value in arguments.items())
        raise ZooError(
            f"The card says to read data of whoever trained it ({named}). If that is you, say so: --trusted (SECURITY.md)."
        )
    given = dict(arguments)
    if "config" in parameters:
        if source not in ("real", "sample"):
            raise ZooError(f"The card says that {loader.__name__} gave {source} data; it gives real data or a sample.")
        given["config"] = RunConfig(data=source, data_dir=data_dir)
    try:
        if "config" in arguments:
            raise TypeError("'config' is not one of them")
        inspect.signature(loader).bind(**given)
        for name, value in arguments.items():
            wanted = parameters[name].annotation
            if not isinstance(value, wanted if wanted in PLAIN else PLAIN) or (isinstance(value, bool) and wanted is int):
                raise TypeError(f"{name!r} is {value!r}")
        splits = loader(**given)
        return renumbered(splits.test, splits.labels, card["labels"]), _explained(score)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{loader.__name__} does not take the arguments that the card names: {error}.") from error


def _explained(score):
    """A score that says so where an artefact or its data are not of its kind, whatever the card says."""

    @functools.wraps(score)
    def scored(model, test):
        try:
            return score(model, test)
        except (LookupError, TypeError, ValueError) as error:
            raise ZooError(
                f"The card names the score {score.__name__}, which does not fit this artefact and its data: "
                f"{type(error).__name__}: {error}."
            ) from error

    return scored


def _known(there: dict, name: str, what: str):
    if name not in there:
        raise ZooError(f"The card names a {what} that the zoo does not have, {name!r}. {did_you_mean(name, there)}")
    return there[name]
