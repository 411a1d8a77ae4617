"""Long texts to foresee: Shakespeare's plays, a built-in sample, and a person's own."""

from pathlib import Path

from zoo.data import drawn_plays
from zoo.data.found import load_tfds, sample_splits
from zoo.data.own_files import own_path, read_text
from zoo.data.splits import Splits, loader
from zoo.errors import ZooError

LEAST = 2_000  # characters, of which a tenth validates and a tenth tests


@loader
def tiny_shakespeare(config) -> Splits:
    """Parts of Shakespeare's plays, 1,115,394 characters: the first 90 % to train on, 5 % to validate and 5 % to test.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (text, part): the text of a split and "". The test split has the last 10 % of the whole text too, as "last
        10 %", which others measure on and of which half has chosen the weights. Where they cannot be had, the sample's.

    Source: Karpathy 2015, char-rnn, `data/tinyshakespeare`; through tfds `tiny_shakespeare`.
    """
    probe = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    splits = {name: name for name in ("train", "validation", "test")}
    data = load_tfds("tiny_shakespeare", config, splits=splits, probe=probe)
    if data is None:
        drawn = {name: _dataset((text, "")) for name, text in drawn_plays.drawn_plays().items()}
        return sample_splits("Shakespeare's plays", drawn_plays.DESCRIPTION, drawn)
    texts = {name: b"".join(part["text"]) for name, part in data.items()}
    tenth = texts["validation"] + texts["test"]
    return Splits(
        source="real",
        train=_dataset((texts["train"], "")),
        validation=_dataset((texts["validation"], "")),
        test=_dataset((texts["test"], ""), (tenth, "last 10 %")),
        description="Parts of Shakespeare's plays, 1,115,394 characters, cut 90 : 5 : 5 (tfds tiny_shakespeare 1.0.0)",
        terms="the plays are in the public domain; char-rnn, from which the file is, says MIT",
    )


@loader
def own_text(config, *, path: Path, others: str = "") -> Splits:
    """A person's own text files: of each the first eight tenths are trained on, the ninth validates, the last tests.

    Args:
        config: a `RunConfig`, as every loader takes; nothing of it counts here.
        path: a file, see `read_text`.
        others: paths of further files, one a line.

    Returns:
        `Splits` of (text, part), the part being "".

    Raises:
        ZooError: see `read_text`; or if a file has too few characters.
    """
    parts = {"train": [], "validation": [], "test": []}
    for file in [own_path(each) for each in (path, *others.splitlines())]:
        text = read_text(file).replace("\r\n", "\n").replace("\r", "\n")
        if len(text.strip()) < LEAST:
            raise ZooError(f"{file} has {len(text.strip()):,} characters; a text to learn from has {LEAST:,} at least.")
        print(f"{file.name}: {len(text):,} characters, {len(set(text)):,} different ones.", flush=True)
        first, second = len(text) * 8 // 10, len(text) * 9 // 10
        for name, part in zip(parts, (text[:first], text[first:second], text[second:]), strict=True):
            parts[name].append((part, ""))
    more = f" and {len(parts['train']) - 1} more files" if others else ""
    return Splits(
        source="own",
        **{name: _dataset(*texts) for name, texts in parts.items()},
        description=f"{Path(path).name}{more}, each cut 8 : 1 : 1 from its start",
        terms="those of the files' owner",
    )


def _dataset(*examples):
    import tensorflow as tf  # not before a person's own file has been read

    texts, parts = zip(*examples, strict=True)
    return tf.data.Dataset.from_tensor_slices((tf.constant(texts, tf.string), tf.constant(parts, tf.string)))
