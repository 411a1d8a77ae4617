"""`Splits`, and how a data set is found: prepared on disk, downloaded, or the built-in sample."""

import hashlib
import os
import threading
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf

from zoo.errors import ZooError

PROBE_SECONDS = 8


@dataclass(frozen=True)
class Splits:
    """A data set: three `tf.data.Dataset`s of raw, unbatched examples, and what a card has to say of them."""

    loader: str  # name of the function in zoo.data, for `zoo evaluate`
    source: str  # "real", "sample" or "own"
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
        for name, size in sizes.items():
            if size < 1:
                raise ZooError(f"The {name} split of {self.loader} is empty: there are too few examples to cut one off.")


def stable_bucket(text: str, buckets: int = 100) -> int:
    """A number from 0 to buckets - 1 that depends on the text alone, its case and spacing apart: equal texts stay together."""
    normalised = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.blake2b(normalised.encode(), digest_size=8).digest()) % buckets


def load_tfds(name: str, config, *, splits: dict[str, str], probe: str):
    """Reads splits of a tfds data set that is prepared or can be downloaded.

    Args:
        name: of the data set in tensorflow-datasets.
        config: a `RunConfig`; its `data` and `data_dir` decide.
        splits: our name → tfds's.
        probe: an address of the download, asked first: tfds itself retries for minutes without a network.

    Returns:
        Our name → dict of numpy arrays, or None where the sample is to be used.

    Raises:
        ZooError: with `--data real` where there is neither, or with a `--data-dir` that is no readable directory.
    """
    if config.data == "sample":
        return None
    directory = _directory(config)
    import tensorflow_datasets as tfds

    def read(download):
        sets = tfds.load(name, split=list(splits.values()), data_dir=directory, download=download, batch_size=-1)
        return dict(zip(splits, (tfds.as_numpy(part) for part in sets), strict=True))

    try:
        return read(download=False)
    except Exception as error:  # tfds raises many types for "not prepared"
        missing = str(error).splitlines()[0]
    where = directory or "tfds's own directory"
    if config.data == "auto" and config.data_dir is not None:
        raise ZooError(f"{name} is not prepared in {where} ({missing}). Give the right --data-dir, or leave it out.")
    if _reachable(probe):
        print(f"{name} is not prepared in {where}; downloading it.", flush=True)
        try:
            return read(download=True)
        except Exception as error:
            missing = f"the download failed: {str(error).splitlines()[0]}"
    else:
        missing = f"{probe} cannot be reached"
    if config.data == "real":
        raise ZooError(f"{name} is not prepared in {where}, and {missing}. Give --data-dir, or use --data sample.")
    print(f"{name} is not prepared in {where}, and {missing}.", flush=True)
    return None


def announce_sample(name: str, description: str) -> None:
    """Says loudly that what follows is not the real data."""
    rule = "*" * 100
    print(f"{rule}\nTraining on the built-in SAMPLE, not on {name}. {description}\n{rule}", flush=True)


def _directory(config) -> Path | None:
    """Where tfds is to look: the given directory or its tfds/, else None for tfds's own default."""
    given = config.data_dir or os.environ.get("TFDS_DATA_DIR")
    if not given:
        return None
    given = Path(given)
    if not given.is_dir() or not os.access(given, os.R_OK | os.X_OK):
        raise ZooError(f"--data-dir {given} is not a readable directory; it should hold tfds/ (prepared by tfds) or raw/.")
    return given / "tfds" if (given / "tfds").is_dir() else given


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
