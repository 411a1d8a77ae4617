"""An artefact becomes a task again: the family that its card names, with the trained weights.

A card is data that anybody may have written, so its words are looked up among what is there, and never imported.
"""

import importlib
import inspect
from pathlib import Path

from zoo.artefacts import lineage, values
from zoo.artefacts import load as loading
from zoo.errors import ZooError
from zoo.registry import families, model_info
from zoo.tasks import Task


def load_task(name, version=None, *, labels=None, trusted=False) -> Task:
    """Rebuilds the task of an artefact, with its trained weights, to go on training from.

    Args:
        name: name or path of an artefact, as in `zoo.load`.
        version, trusted: see `zoo.load`.
        labels: of a classifier: names of classes of your own, at least two. Where they are not the artefact's, in whatever
            order, words, vectors and all that is below the head stay, and `zoo.fit` makes a head for them of what the trained
            one knows. The share of the weights that is the artefact's is printed.

    Raises:
        ZooError: as `zoo.load`, if the family that the card names is none of this package and was not imported before, or if
            the labels are no names of classes.
    """
    directory, card = loading.checked(name, version, trusted=trusted)
    task = rebuild(directory, card, labels)
    lineage.restore(task.model, directory)
    if not lineage.match_names(task):
        print(task.model.lineage.describe(task.model))
    return task


def family(module: str, name: str):
    """The `Task` class of a card: one of this package, or one that the program has imported before.

    Raises:
        ZooError: if there is none.
    """
    if families().get(name) == module:
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
    facts = card["task"]
    task_class = family(facts["module"], facts["class"])
    known = model_info(facts["builder"]).arguments
    if unknown := sorted(facts["arguments"].keys() - known):  # such as create_model's own `weights`, which reads files
        raise ZooError(f"The card gives {facts['builder']} the argument {unknown[0]}; it takes {', '.join(known)}.")
    try:
        assets = lineage.stored_assets(directory)
        if labels is not None:
            facts, assets = task_class.with_labels(facts, assets, labels)
        examples = [values.from_json(example["input"]) for example in card["examples"]]
        takes = card["signatures"]["serving_default"]["inputs"].keys()
        for example in examples:
            if isinstance(example, dict) and (len(takes) == 1 or example.keys() != takes):
                raise ValueError(f"an example has {', '.join(example) or 'nothing'} for the inputs {', '.join(takes)}")
        return task_class.from_config(facts, assets, examples)
    except ZooError:
        raise
    except Exception as error:  # whatever a family makes of what is not its own
        reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
        raise ZooError(f"{directory / 'card.json'} does not describe a {facts['class']}: {reason}") from error
