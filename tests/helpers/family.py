"""What the shared checks have to know of a family and of a recipe: rows, which `tests/models/test_FAMILY.py` has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe of a family.

    Attributes:
        name: that of its file, without .py.
        small: flags that make a run on the sample small, beside --data and --max-steps.
        source: of the data of such a run; "synthetic" if they are made by the rule that is the task.
        generator: function that makes the sample, whose first three defaults are the sizes of its splits.
        refused: flags that give a person's own file (wrong.csv, few.csv: see test_config.py) → the error.
        megabytes: of the published artefact, at most, since git keeps it.
    """

    name: str
    small: str = ""
    source: str = "sample"
    generator: Callable | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    megabytes: float = 8

    @property
    def flags(self) -> list[str]:
        """Of a small run on the sample."""
        return f"--data sample --max-steps 3 {self.small}".split()


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family: its builder and its task.

    Attributes:
        builder: name of the builder.
        common: arguments of every model below, where it has no other.
        tiny: arguments of models to build, of each argument each kind.
        wrong: arguments that are refused; the error names the last of them.
        tensors: input of the model → what makes a row of it; `tokens` does where none is named.
        tasks: name → makes a `Task` with random weights, whose SavedModel is put to the test; where one is enough, the first.
        inputs: a batch of raw inputs for these, fair ones and others: for each input of any signature one value a row.
        signatures: of a task, frozen, since clients depend on them: signature → its inputs, its outputs.
        data: makes `Splits` of a few examples, to go on training with.
        trained: name of the task that goes on; the first if empty.
        misfits: examples of another kind, which the first task is not trained on: what → columns, the error.
        recipes: those that train it.
    """

    builder: str
    common: Mapping
    tiny: list[dict]
    wrong: list[dict]
    tensors: Mapping[str, Callable] = field(default_factory=dict)
    tasks: Mapping[str, Callable]
    inputs: Mapping[str, list]
    signatures: Callable
    data: Callable
    trained: str = ""
    misfits: Mapping[str, tuple]
    recipes: tuple[Recipe, ...]


# What makes a row of a model's input: the shape of the input without the batch, the length of the text, the steps of the
# padded batch, a generator → an array.


def tokens(shape, length, steps, random):
    """Ids of a text of that length, right-padded with zeros to a number of steps."""
    row = np.zeros((steps, *shape[1:]), "int32")
    row[:length] = random.integers(1, 20, (length, *shape[1:]))
    return row


def image(shape, length, steps, random):
    """An image, darker or lighter, whatever the length."""
    return random.random(shape, "float32") * random.random(dtype="float32")


def series(shape, length, steps, random):
    """A series of 6 steps, whatever the length: there is no padding."""
    return random.random((6, *shape[1:]), "float32")
