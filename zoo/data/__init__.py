"""Data sets as raw train / validation / test splits, one file per modality."""

from zoo.data.splits import Splits, stable_bucket
from zoo.data.texts import imdb_reviews, labelled_texts

__all__ = ["Splits", "imdb_reviews", "labelled_texts", "stable_bucket"]
