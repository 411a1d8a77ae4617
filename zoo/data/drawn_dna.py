"""Drawn DNA with and without splice junctions: the built-in sample of `splice_junctions`, and examples of nobody's."""

import numpy as np

LETTERS = 60
# An exon ends and an intron begins in the middle of the sequence, the other way round, or neither.
CLASSES = ("EI", "IE", "N")
DESCRIPTION = "Random letters, with what is typical of a junction in the middle of two thirds of them."


def drawn_dna(*, train: int = 900, validation: int = 200, test: int = 200, seed: int = 0) -> dict[str, tuple]:
    """Draws the sample: split → sequences, bytes of 60 letters each, and class numbers, int64 [N].

    Args:
        train, validation, test: number of sequences. Each split has random numbers of its own.
        seed: of the random generator.
    """
    splits = {}
    for number, (name, size) in enumerate({"train": train, "validation": validation, "test": test}.items()):
        rng = np.random.default_rng([seed, number])
        classes = rng.integers(0, len(CLASSES), size)
        splits[name] = [_drawn(CLASSES[each], rng) for each in classes], classes
    return splits


def examples() -> list[str]:
    """A sequence of each class."""
    rng = np.random.default_rng(0)
    return [_drawn(kind, rng).decode() for kind in CLASSES]


def _drawn(kind: str, rng) -> bytes:
    letters = rng.choice(list("ACGT"), LETTERS)
    if kind == "EI":  # a donor: the consensus ..AG|GTAAGT..
        letters[28:36] = list("AGGTAAGT")
    elif kind == "IE":  # an acceptor: a run of C and T, then ..CAG|G..
        letters[13:26] = rng.choice(list("CT"), 13)
        letters[27:31] = list("CAGG")
    changed = rng.integers(0, LETTERS, 4)
    letters[changed] = rng.choice(list("ACGT"), 4)
    return "".join(letters).encode()
