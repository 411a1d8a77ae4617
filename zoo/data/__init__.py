"""Data sets as raw train / validation / test splits, one file per data set or modality: `loader(config, **arguments)`.

Loaders are found, not listed; everything is imported on first use, so that a person's own file is read before TensorFlow is
imported.
"""

import importlib
import importlib.util

from zoo.registry import loaders

# What is no loader: name → module.
_OTHERS = {
    "Splits": "zoo.data.splits",
    "stable_bucket": "zoo.data.splits",
    "class_weights": "zoo.data.labels",
    "with_variants": "zoo.data.translation_variants",
}


def __getattr__(name):
    if name == "__all__":
        return [*_OTHERS, *loaders()]
    home, module = (_OTHERS | loaders()).get(name), f"zoo.data.{name}"
    if home:
        value = getattr(importlib.import_module(home), name)
    elif not name.startswith("_") and importlib.util.find_spec(module):
        value = importlib.import_module(module)
    else:
        raise AttributeError(f"module 'zoo.data' has no attribute {name!r}")
    globals()[name] = value
    return value
