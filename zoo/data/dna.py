"""DNA around the places where genes are spliced, and a built-in sample."""

import numpy as np
import tensorflow as tf

from zoo.data import drawn_dna
from zoo.data.drawn_dna import CLASSES
from zoo.data.found import raw_directory, sample_splits
from zoo.data.splits import Splits, loader
from zoo.errors import ZooError

FOLDS = 10
SEED = 0  # of the order that cuts the folds


@loader
def splice_junctions(config, *, fold: int = 0) -> Splits:
    """Primate DNA, 60 letters around a splice junction or around none: 3,190 sequences.

    There is no official split: a seeded order cuts ten folds, in which equal sequences stay together. One is tested on, the
    next one validates, and the other eight are trained on.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.
        fold: the one that is tested on, from 0.

    Returns:
        `Splits` of (sequence, class): string scalars of 60 letters, A, C, G and T and a few that stand for several of them, and
        int64 scalars. Where the data set cannot be had, those of the sample.

    Raises:
        ZooError: see `raw_directory`; for no such fold; or if the file does not hold such sequences.

    Source: Noordewier, Towell & Shavlik 1991, "Training Knowledge-Based Neural Networks to Recognize Genes in DNA Sequences";
    UCI machine learning repository, data set 69.
    """
    if not 0 <= fold < FOLDS:
        raise ZooError(f"There are folds 0 to {FOLDS - 1}, not {fold}.")
    directory = raw_directory("splice", config, files=("splice.data",), archive=None)
    if directory is None:
        drawn = {name: tf.data.Dataset.from_tensor_slices(part) for name, part in drawn_dna.drawn_dna().items()}
        return sample_splits("UCI's splice junctions", drawn_dna.DESCRIPTION, drawn, CLASSES)
    sequences, classes = _read(directory / "splice.data")
    folds = _folds(sequences)
    inside = {"test": folds == fold, "validation": folds == (fold + 1) % FOLDS}
    inside["train"] = ~(inside["test"] | inside["validation"])
    return Splits(
        source="real",
        **{name: tf.data.Dataset.from_tensor_slices((sequences[rows], classes[rows])) for name, rows in inside.items()},
        description=f"Primate splice-junction gene sequences (UCI 69); of {FOLDS} folds cut in an order of seed {SEED}, equal"
        f" sequences together, number {fold} tests and the next one validates",
        terms="licence not stated in the data file; a citation of Noordewier et al. 1991 is customary",
        labels=CLASSES,
    )


def _read(file) -> tuple[np.ndarray, np.ndarray]:
    """Sequences, objects [N], and class numbers, int64 [N], of a file with `class,name,sequence` on each line."""
    sequences, classes = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 3 or fields[0] not in CLASSES or len(fields[2]) != drawn_dna.LETTERS:
            raise ZooError(
                f"{file}, line {number}, is not a class of {', '.join(CLASSES)}, a name and {drawn_dna.LETTERS} letters."
            )
        classes.append(CLASSES.index(fields[0]))
        sequences.append(fields[2].encode())
    if not sequences:
        raise ZooError(f"{file} is empty.")
    return np.array(sequences, object), np.array(classes)


def _folds(sequences) -> np.ndarray:
    """Number of the fold of each sequence: different ones are dealt out in a seeded order."""
    different = sorted(set(sequences))
    order = np.random.default_rng(SEED).permutation(len(different))
    fold = {different[place]: rank % FOLDS for rank, place in enumerate(order)}
    return np.array([fold[sequence] for sequence in sequences])
