"""`Splits`, and how a data set is found: prepared on disk, downloaded, or the built-in sample."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError

if TYPE_CHECKING:
    import tensorflow as tf  # else not here: a person's own file is read before TensorFlow is imported

PROBE_SECONDS = 8


@dataclass(frozen=True)
class Splits:
    """A data set: three `tf.data.Dataset`s of raw, unbatched examples, and what a card has to say of them."""

    loader: str  # name of the function in zoo.data, for `zoo evaluate`
    source: str  # "real", "sample", "own", or "synthetic": made by a rule that is itself the task
    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    description: str
    terms: str
    labels: tuple[str, ...] = ()
    arguments: dict = field(default_factory=dict)  # of the loader, beyond the configuration
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self):
        sizes = {name: int(getattr(self, name).cardinality()) for name in ("train", "validation", "test")}
        object.__setattr__(self, "sizes", sizes)
        check_sizes(self.loader, sizes)


def check_sizes(loader: str, sizes: dict[str, int]) -> None:
    """Raises `ZooError` where a split, by its name, has no examples."""
    for name, size in sizes.items():
        if size < 1:
            raise ZooError(f"The {name} split of {loader} is empty: there are too few examples to cut one off.")


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


def load_tfds(name: str, config, *, splits: dict[str, str], probe: str, encoded: tuple[str, ...] = ()):
    """Reads splits of a tfds data set that is prepared or can be downloaded.

    Args:
        name: of the data set in tensorflow-datasets.
        config: a `RunConfig`; its `data` and `data_dir` decide.
        splits: our name → tfds's.
        probe: an address of the download, asked first: tfds itself retries for minutes without a network.
        encoded: features to leave as the files they are stored as.

    Returns:
        Our name → dict of numpy arrays, or None where the sample is to be used.

    Raises:
        ZooError: with `--data real` where there is neither, or with a `--data-dir` that is no readable directory.
    """
    if config.data == "sample":
        return None
    # tfds looks in the given directory or its tfds/, else in a place of its own.
    directory = given_directory(config)
    if directory and (directory / "tfds").is_dir():
        directory /= "tfds"
    import tensorflow_datasets as tfds

    decoders = {feature: tfds.decode.SkipDecoding() for feature in encoded} or None

    def read(download):
        options = {"data_dir": directory, "download": download, "batch_size": -1, "decoders": decoders}
        sets = tfds.load(name, split=list(splits.values()), **options)
        return dict(zip(splits, (tfds.as_numpy(part) for part in sets), strict=True))

    try:
        return read(download=False)
    except Exception as error:  # tfds raises many types for "not prepared"
        missing = str(error).splitlines()[0]
    return _download(name, directory or "tfds's own directory", missing, config, probe, lambda: read(download=True))


def raw_directory(name: str, config, *, files: tuple[str, ...], archive: str) -> Path | None:
    """Finds files that no tfds builder covers: in a prepared directory, else in a downloaded archive.

    Args:
        name: of their directory below raw/; a given directory may also hold them itself.
        config: a `RunConfig`; its `data` and `data_dir` decide.
        files: their names; a directory that lacks one is passed over.
        archive: address of a zip or tar archive that has them at its top or in a directory of that name.

    Returns:
        The directory that holds the files, or None where the sample is to be used.

    Raises:
        ZooError: with `--data real` where there is neither, or with a `--data-dir` that lacks the files.
    """
    if config.data == "sample":
        return None
    given = given_directory(config)
    keras_home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    downloads = keras_home / "datasets"

    def find(*places):
        return next((place for place in places if all((place / file).is_file() for file in files)), None)

    def fetch():
        import keras

        unpacked = Path(keras.utils.get_file(name, origin=archive, extract=True, cache_dir=keras_home))
        if not (found := find(unpacked, unpacked / name)):
            raise ZooError(f"{unpacked}, from {archive}, lacks {' or '.join(files)}")
        return found

    places = [given / "raw" / name, given / name, given] if given else []
    if config.data_dir is None:
        places += [downloads / name, downloads / name / name]
    missing = f"no directory raw/{name} with {', '.join(files)}"
    return find(*places) or _download(name, given or downloads, missing, config, archive, fetch)


def sample_splits(loader: str, name: str, description: str, parts: dict[str, tf.data.Dataset], labels=()) -> Splits:
    """The `Splits` of a built-in sample; says loudly that they are not the real data, whose name is given."""
    rule = "*" * 100
    print(f"{rule}\nTraining on the built-in SAMPLE, not on {name}. {description}\n{rule}", flush=True)
    terms = "generated by this project, Apache-2.0"
    return Splits(loader=loader, source="sample", **parts, description=description, terms=terms, labels=labels)


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


def _download(name: str, where, missing: str, config, probe: str, fetch):
    """What `fetch()` downloads, or None where that is impossible and the sample will do; see `load_tfds`."""
    if config.data == "auto" and config.data_dir is not None:
        raise ZooError(f"{name} is not prepared in {where} ({missing}). Give the right --data-dir, or leave it out.")
    if _reachable(probe):
        print(f"{name} is not prepared in {where}; downloading it.", flush=True)
        try:
            return fetch()
        except Exception as error:
            missing = f"the download failed: {str(error).splitlines()[0]}"
    else:
        missing = f"{probe} cannot be reached"
    if config.data == "real":
        raise ZooError(f"{name} is not prepared in {where}, and {missing}. Give --data-dir.")
    print(f"{name} is not prepared in {where}, and {missing}.", flush=True)
    return None


def given_directory(config) -> Path | None:
    """The directory of prepared data that `--data-dir` or TFDS_DATA_DIR names."""
    given = config.data_dir or os.environ.get("TFDS_DATA_DIR")
    if not given:
        return None
    given = Path(given)
    if not given.is_dir() or not os.access(given, os.R_OK | os.X_OK):
        raise ZooError(f"--data-dir {given} is not a readable directory; it should hold tfds/ (prepared by tfds) or raw/.")
    return given


def _reachable(address: str) -> bool:
    """Whether an address answers within `PROBE_SECONDS`; looking up its name can hang longer than any time-out."""
    answered = threading.Event()

    def ask():
        request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "sequence-zoo"})
        try:
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS - 2):
                answered.set()
        except OSError:
            pass

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    asker.join(PROBE_SECONDS)
    return answered.is_set()
