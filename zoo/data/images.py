"""Labelled images: MNIST, its built-in sample, and a person's own from folders."""

import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import drawn_digits
from zoo.data.splits import Splits, load_tfds, sample_splits, stable_bucket
from zoo.errors import ZooError
from zoo.preprocessing import Images

SUFFIXES = (".png", ".jpg", ".jpeg")


def mnist(config) -> Splits:
    """Handwritten digits of 28 by 28 grey pixels, light on dark: 55,000 to train on, 5,000 to validate, 10,000 to test.

    The 5,000 are those of the official training split with the lowest hash.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (content of a PNG file, digit): string and int64 scalars. Where the data set cannot be had, those of the
        sample.

    Raises:
        ZooError: see `load_tfds`.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition"; through tfds `mnist`.
    """
    data = load_tfds(
        "mnist",
        config,
        splits={"train": "train", "test": "test"},
        probe="https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
        encoded=("image",),
    )
    labels = tuple("0123456789")
    if data is None:
        drawn = drawn_digits.drawn_digits().items()
        parts = {name: tf.data.Dataset.from_tensor_slices(_tensors(*zip(*pairs, strict=True))) for name, pairs in drawn}
        return sample_splits("mnist", "MNIST", drawn_digits.DESCRIPTION, parts, labels)
    images, digits = data["train"]["image"], data["train"]["label"]
    order = np.argsort([_digest(image) for image in images], kind="stable")
    rows = {"train": np.sort(order[5_000:]), "validation": np.sort(order[:5_000])}
    parts = {name: (images[kept], digits[kept]) for name, kept in rows.items()}
    parts["test"] = data["test"]["image"], data["test"]["label"]
    return Splits(
        loader="mnist",
        source="real",
        **{name: tf.data.Dataset.from_tensor_slices(_tensors(*part)) for name, part in parts.items()},
        description="MNIST, official split (tfds mnist 3.0.1); the 5,000 images of train with the lowest hash validate",
        terms="licence not stated in the data files; a citation of LeCun et al. 1998 is customary",
        labels=labels,
    )


def image_folder(path) -> Splits:
    """A person's own labelled images: a folder with one sub-folder of PNG and JPEG files for each class.

    Four fifths are trained on, a tenth each validates and tests, by a stable hash of the content: copies stay together.

    Args:
        path: the folder; the names of its sub-folders are the classes, and they may hold folders in turn.

    Returns:
        `Splits` of (content of a file, class number): string and int64 scalars; `labels` holds the classes, sorted. The files
        are read when they are needed.

    Raises:
        ZooError: if there are fewer than two classes, one of them has no images, or a file cannot be read or decoded.
    """
    path = Path(path)
    try:
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    except OSError as error:
        raise ZooError(f"{path} cannot be read as a folder: {error.strerror}.") from error
    if len(folders) < 2:
        raise ZooError(f"{path} has {len(folders)} sub-folder(s); a classifier needs two or more, one for each class.")
    found = []
    for number, folder in enumerate(folders):
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise ZooError(f"{folder} has no images: there is no file with the ending {', '.join(SUFFIXES)}.")
        found += [(str(file), number) for file in files]
    parts = {"train": [], "validation": [], "test": []}
    for example, digest in zip(found, _digests([file for file, _ in found]), strict=True):
        parts[{0: "test", 1: "validation"}.get(stable_bucket(digest, 10), "train")].append(example)

    def read(part):
        files = tf.data.Dataset.from_tensor_slices(_tensors(*(zip(*part, strict=True) if part else ((), ()))))
        return files.map(lambda file, label: (tf.io.read_file(file), label))

    return Splits(
        loader="image_folder",
        source="own",
        **{name: read(part) for name, part in parts.items()},
        description=f"{len(found):,} labelled images from {path.name}; a stable hash of their content cut them 8 : 1 : 1",
        terms="those of the files' owner",
        labels=tuple(folder.name for folder in folders),
        arguments={"path": str(path.resolve())},
    )


def _digests(files: list[str]) -> list[str]:
    """Hashes of the content of image files; raises `ZooError` where some cannot be read or decoded."""
    decode = Images(1, 1, 3)
    contents = tf.data.Dataset.from_tensor_slices(files).map(tf.io.read_file).batch(16)
    digests, wrong = [], []
    try:
        for batch, errors in contents.map(lambda batch: (batch, decode(batch)[1]), tf.data.AUTOTUNE).as_numpy_iterator():
            wrong += [f"{files[len(digests) + row]} ({error.decode()})" for row, error in enumerate(errors) if error]
            digests += [_digest(content) for content in batch]
    except tf.errors.OpError as error:
        raise ZooError(f"An image cannot be read: {error.message.splitlines()[0]}") from error
    if wrong:
        more = f" and {len(wrong) - 3:,} more" if len(wrong) > 3 else ""
        raise ZooError(f"{len(wrong):,} of {len(files):,} images cannot be decoded; remove them: {', '.join(wrong[:3])}{more}.")
    return digests


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _tensors(strings, labels):
    strings = tf.constant(strings, tf.string) if len(strings) else tf.zeros([0], tf.string)
    return strings, tf.constant(labels, tf.int64, shape=[len(labels)])
