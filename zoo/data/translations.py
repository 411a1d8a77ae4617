"""Sentence pairs to translate: Tatoeba's Spanish and English, their built-in sample, and a person's own from a file."""

import re
import unicodedata
from pathlib import Path

from zoo.data import spanish_phrases
from zoo.data.found import raw_directory, sample_splits
from zoo.data.own_files import own_path, read_text
from zoo.data.report import Report
from zoo.data.splits import Splits, check_sizes, loader, stable_bucket
from zoo.errors import ZooError
from zoo.names import quoted

SPA_ENG = "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip"

Pairs = list[tuple[str, str]]


@loader
def spanish_english(config) -> Splits:
    """Spanish sentences and their English translations by the volunteers of Tatoeba, some 115,000 pairs.

    There is no official split. A stable hash of the English sentence, its case and punctuation apart, cuts off 3 % to test
    and 2 % to validate; training pairs whose Spanish sentence is among those, and validation pairs whose Spanish sentence
    is tested, are dropped. So no split shares a sentence of either language with another.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

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
        return sample_splits("Tatoeba's sentence pairs", spanish_phrases.DESCRIPTION, parts)
    pairs = [(spanish, english) for english, spanish in _read(directory / "spa.txt", Report("spa.txt", "lines"))]
    return Splits(
        source="real",
        **_datasets(_cut(pairs, test=3, validation=2)),
        description=f"{len(pairs):,} Spanish-English sentence pairs of Tatoeba (manythings.org/anki, spa-eng); a stable hash of"
        " the English sentence cut them 95 : 2 : 3, and no split shares a sentence of either language with another",
        terms="CC BY 2.0; sentences by the contributors of tatoeba.org, collected at manythings.org/anki",
    )


@loader
def sentence_pairs(config, *, path: Path) -> Splits:
    """A person's own sentence pairs from a text file: a source, a tab and its target on each line, quotes being characters.

    Further columns are ignored. Lines that are no pair or repeat one are left out, and it is printed how many and which. Four
    fifths are trained on, a tenth each validates and tests, by a stable hash of the target; no split shares a source or a
    target with another. Where there are far fewer targets than sources, as with sums or names of classes, the hash is that
    of the source, and targets are shared: else some would never be learnt.

    Args:
        config: a `RunConfig`, as every loader takes; nothing of it counts here.
        path: the file, in UTF-8, or in UTF-16 with a byte order mark.

    Returns:
        `Splits` of (source, target); test of (source, references), see `spanish_english`.

    Raises:
        ZooError: if the file cannot be read, has no pair, or has too few to cut splits off.
    """
    path = own_path(path)
    report = Report(path.name, "lines")
    pairs = _read(path, report)
    sources, targets = ({key(pair[side]) for pair in pairs} for side in (0, 1))
    recur = 2 * len(targets) < len(sources)
    hashed, apart = ("source", "source") if recur else ("target", "source or a target")
    parts = (_cut_by_source if recur else _cut)(pairs, test=10, validation=10)
    sizes = {name: len(part) for name, part in parts.items()}
    used = sum(sizes.values())
    more = [f"{used:,} pairs: " + ", ".join(f"{size:,} in {name}" for name, size in sizes.items()) + "."]
    if used < len(pairs):
        more.append(f"Left out besides, for their source is in another split already: {len(pairs) - used:,} pairs.")
    report.print(len(pairs), more)
    check_sizes(sizes)
    return Splits(
        source="own",
        **_datasets(parts),
        description=f"{len(pairs):,} sentence pairs from {path.name}; a stable hash of the {hashed} cut them 8 : 1 : 1,"
        f" and no split shares a {apart} with another",
        terms="those of the file's owner",
    )


def _read(path: Path, report: Report) -> Pairs:
    """The distinct pairs of a tab-separated file, in its order; in NFC, with single spaces."""
    text = read_text(path)
    lines = text.split("\n" if "\n" in text else "\r")  # of \r\n the rest is a blank at the end of the target
    pairs = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        sides = [" ".join(side.split()) for side in unicodedata.normalize("NFC", line).split("\t")]
        source, target = [*sides, ""][:2]
        if len(sides) < 2:
            report.leave_out("without a tab", number)
        elif not (source and target):
            report.leave_out(f"without a {'target' if source else 'source'}", number)
        elif (source, target) in pairs:
            report.leave_out("that repeat an earlier pair", number)
        else:
            pairs[source, target] = None
            if any(sides[2:]):
                report.remark("more than two columns, of which the first two are read", number)
    if not pairs:
        first = next((f"; line {number} is {quoted(line)}" for number, line in enumerate(lines, 1) if line.strip()), "")
        raise ZooError(f"{path} has no line with a sentence, a tab and its translation{first}.")
    return list(pairs)


def key(sentence: str) -> str:
    """What "Go." and "go!" have in common; for a sentence without a letter or digit, the sentence."""
    return re.sub(r"[\W_]+", " ", sentence.casefold()).strip() or sentence


def _cut(pairs: Pairs, *, test: int, validation: int) -> dict[str, Pairs]:
    """Splits by the target, then leaves out what would let one split see a source of another; sizes in per cent."""
    parts = _hashed(pairs, [key(target) for _, target in pairs], test, validation)
    taken = set()
    for part in ("test", "validation", "train"):
        parts[part] = [pair for pair in parts[part] if key(pair[0]) not in taken]
        taken.update(key(source) for source, _ in parts[part])
    return parts


def _cut_by_source(pairs: Pairs, *, test: int, validation: int) -> dict[str, Pairs]:
    """Splits by the source to the letter, for "1+2" is not "1-2"; sizes in per cent."""
    return _hashed(pairs, [source for source, _ in pairs], test, validation)


def _hashed(pairs: Pairs, texts: list[str], test: int, validation: int) -> dict[str, Pairs]:
    """Splits by the stable hash of a text for each pair; sizes in per cent."""
    parts = {"train": [], "validation": [], "test": []}
    for pair, text in zip(pairs, texts, strict=True):
        bucket = stable_bucket(text)
        parts["test" if bucket < test else "validation" if bucket < test + validation else "train"].append(pair)
    return parts


def _datasets(parts: dict[str, Pairs]):
    import tensorflow as tf  # not before a person's own file has been read

    def strings(texts):
        return tf.constant(texts, tf.string, shape=[len(texts)])

    references = {}
    for source, target in parts["test"]:
        references.setdefault(source, []).append(target)
    flat = strings([target for targets in references.values() for target in targets])
    lengths = tf.constant([len(targets) for targets in references.values()], tf.int64)
    columns = {name: [strings([pair[side] for pair in parts[name]]) for side in (0, 1)] for name in ("train", "validation")}
    columns["test"] = [strings(list(references)), tf.RaggedTensor.from_row_lengths(flat, lengths)]
    return {name: tf.data.Dataset.from_tensor_slices(tuple(column)) for name, column in columns.items()}
