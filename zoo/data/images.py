"""Labelled images: MNIST, its built-in sample, and a person's own from folders."""

import hashlib
import os
from pathlib import Path

from zoo.data.folders import Found, find_images
from zoo.data.found import load_tfds, sample_splits
from zoo.data.own_files import own_path
from zoo.data.report import Report, class_lines, sorted_labels
from zoo.data.splits import Splits, check_sizes, cut_classes, loader
from zoo.errors import ZooError


@loader
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
    # not before a person's own file has been read
    import numpy as np
    import tensorflow as tf

    from zoo.data import drawn_digits

    labels = tuple("0123456789")
    if data is None:
        drawn = drawn_digits.drawn_digits().items()
        parts = {name: tf.data.Dataset.from_tensor_slices(_tensors(*zip(*pairs, strict=True))) for name, pairs in drawn}
        return sample_splits("MNIST", drawn_digits.DESCRIPTION, parts, labels)
    images, digits = data["train"]["image"], data["train"]["label"]
    order = np.argsort([_digest(image) for image in images], kind="stable")
    rows = {"train": np.sort(order[5_000:]), "validation": np.sort(order[:5_000])}
    parts = {name: (images[kept], digits[kept]) for name, kept in rows.items()}
    parts["test"] = data["test"]["image"], data["test"]["label"]
    return Splits(
        source="real",
        **{name: tf.data.Dataset.from_tensor_slices(_tensors(*part)) for name, part in parts.items()},
        description="MNIST, official split (tfds mnist 3.0.1); the 5,000 images of train with the lowest hash validate",
        terms="licence not stated in the data files; a citation of LeCun et al. 1998 is customary",
        labels=labels,
    )


@loader
def image_folder(config, *, path: Path) -> Splits:
    """A person's own labelled images: a folder with one sub-folder of PNG and JPEG files for each class.

    Four fifths are trained on, a tenth each validates and tests, by a stable hash of the content: copies stay together, and
    every class is trained on. A tree that is split already (`train`, `val`, `test`) keeps its splits; what it lacks of them
    is cut from its training images. What is left out, what is odd and how large the classes are is printed.

    Args:
        config: a `RunConfig`, as every loader takes; nothing of it counts here.
        path: the folder, see `find_images`; the names of the sub-folders are the classes, and they may hold folders in turn.

    Returns:
        `Splits` of (content of a file, class number): string and int64 scalars; `labels` holds the classes, sorted: numbers
        by value. The files are read when they are needed.

    Raises:
        ZooError: see `find_images`; or if no image of a class can be decoded, or there are too few to cut splits off.
    """
    path = own_path(path)
    name = path.resolve().name  # also of "."
    report = Report(name, "files")
    found = find_images(path, report)
    labels = sorted_labels(one.label for one in found)
    if len(labels) < 2:
        raise ZooError(f"{path} has one class only, {labels[0]!r}; a classifier needs two or more.")
    found, digests = _decodable(found, report, path)
    if lost := set(labels) - {one.label for one in found}:
        raise ZooError(f"No image of {min(lost)!r} in {path} can be decoded ({report.summary(len(found))}).")
    number = {label: index for index, label in enumerate(labels)}
    classes = [number[one.label] for one in found]
    given = {one.split for one in found} - {None}
    split_of, put_back = _cut(found, digests, classes, given)
    elsewhere = _elsewhere(digests, split_of)
    parts = {"train": [], "validation": [], "test": []}
    seen = {}
    for one, digest, split, label in zip(found, digests, split_of, classes, strict=True):
        place = os.path.relpath(one.file, path)
        if digest in elsewhere[split]:
            report.leave_out(f"of {split} that another split has too", place)
            continue
        if digest in seen:
            report.remark(f"copy of an earlier image, of {'the same' if seen[digest] == label else 'another'} class", place)
        seen.setdefault(digest, label)
        parts[split].append((os.fsencode(one.file), label))
    sizes = {split: len(part) for split, part in parts.items()}
    used = sum(sizes.values())
    report.print(used, class_lines(labels, {split: [row[1] for row in part] for split, part in parts.items()}, put_back))
    check_sizes(sizes)
    how = f"its folders cut them into {', '.join(sorted(given))}; " if given else ""
    lacking = [split for split in parts if split not in given]
    if lacking:
        how += "a stable hash of their content cut " + (f"{' and '.join(lacking)} off train" if given else "them 8 : 1 : 1")
    return Splits(
        source="own",
        **{split: _files(part) for split, part in parts.items()},
        description=f"{used:,} labelled images from {name}; {how.removesuffix('; ')}",
        terms="those of the files' owner",
        labels=labels,
    )


def _cut(found: list[Found], digests: list[str], classes: list[int], given: set[str]) -> tuple[list[str], set[int]]:
    """The split of each image: that of its folder, or by the hash where there is none; see `cut_classes`."""
    split_of = [one.split or "train" for one in found]
    if {"validation", "test"} <= given:
        return split_of, set()
    rows = [row for row, split in enumerate(split_of) if split == "train"]
    cut, put_back = cut_classes([digests[row] for row in rows], [classes[row] for row in rows])
    for row, split in zip(rows, cut, strict=True):
        split_of[row] = "train" if split in given else split
    return split_of, put_back


def _elsewhere(digests: list[str], split_of: list[str]) -> dict[str, set[str]]:
    """Split → images that it must not have, since one that is asked later has them: test comes before validation and train."""
    of = {name: set() for name in ("train", "validation", "test")}
    for digest, split in zip(digests, split_of, strict=True):
        of[split].add(digest)
    return {"train": of["validation"] | of["test"], "validation": of["test"], "test": set()}


def _decodable(found: list[Found], report: Report, path) -> tuple[list[Found], list[str]]:
    """The images that can be decoded, and hashes of their content."""
    import tensorflow as tf

    from zoo.preprocessing import Images

    decode = Images(1, 1, 3)
    contents = tf.data.Dataset.from_tensor_slices([os.fsencode(one.file) for one in found]).map(tf.io.read_file).batch(16)
    fine, digests, row = [], [], 0
    try:
        for batch, errors in contents.map(lambda batch: (batch, decode(batch)[1]), tf.data.AUTOTUNE).as_numpy_iterator():
            for content, error in zip(batch, errors, strict=True):
                if error:
                    report.leave_out(f"that cannot be decoded ({error.decode()})", os.path.relpath(found[row].file, path))
                else:
                    fine.append(found[row])
                    digests.append(_digest(content))
                row += 1
    except tf.errors.OpError as error:
        raise ZooError(f"An image cannot be read: {error.message.splitlines()[0]}") from error
    return fine, digests


def _files(part):
    """Examples (path, class number) → a `tf.data.Dataset` of (content, class number)."""
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices(_tensors(*zip(*part, strict=True)))
    return files.map(lambda file, label: (tf.io.read_file(file), label))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _tensors(strings, labels):
    import tensorflow as tf

    strings = tf.constant(strings, tf.string) if len(strings) else tf.zeros([0], tf.string)
    return strings, tf.constant(labels, tf.int64, shape=[len(labels)])
