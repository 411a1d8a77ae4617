"""Digits as the path of a pen: UCI's pen digits and their built-in sample."""

import hashlib

import numpy as np
import tensorflow as tf

from zoo.data import drawn_paths
from zoo.data.found import raw_directory, sample_splits
from zoo.data.splits import Splits, loader
from zoo.errors import ZooError

DIGITS = tuple("0123456789")
FILES = ("pendigits.tra", "pendigits.tes")


@loader
def pen_digits(config) -> Splits:
    """Digits written on a tablet, eight points each at equal distances along the path.

    The official split: 7,494 digits of 30 writers and 3,498 of 14 others, to test on. A tenth of the first, by a stable hash of
    their points, validates; its writers are those of the training examples.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (path, digit): float32 [8, 2], x and y from 0 to 100 with y upwards, and int64 scalars. Where the data set
        cannot be had, those of the sample.

    Raises:
        ZooError: see `raw_directory`; or if a file does not hold such digits.

    Source: Alimoglu & Alpaydin 1996, "Methods of Combining Multiple Classifiers Based on Different Representations for
    Pen-based Handwritten Digit Recognition"; UCI machine learning repository, data set 81.
    """
    directory = raw_directory("pendigits", config, files=FILES, archive=None)
    if directory is None:
        drawn = {name: tf.data.Dataset.from_tensor_slices(part) for name, part in drawn_paths.drawn_paths().items()}
        return sample_splits("UCI's pen digits", drawn_paths.DESCRIPTION, drawn, DIGITS)
    paths, digits = _read(directory / FILES[0])
    validates = np.array([int.from_bytes(hashlib.blake2b(path.tobytes(), digest_size=8).digest()) % 10 == 0 for path in paths])
    parts = {"train": (paths[~validates], digits[~validates]), "validation": (paths[validates], digits[validates])}
    parts["test"] = _read(directory / FILES[1])
    return Splits(
        source="real",
        **{name: tf.data.Dataset.from_tensor_slices(part) for name, part in parts.items()},
        description="Pen-based recognition of handwritten digits (UCI 81), the official split, no writer in both parts; a"
        " stable hash took a tenth of the training examples to validate",
        terms="licence not stated in the data files; a citation of Alimoglu & Alpaydin 1996 is customary",
        labels=DIGITS,
    )


def _read(file) -> tuple[np.ndarray, np.ndarray]:
    """Paths float32 [N, 8, 2] and digits int64 [N] of a file of 17 whole numbers a line."""
    try:
        rows = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise ZooError(f"{file} does not hold 17 whole numbers on each line: {error}.") from error
    if rows.shape[1:] != (2 * drawn_paths.POINTS + 1,) or rows.min() < 0 or rows[:, :-1].max() > 100 or rows[:, -1].max() > 9:
        raise ZooError(f"{file} does not hold, on each line, eight points from 0 to 100 and a digit.")
    return rows[:, :-1].reshape(-1, drawn_paths.POINTS, 2).astype("float32"), rows[:, -1]
