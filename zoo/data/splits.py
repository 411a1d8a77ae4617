"""`Splits`: what a loader gives, and how examples are cut into them where nobody did so before."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError

if TYPE_CHECKING:
    import tensorflow as tf  # else not here: a person's own file is read before TensorFlow is imported


@dataclass(frozen=True)
class Splits:
    """A data set: three `tf.data.Dataset`s of raw, unbatched examples, and what a card has to say of them."""

    source: str  # "real", "sample", "own", or "synthetic": made by a rule that is itself the task
    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    description: str
    terms: str
    labels: tuple[str, ...] = ()
    loader: str = "none"  # name of the function in zoo.data that gave them, and its arguments: for `zoo evaluate`
    arguments: dict = field(default_factory=dict)
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self):
        sizes = {name: int(getattr(self, name).cardinality()) for name in ("train", "validation", "test")}
        object.__setattr__(self, "sizes", sizes)
        check_sizes(sizes)


def loader(function):
    """Makes a loader of a function in `zoo/data/*.py`: the card names it and its arguments, and `zoo evaluate` calls it again.

    Args:
        function: `function(config, *, ...)` gives `Splits`; `config` is a `RunConfig`, of which `data` and `data_dir` decide
            where they come from. The other arguments are texts, numbers, `Path`s or a `Literal`, and annotated as such.

    Returns:
        The same function, whose `Splits` have its name and its arguments. A `Path` is kept as it is found from anywhere.
    """
    signature = inspect.signature(function)
    paths = {name for name, parameter in signature.parameters.items() if parameter.annotation is Path}

    @functools.wraps(function)
    def load(config, **arguments):
        given = signature.bind(config, **arguments)
        given.apply_defaults()
        splits = function(config, **arguments)
        _, *named = given.arguments.items()
        kept = {name: str(Path(value).resolve()) if name in paths else value for name, value in named}
        return dataclasses.replace(splits, loader=function.__name__, arguments=kept)

    return load


def check_sizes(sizes: dict[str, int]) -> None:
    """Raises `ZooError` where a split, by its name, has no examples."""
    for name, size in sizes.items():
        if size < 1:
            raise ZooError(f"The {name} split is empty: there are too few examples to cut one off.")


def normalised(text: str) -> str:
    """What texts that differ in case and spacing alone have in common."""
    return " ".join(text.casefold().split())


def stable_bucket(text: str, buckets: int = 100) -> int:
    """A number from 0 to buckets - 1 that depends on the text alone, its case and spacing apart: equal texts stay together."""
    return int.from_bytes(hashlib.blake2b(normalised(text).encode(), digest_size=8).digest()) % buckets


def cut_classes(texts: list[str], classes: list[int]) -> tuple[list[str], set[int]]:
    """Cuts labelled examples 8 : 1 : 1 by a stable hash, so that every class has some to train on.

    Args:
        texts: what is hashed of each example; those of equal texts stay together.
        classes: number of the class of each.

    Returns:
        The split of each example, and the classes whose examples the hash had all taken from training: the examples of one
        text of each, the first by the alphabet, were put back.
    """
    parts = [{0: "test", 1: "validation"}.get(stable_bucket(text, 10), "train") for text in texts]
    trained = {number for number, part in zip(classes, parts, strict=True) if part == "train"}
    untrained: dict[int, str] = {}
    for text, number in zip(texts, classes, strict=True):
        if number not in trained:
            untrained[number] = min(normalised(text), untrained.get(number, normalised(text)))
    if back := set(untrained.values()):
        parts = ["train" if normalised(text) in back else part for text, part in zip(texts, parts, strict=True)]
    return parts, set(untrained)


def distinct(make, key):
    """A `draw` for `draw_splits`: `make(rng)` gives an example, and those with the same `key(example)` count as the same."""

    def draw(rng, size, seen):
        examples = []
        while len(examples) < size:
            example = make(rng)
            if key(example) not in seen:
                seen.add(key(example))
                examples.append(example)
        return examples

    return draw


def draw_splits(draw, sizes: dict[str, int], *, most: int, things: str, source: str, seed: int) -> dict[str, list]:
    """Draws the examples of a sample, none twice.

    Args:
        draw: `draw(rng, size, seen)` gives that many examples that are not among those `seen`, and adds them there.
        sizes: split → number of examples.
        most: how many different ones there are.
        things, source: what they are and where they come from, for the error.
        seed: of the random generator.

    Returns:
        Split → list of examples.

    Raises:
        ValueError: a number is not positive, or together they are more than `most`.
    """
    for split, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{split}` must be at least 1, not {size}")
    if sum(sizes.values()) > most:
        raise ValueError(f"{source} at most {most} different {things}, not {sum(sizes.values())}")
    rng, seen = random.Random(seed), set()
    # training comes last, so that the test examples stay the same when one asks for more to train on
    splits = {split: draw(rng, sizes[split], seen) for split in ("test", "validation", "train")}
    return {split: splits[split] for split in sizes}
