"""Data sets as raw train / validation / test splits, one file per modality.

Everything is imported on first use, so that a person's own file is read before TensorFlow is imported.
"""

import importlib

_HOME = {
    "Splits": "splits",
    "adding_problem": "adding",
    "coco_captions": "captions",
    "flickr8k": "captions",
    "image_folder": "images",
    "imdb_reviews": "texts",
    "labelled_texts": "texts",
    "mnist": "images",
    "sentence_pairs": "translations",
    "spanish_english": "translations",
    "stable_bucket": "splits",
    "with_variants": "translation_variants",
    # modules
    "drawn_digits": None,
    "photos": None,
}

__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'zoo.data' has no attribute {name!r}")
    module = importlib.import_module(f"zoo.data.{_HOME[name] or name}")
    value = getattr(module, name) if _HOME[name] else module
    globals()[name] = value
    return value
