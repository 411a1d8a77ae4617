"""E-mails with their subject lines: AESLC, made of Enron's, and a built-in sample."""

import tensorflow as tf

from zoo.data import drawn_emails
from zoo.data.found import load_tfds, sample_splits
from zoo.data.splits import Splits, loader, normalised


@loader
def email_subjects(config) -> Splits:
    """AESLC: bodies of e-mails and their subject lines, the official split.

    Mails of validation whose body is one of test are left out, and those of train whose body is one of either, so that what is
    chosen on validation has not been seen in training and says nothing of test; test itself is whole.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (body, subject line), string scalars; test of (body, references), string [1]. Where the data set cannot be
        had, those of the sample.

    Raises:
        ZooError: see `load_tfds`.

    Source: Zhang & Tetreault 2019, "This Email Could Save Your Life"; through tfds `aeslc`.
    """
    address = "https://github.com/ryanzhumich/AESLC/archive/master.zip"
    names = {name: name for name in ("train", "validation", "test")}
    data = load_tfds("aeslc", config, splits=names, probe=address)
    if data is None:
        parts = {name: _dataset(name, pairs) for name, pairs in drawn_emails.drawn_emails().items()}
        return sample_splits("AESLC's e-mails", drawn_emails.DESCRIPTION, parts)
    # a subject line ends with a newline in validation and test alone
    columns = {name: (data[name]["email_body"], data[name]["subject_line"]) for name in names}
    parts = {
        name: [(body.decode(), subject.decode().strip()) for body, subject in zip(*pair, strict=True)]
        for name, pair in columns.items()
    }
    taken, repeated = set(), {}
    for name in ("test", "validation", "train"):
        kept = [pair for pair in parts[name] if normalised(pair[0]) not in taken]
        repeated[name] = len(parts[name]) - len(kept)
        parts[name] = kept
        taken.update(normalised(body) for body, _ in kept)
    return Splits(
        source="real",
        **{name: _dataset(name, pairs) for name, pairs in parts.items()},
        description="AESLC 1.0.0, e-mails of Enron's staff and their subject lines (tfds aeslc), official split; left out:"
        f" {repeated['validation']} mails of validation whose body is in test, and {repeated['train']} of train in either",
        terms="CC BY-NC-SA 4.0, as the authors of AESLC state; mails by the people who wrote them",
    )


def _dataset(name, pairs):
    bodies, subjects = map(list, zip(*pairs, strict=True))
    return tf.data.Dataset.from_tensor_slices((bodies, [[each] for each in subjects] if name == "test" else subjects))
