"""Labelled texts: IMDB's film reviews, their built-in sample, and a person's own from a CSV file."""

import csv
from pathlib import Path

import tensorflow as tf

from zoo.data import film_reviews
from zoo.data.splits import Splits, load_tfds, sample_splits, stable_bucket
from zoo.errors import ZooError


def imdb_reviews(config) -> Splits:
    """IMDB film reviews, 25,000 to train on and 25,000 to test on, labelled negative (0) or positive (1).

    Args:
        config: a `RunConfig`; if it has `validation_fold`, that tenth of the official training split is the validation
            split (by a stable hash, so that equal reviews stay together), else tenth 0.

    Returns:
        `Splits` of (text, label): string and int64 scalars. Where the data set cannot be had, those of the sample.

    Raises:
        ZooError: see `load_tfds`.

    Source: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"; through tfds `imdb_reviews/plain_text`.
    """
    data = load_tfds(
        "imdb_reviews",
        config,
        splits={"train": "train", "test": "test"},
        probe="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    )
    labels = ("negative", "positive")
    if data is None:
        parts = {name: _dataset(*zip(*pairs, strict=True)) for name, pairs in film_reviews.film_reviews().items()}
        return sample_splits("imdb_reviews", "IMDB", film_reviews.DESCRIPTION, parts, labels)
    held_out = getattr(config, "validation_fold", 0)
    texts, sentiments = data["train"]["text"], data["train"]["label"]
    folds = [stable_bucket(text.decode(), 10) for text in texts]
    rows = {
        "train": [row for row, fold in enumerate(folds) if fold != held_out],
        "validation": [row for row, fold in enumerate(folds) if fold == held_out],
    }
    return Splits(
        loader="imdb_reviews",
        source="real",
        **{name: _dataset(texts[kept], sentiments[kept]) for name, kept in rows.items()},
        test=_dataset(data["test"]["text"], data["test"]["label"]),
        description=f"IMDB film reviews, official split (tfds imdb_reviews 1.0.0); tenth {held_out} of train validates",
        terms="licence not stated by the authors, who ask for a citation of Maas et al. 2011; reviews belong to their writers",
        labels=labels,
    )


def labelled_texts(path, *, text_column: str, label_column: str) -> Splits:
    """A person's own labelled texts from a CSV file (`.tsv`: tab-separated) with a header line, in UTF-8.

    Four fifths are trained on, a tenth each validates and tests, by a stable hash of the text.

    Args:
        path: the file.
        text_column: name of the column with the text.
        label_column: name of the column with the label; every distinct value is a class.

    Returns:
        `Splits` of (text, label number); `labels` holds the classes, sorted.

    Raises:
        ZooError: if the file cannot be read, lacks a column, or has fewer than two classes.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            columns = reader.fieldnames or []
            for column in (text_column, label_column):
                if column not in columns:
                    raise ZooError(
                        f"{path} has no column {column!r}; it has {', '.join(map(repr, columns)) or 'no header line'}."
                    )
            rows = [(row[text_column], row[label_column]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ZooError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    rows = [(text, " ".join(label.split())) for text, label in rows if text and label and label.strip()]
    labels = tuple(sorted({label for _, label in rows}))
    if len(labels) < 2:
        raise ZooError(f"Column {label_column!r} of {path} has {len(labels)} distinct label(s); a classifier needs two.")
    parts = {"train": [], "validation": [], "test": []}
    for text, label in rows:
        tenth = stable_bucket(text, 10)
        parts[{0: "test", 1: "validation"}.get(tenth, "train")].append((text, labels.index(label)))
    return Splits(
        loader="labelled_texts",
        source="own",
        **{name: _dataset([text for text, _ in part], [label for _, label in part]) for name, part in parts.items()},
        description=f"{len(rows):,} labelled texts from {path.name}; a stable hash of the text cut them 8 : 1 : 1",
        terms="those of the file's owner",
        labels=labels,
        arguments={"path": str(path.resolve()), "text_column": text_column, "label_column": label_column},
    )


def _dataset(texts, labels) -> tf.data.Dataset:
    texts = tf.constant(texts, tf.string) if len(texts) else tf.zeros([0], tf.string)
    return tf.data.Dataset.from_tensor_slices((texts, tf.constant(labels, tf.int64, shape=[len(texts)])))
