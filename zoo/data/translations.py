"""Sentence pairs to translate: Tatoeba's Spanish and English, their built-in sample, and a person's own from a file."""

import re
import unicodedata
from pathlib import Path

import tensorflow as tf

from zoo.data import spanish_phrases
from zoo.data.splits import Splits, raw_directory, sample_splits, stable_bucket
from zoo.errors import ZooError

SPA_ENG = "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip"

Pairs = list[tuple[str, str]]


def spanish_english(config) -> Splits:
    """Spanish sentences and their English translations by the volunteers of Tatoeba, some 115,000 pairs.

    There is no official split. A stable hash of the English sentence, its case and punctuation apart, cuts off 3 % to test
    and 2 % to validate; training pairs whose Spanish sentence is among those, and validation pairs whose Spanish sentence
    is tested, are dropped. So no split shares a sentence of either language with another.

    Args:
        config: a `RunConfig`.

    Returns:
        `Splits` of (Spanish, English), string scalars, one example a pair; test has one example a Spanish sentence, with
        all its translations: a string scalar and references, string [R], R >= 1, which `.batch()` makes ragged.
        Texts are in Unicode's form NFC. Where the data set cannot be had, those of the sample.

    Raises:
        ZooError: see `raw_directory`; or if the file does not hold sentence pairs.

    Source: the file of TensorFlow's tutorial "Neural machine translation with attention", from manythings.org/anki.
    """
    directory = raw_directory("spa-eng", config, files=("spa.txt",), archive=SPA_ENG)
    if directory is None:
        parts = _datasets(spanish_phrases.spanish_phrases())
        return sample_splits("spanish_english", "Tatoeba's sentence pairs", spanish_phrases.DESCRIPTION, parts)
    pairs = [(spanish, english) for english, spanish in _read(directory / "spa.txt")]
    return Splits(
        loader="spanish_english",
        source="real",
        **_datasets(_cut(pairs, test=3, validation=2)),
        description=f"{len(pairs):,} Spanish-English sentence pairs of Tatoeba (manythings.org/anki, spa-eng); a stable hash of"
        " the English sentence cut them 95 : 2 : 3, and no split shares a sentence of either language with another",
        terms="CC BY 2.0; sentences by the contributors of tatoeba.org, collected at manythings.org/anki",
    )


def sentence_pairs(path) -> Splits:
    """A person's own sentence pairs from a text file in UTF-8: a source, a tab and its target on each line.

    Further columns are ignored, and so are empty lines and pairs with an empty side. Four fifths are trained on, a tenth
    each validates and tests, by a stable hash of the target; no split shares a source or a target with another.

    Args:
        path: the file.

    Returns:
        `Splits` of (source, target); test of (source, references), see `spanish_english`.

    Raises:
        ZooError: if the file cannot be read, has a line without a tab, or has too few pairs to cut splits off.
    """
    path = Path(path)
    pairs = _read(path)
    return Splits(
        loader="sentence_pairs",
        source="own",
        **_datasets(_cut(pairs, test=10, validation=10)),
        description=f"{len(pairs):,} sentence pairs from {path.name}; a stable hash of the target cut them 8 : 1 : 1, and no"
        " split shares a source or a target with another",
        terms="those of the file's owner",
        arguments={"path": str(path.resolve())},
    )


def _read(path: Path) -> Pairs:
    """The distinct pairs of a tab-separated file, in its order; in NFC, with single spaces."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ZooError(f"{path} is not in UTF-8: line {line} has the byte 0x{error.object[error.start]:02x}.") from error
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {error}.") from error
    pairs = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        sides = [" ".join(side.split()) for side in unicodedata.normalize("NFC", line).split("\t")[:2]]
        if len(sides) < 2:
            raise ZooError(f"Line {number} of {path} has no tab; a line is a sentence, a tab and its translation.")
        if all(sides):
            pairs[tuple(sides)] = None
    return list(pairs)


def key(sentence: str) -> str:
    """What "Go." and "go!" have in common; for a sentence without a letter or digit, the sentence."""
    return re.sub(r"[\W_]+", " ", sentence.casefold()).strip() or sentence


def _cut(pairs: Pairs, *, test: int, validation: int) -> dict[str, Pairs]:
    """Splits by the target, then leaves out what would let one split see a source of another; sizes in per cent."""
    parts = {"train": [], "validation": [], "test": []}
    for source, target in pairs:
        bucket = stable_bucket(key(target))
        part = "test" if bucket < test else "validation" if bucket < test + validation else "train"
        parts[part].append((source, target))
    taken = set()
    for part in ("test", "validation", "train"):
        parts[part] = [pair for pair in parts[part] if key(pair[0]) not in taken]
        taken.update(key(source) for source, _ in parts[part])
    return parts


def _datasets(parts: dict[str, Pairs]) -> dict[str, tf.data.Dataset]:
    references = {}
    for source, target in parts["test"]:
        references.setdefault(source, []).append(target)
    flat = _strings([target for targets in references.values() for target in targets])
    lengths = tf.constant([len(targets) for targets in references.values()], tf.int64)
    columns = {name: [_strings([pair[side] for pair in parts[name]]) for side in (0, 1)] for name in ("train", "validation")}
    columns["test"] = [_strings(list(references)), tf.RaggedTensor.from_row_lengths(flat, lengths)]
    return {name: tf.data.Dataset.from_tensor_slices(tuple(column)) for name, column in columns.items()}


def _strings(texts: list[str]) -> tf.Tensor:
    return tf.constant(texts, tf.string, shape=[len(texts)])
