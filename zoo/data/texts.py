"""Labelled texts: IMDB's film reviews, their built-in sample, and a person's own from a table."""

from pathlib import Path

from zoo.data import film_reviews
from zoo.data.found import load_tfds, sample_splits
from zoo.data.own_files import own_path
from zoo.data.report import Report, class_lines, clean_label, sorted_labels
from zoo.data.splits import Splits, check_sizes, cut_classes, loader, normalised, stable_bucket
from zoo.data.tables import read_table
from zoo.errors import ZooError


@loader
def imdb_reviews(config, *, validation_fold: int = 0) -> Splits:
    """IMDB film reviews, 25,000 to train on and 25,000 to test on, labelled negative (0) or positive (1).

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.
        validation_fold: which tenth of the official training split is the validation split, 0 to 9 (by a stable hash, so that
            equal reviews stay together).

    Returns:
        `Splits` of (text, label): string and int64 scalars. Where the data set cannot be had, those of the sample.

    Raises:
        ZooError: see `load_tfds`; or if there is no such tenth.

    Source: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"; through tfds `imdb_reviews/plain_text`.
    """
    if validation_fold not in range(10):
        raise ZooError(f"validation_fold is one of the tenths 0 to 9, not {validation_fold}.")
    data = load_tfds(
        "imdb_reviews",
        config,
        splits={"train": "train", "test": "test"},
        probe="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    )
    labels = ("negative", "positive")
    if data is None:
        parts = {name: _dataset(*zip(*pairs, strict=True)) for name, pairs in film_reviews.film_reviews().items()}
        return sample_splits("IMDB", film_reviews.DESCRIPTION, parts, labels)
    texts, sentiments = data["train"]["text"], data["train"]["label"]
    folds = [stable_bucket(text.decode(), 10) for text in texts]
    rows = {
        "train": [row for row, fold in enumerate(folds) if fold != validation_fold],
        "validation": [row for row, fold in enumerate(folds) if fold == validation_fold],
    }
    return Splits(
        source="real",
        **{name: _dataset(texts[kept], sentiments[kept]) for name, kept in rows.items()},
        test=_dataset(data["test"]["text"], data["test"]["label"]),
        description=f"IMDB film reviews, official split (tfds imdb_reviews 1.0.0); tenth {validation_fold} of train validates",
        terms="licence not stated by the authors, who ask for a citation of Maas et al. 2011; reviews belong to their writers",
        labels=labels,
    )


@loader
def labelled_texts(config, *, path: Path, text_column: str = "text", label_column: str = "label") -> Splits:
    """A person's own labelled texts from a table with a header line: CSV, or separated by semicolons, tabs or bars.

    Four fifths are trained on, a tenth each validates and tests, by a stable hash of the text; every class is trained on.
    Rows without a text or a label are left out. What was left out, what is odd and how large the classes are is printed.

    Args:
        config: a `RunConfig`, as every loader takes; nothing of it counts here.
        path: the file, see `read_table`.
        text_column: name of the column with the text.
        label_column: name of the column with the label; every distinct value is a class.

    Returns:
        `Splits` of (text, label number); `labels` holds the classes, sorted: numbers by value.

    Raises:
        ZooError: see `read_table`; or if there are fewer than two classes or too few examples to cut splits off.
    """
    path = own_path(path)
    report = Report(path.name, "rows")
    texts, names, seen = [], [], {}
    for line, text, label in read_table(path, text_column=text_column, label_column=label_column):
        label = clean_label(label)
        if not (text.strip() and label):
            why = "without a label" if text.strip() else "without a text" if label else "with neither text nor label"
            report.leave_out(why, line)
            continue
        texts.append(text)
        names.append(label)
        if (key := normalised(text)) in seen:
            report.remark(f"text of an earlier row, with {'the same' if seen[key] == label else 'another'} label", line)
        seen.setdefault(key, label)
    labels = sorted_labels(names)
    if len(labels) < 2:
        raise ZooError(
            f"Column {label_column!r} of {path} has {len(labels)} distinct label(s); a classifier needs two"
            f" ({report.summary(len(texts))})."
        )
    if len(labels) == len(texts):
        raise ZooError(
            f"Column {label_column!r} of {path} has another label in each of {len(texts):,} rows: there are too few examples"
            " of a class to learn from, or it is not the column with the labels."
        )
    number = {label: index for index, label in enumerate(labels)}
    classes = [number[name] for name in names]
    split_of, put_back = cut_classes(texts, classes)
    parts = {"train": [], "validation": [], "test": []}
    for part, *example in zip(split_of, texts, classes, strict=True):
        parts[part].append(example)
    report.print(len(texts), class_lines(labels, {name: [row[1] for row in part] for name, part in parts.items()}, put_back))
    check_sizes({name: len(part) for name, part in parts.items()})
    return Splits(
        source="own",
        **{name: _dataset(*zip(*part, strict=True)) for name, part in parts.items()},
        description=f"{len(texts):,} labelled texts from {path.name}; a stable hash of the text cut them 8 : 1 : 1",
        terms="those of the file's owner",
        labels=labels,
    )


def _dataset(texts, labels):
    import tensorflow as tf  # not before a person's own file has been read

    texts = tf.constant(texts, tf.string) if len(texts) else tf.zeros([0], tf.string)
    return tf.data.Dataset.from_tensor_slices((texts, tf.constant(labels, tf.int64, shape=[len(labels)])))
