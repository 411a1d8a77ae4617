"""Data sets as raw train / validation / test splits, one file per modality."""

from zoo.data import photos
from zoo.data.adding import adding_problem
from zoo.data.captions import coco_captions, flickr8k
from zoo.data.images import image_folder, mnist
from zoo.data.splits import Splits, stable_bucket
from zoo.data.texts import imdb_reviews, labelled_texts
from zoo.data.translation_variants import with_variants
from zoo.data.translations import sentence_pairs, spanish_english

__all__ = [
    "Splits",
    "adding_problem",
    "coco_captions",
    "flickr8k",
    "image_folder",
    "imdb_reviews",
    "labelled_texts",
    "mnist",
    "photos",
    "sentence_pairs",
    "spanish_english",
    "stable_bucket",
    "with_variants",
]
