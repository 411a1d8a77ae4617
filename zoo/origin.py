"""What a card names of this package: the family of its task, the loader of its data, the score. Nothing else is called.

A card is data that anybody may have written, so its words are looked up among what is there, and never imported.
"""

import ast
import base64
import functools
import importlib
import inspect
from pathlib import Path

from zoo.errors import ZooError
from zoo.registry import did_you_mean, model_info

PLAIN = (str, int, float, bool, type(None))


@functools.cache
def families() -> dict[str, str]:
    """The public classes in `zoo/models/*.py`, read from the source: "module.class" → module."""
    found = {}
    for path in sorted(Path(__file__).with_name("models").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[f"zoo.models.{path.stem}.{node.name}"] = f"zoo.models.{path.stem}"
    return found


def family(module: str, name: str):
    """The `Task` class of a card: one of this package, or one that the program has imported before.

    Raises:
        ZooError: if there is none.
    """
    from zoo.tasks import Task

    if f"{module}.{name}" in families():
        importlib.import_module(module)  # a file of this package, whose name is not the card's
    classes = [Task]
    for parent in classes:
        classes += parent.__subclasses__()
    for found in classes:
        if (found.__module__, found.__name__) == (module, name) and not inspect.isabstract(found):
            return found
    raise ZooError(
        f"There is no family {name} of {module}. A card is data, and imports nothing: if the artefact was made by a family of "
        "your own, import its module first."
    )


def rebuild(directory: Path, card: dict, labels=None):
    """The task of an artefact, with freshly initialised weights.

    Args:
        directory: of the artefact, its files verified.
        card: its card.
        labels: names of other classes for it, see `zoo.load_task`.

    Raises:
        ZooError: if the family that the card names makes no task of it.
    """
    from zoo.tasks import checked_labels, with_labels

    facts = card["task"]
    task_class = family(facts["module"], facts["class"])
    known = model_info(facts["builder"]).arguments
    if unknown := sorted(facts["arguments"].keys() - known):  # such as create_model's own `weights`, which reads files
        raise ZooError(f"The card gives {facts['builder']} the argument {unknown[0]}; it takes {', '.join(known)}.")
    try:
        # only a newline ends a line here: a vocabulary may hold characters that Python's splitlines takes for one
        assets = {
            name.removeprefix("assets/"): (directory / name).read_text(encoding="utf-8").split("\n")[:-1]
            for name in card["files"]
            if name.startswith("assets/")
        }
        if labels is not None:
            facts, assets = with_labels(facts, assets, checked_labels(labels))
        inputs = [example["input"] for example in card["examples"]]
        examples = [base64.b64decode(one["b64"]) if isinstance(one, dict) else one for one in inputs]
        return task_class.from_config(facts, assets, examples)
    except ZooError:
        raise
    except Exception as error:  # whatever a family makes of what is not its own
        reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
        raise ZooError(f"{directory / 'card.json'} does not describe a {facts['class']}: {reason}") from error


def loaders() -> dict:
    """Name → the public functions of `zoo.data` that give `Splits`."""
    from zoo import data

    functions = {name: getattr(data, name) for name in data.__all__ if inspect.isfunction(getattr(data, name))}
    return {name: one for name, one in functions.items() if inspect.signature(one).return_annotation is data.Splits}


def scores() -> dict:
    """Name → the public functions of `zoo.metrics` that score a model on a test split."""
    from zoo import metrics

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
    from zoo.data.labels import renumbered

    source, arguments = card["data"]["source"], card["data"]["arguments"]
    loader = _known(loaders(), card["data"]["loader"], "loader of data")
    score = _known(scores(), card["metric"], "score")
    parameters = inspect.signature(loader).parameters
    if "config" not in parameters and not trusted and any(isinstance(value, str) for value in arguments.values()):
        named = ", ".join(f"{key} {value}" for key, value in arguments.items())
        raise ZooError(
            f"The card says to read data of whoever trained it ({named}). If that is you, say so: --trusted (SECURITY.md)."
        )
    given = dict(arguments)
    if "config" in parameters:
        from zoo.config import RunConfig

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
