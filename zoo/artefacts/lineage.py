"""Where the weights of a model come from: initialised, taken from an artefact, or trained since."""

import collections
import hashlib
from pathlib import Path

import numpy as np

from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.errors import ZooError
from zoo.registry import BuiltBy

# A smaller share of the classes' entropy than this, told by the answers of trained weights, is no reason to spare these.
LITTLE = 0.1


class Lineage:
    """What `create_model` keeps at a model, as `lineage`, so that nothing trained is taken for fresh.

    Attributes:
        name: of the artefact that weights were taken from; "" if none were.
        label: the same with its version or run, and with the runs of `zoo.fit` since, in words.
        directory: of that artefact; None if there is none.
        terms: of the data that its weights come from.
        taken: path of a weight → how many of its numbers are the artefact's.
        tells: how much the artefact's answers tell of the classes, from 0 to 1; 1 where they are its own.
        running: a `zoo.fit` that has not ended: what was asked for, and what it began with.
    """

    def __init__(self, model):
        self.name = self.label = self.terms = ""
        self.directory: Path | None = None
        self.taken: dict[str, int] = {}
        self.tells = 1.0
        self.running: tuple[dict, dict] | None = None
        self._digests = {weight.path: _digest(weight) for weight in model.weights}

    @property
    def related(self) -> bool:
        """Whether what the trained weights answer tells of the classes, so that they are worth sparing."""
        return self.tells >= LITTLE

    def fresh(self, model) -> set[str]:
        """Paths of the weights that are as they were initialised."""
        return {weight.path for weight in model.weights if self.untouched(weight) and weight.path not in self.taken}

    def untouched(self, weight) -> bool:
        """Whether a weight is as it was initialised or taken: neither trained nor set since."""
        return self._digests.get(weight.path) == _digest(weight)

    def set(self, weight, value, taken: int) -> None:
        """Assigns a weight, of whose numbers so many are the artefact's."""
        weight.assign(value)
        self._digests[weight.path] = _digest(weight)
        self.taken.pop(weight.path, None)
        if taken:
            self.taken[weight.path] = taken

    def start(self, model, asked: dict) -> dict:
        """What sets a run apart that does not begin with fresh weights, as JSON: in words, and as a digest of them.

        The same call of `zoo.fit` again, after an interruption, begins with what the first did.
        """
        if self.running and self.running[0] == asked:
            return self.running[1]
        fresh = self.fresh(model)
        kept = [weight for weight in model.weights if weight.path not in fresh]
        if not kept:
            return {}
        digest = hashlib.blake2b("".join(weight.path + _digest(weight) for weight in kept).encode(), digest_size=8)
        return {"from": self.label or "weights set before the run", "weights": digest.hexdigest()}

    def trained(self, run: str, terms: str) -> None:
        """Notes that a run of `zoo.fit` has ended."""
        self.running = None
        self.label = f"{self.label}, then run {run}" if self.label else f"run {run}"
        self.terms = joined(self.terms, terms)

    def describe(self, model) -> str:
        """How many weights are the artefact's, which in part, and which are fresh."""
        total, taken = sum(_size(weight) for weight in model.weights), sum(self.taken.values())
        words = [f"{taken:,} of {total:,} weights ({share(taken, total)}) from {self.label}"]
        in_part = [weight for weight in model.weights if 0 < self.taken.get(weight.path, 0) < _size(weight)]
        if in_part:
            rows = {weight.path: self.taken[weight.path] * weight.shape[0] // _size(weight) for weight in in_part}
            words.append(
                "by name, the others starting as their mean: "
                + ", ".join(f"{rows[weight.path]:,} of {weight.shape[0]:,} rows of {weight.path}" for weight in in_part)
            )
        fresh = [f"{weight.path} {tuple(weight.shape)}" for weight in model.weights if weight.path not in self.taken]
        if fresh:
            words.append(f"fresh: {', '.join(fresh)}")
        return "; ".join(words)


def share(part: int, whole: int) -> str:
    """A share in whole per cent; only all of it is 100."""
    return f"{100 * part // max(whole, 1)} %"


def of(model) -> Lineage | None:
    """The lineage of a model; None of one that `create_model` has not made."""
    return getattr(model, "lineage", None)


def fresh(model) -> set[str]:
    """Paths of the weights that are as they were initialised; none is known to be, in a model of other making."""
    return of(model).fresh(model) if of(model) else set()


def joined(*terms: str) -> str:
    """Terms of several sources as one text, each once."""
    return "; ".join(dict.fromkeys(part for text in terms for part in text.split("; ") if part))


def arguments(name, builder: str) -> dict:
    """The builder's arguments that an artefact was made with.

    Raises:
        ZooError: if it is of another builder.
    """
    task = cards.read(find.artefact(name))["task"]
    if task["builder"] != builder:
        raise ZooError(f"No weight of {name} fits a {builder}: it is a {task['builder']}.")
    return task["arguments"]


def restore(model, name) -> None:
    """Sets the weights of a model from an artefact's one stored copy, by path.

    A layer is taken whole or, where one of its weights is missing or has another shape, not at all.

    Raises:
        ZooError: if no layer fits.
    """
    directory = find.artefact(name)
    facts, stored, lineage = cards.read(directory), cards.weights(directory), of(model)
    layers = collections.defaultdict(list)
    for weight in model.weights:
        layers[weight.path.rpartition("/")[0]].append(weight)
    for weights in layers.values():
        if all(_fits(weight, stored.get(weight.path)) for weight in weights):
            for weight in weights:
                lineage.set(weight, stored[weight.path].astype(weight.dtype), _size(weight))
    lineage.name, lineage.directory = facts.get("name", directory.name), directory
    lineage.label = _label(lineage.name, directory)
    lineage.terms = facts.get("data", {}).get("terms", "")
    if not lineage.taken:
        raise ZooError(f"No weight of {lineage.label} fits this model; it has to be built with like arguments.")


def trained_layers(directory: Path, names) -> dict:
    """The layers of an artefact's model that have one of some names and all their weights stored: name → layer with these."""
    facts, stored = cards.read(directory)["task"], cards.weights(directory)
    model = BuiltBy(facts["builder"], facts["arguments"]).build()
    found = {layer.name: layer for layer in model.layers if layer.name in names and layer.weights}
    found = {name: layer for name, layer in found.items() if all(_fits(each, stored.get(each.path)) for each in layer.weights)}
    for layer in found.values():
        for weight in layer.weights:
            weight.assign(stored[weight.path].astype(weight.dtype))
    return found


def match_names(task) -> bool:
    """Lets the taken weights of a task's model follow its names: its vocabularies, its labels.

    Rows that stand for a name are those of the same name in the artefact; names that it does not have start as the mean of
    its own (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models"). Layers that mean nothing with
    other names are initialised anew. Weights that were trained or set since they were taken are left alone. What was changed is
    printed.

    Args:
        task: a `Task`, with `rows` and `bound`.

    Returns:
        Whether anything was changed.

    Raises:
        ZooError: if there are more names than rows.
    """
    model = task.model
    weights = {weight.path: weight for weight in model.weights}
    for path, (file, reserved) in task.rows.items():
        if len(task.assets[file]) + reserved > weights[path].shape[0]:
            raise ZooError(
                f"{path} has {weights[path].shape[0]:,} rows, too few for the {len(task.assets[file]) + reserved:,} ids of "
                f"{file}: create the model with the size of the vocabulary."
            )
    lineage = of(model)
    if lineage is None or lineage.directory is None:
        return False
    theirs = stored_assets(lineage.directory)
    other = {file for file, names in task.assets.items() if theirs.get(file) != names}
    if not other:
        return False
    stored, changed, meaningless = cards.weights(lineage.directory), False, []
    for path, (file, reserved) in task.rows.items():
        if file in other and lineage.untouched(weights[path]):
            found = _by_name(weights[path], stored.get(path), task.assets[file], theirs.get(file, ()), reserved)
            if found is None:
                meaningless.append(path)
            else:
                lineage.set(weights[path], *found)
                changed = True
    reordered = task.reorder(theirs)
    layers = {layer for layer, file in task.bound.items() if file in other} - reordered
    meaningless += [path for path in weights if path.rpartition("/")[0] in layers]
    meaningless = [path for path in meaningless if path in lineage.taken and lineage.untouched(weights[path])]
    if meaningless:
        anew = {weight.path: weight for weight in model.built_by.build().weights}
        for path in meaningless:
            lineage.set(weights[path], anew[path].numpy(), 0)
    changed = changed or bool(reordered or meaningless)
    if changed:
        print(lineage.describe(model))
    return changed


def stored_assets(directory: Path) -> dict[str, list[str]]:
    """The text files beside an artefact's graph: name → lines."""
    # only a newline ends a line here: a vocabulary may hold characters that Python's splitlines takes for one
    return {path.name: path.read_text(encoding="utf-8").split("\n")[:-1] for path in (directory / "assets").glob("*")}


def _by_name(weight, stored, names, theirs, reserved: int):
    """Rows of a stored table in the order of other names, and how many numbers were found; None if there are none.

    Args:
        weight: the table to fill, [rows, ...]; rows without a name stay as they are.
        stored: the artefact's, or None.
        names: of the rows after the reserved ones.
        theirs: those of the stored table.
        reserved: how many rows at the top have no name, and mean the same in both.
    """
    rows = {name: reserved + row for row, name in enumerate(theirs)}
    known = [row for row, name in enumerate(names) if name in rows]
    if not known or stored is None or stored.shape[1:] != tuple(weight.shape[1:]):
        return None
    value, stored = weight.numpy().copy(), stored.astype("float32")
    value[:reserved] = stored[:reserved]
    value[reserved : reserved + len(names)] = stored[reserved : reserved + len(theirs)].mean(axis=0)
    value[[reserved + row for row in known]] = stored[[rows[names[row]] for row in known]]
    return value, (reserved + len(known)) * _size(weight) // weight.shape[0]


def _fits(weight, value) -> bool:
    """Whether a stored value can be a weight's: of its shape, and whole numbers for whole numbers."""
    if value is None or value.shape != tuple(weight.shape):
        return False
    return np.issubdtype(value.dtype, np.integer) == np.issubdtype(weight.numpy().dtype, np.integer)


def _label(name: str, directory: Path) -> str:
    """An artefact's name with its version, or with the run that made it."""
    if directory.name.isdigit():
        return f"{name} {directory.name}"
    return f"{name}, run {directory.parent.name}" if directory.name == "artefact" else name


def _digest(weight) -> str:
    return hashlib.blake2b(weight.numpy().tobytes(), digest_size=8).hexdigest()


def _size(weight) -> int:
    return int(np.prod(weight.shape))
