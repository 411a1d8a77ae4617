"""A model zoo for sequence mappings on Keras 3 / TensorFlow.

Everything is imported on first use, so that `zoo --help` and `zoo list` need no TensorFlow.
"""

import importlib

__version__ = "0.2.0.dev0"

_HOME = {
    # what can be built
    "create_model": "zoo.registry",
    "list_models": "zoo.registry",
    "model_info": "zoo.registry",
    "register_model": "zoo.registry",
    # what is trained
    "Task": "zoo.tasks",
    "ImageClassifier": "zoo.models.image_classifier",
    "SeriesRegressor": "zoo.models.series_regressor",
    "TextClassifier": "zoo.models.text_classifier",
    "ImageCaptioner": "zoo.models.image_captioner",
    "Translator": "zoo.models.sequence_to_sequence",
    "RunConfig": "zoo.config",
    "fit": "zoo.training",
    "export": "zoo.exporting",
    "publish": "zoo.publishing",
    "run": "zoo.config",
    # what is used
    "load": "zoo.loading",
    "Client": "zoo.serving.client",
    "GrpcClient": "zoo.serving.client",
    "load_task": "zoo.tasks",
    "ZooError": "zoo.errors",
    # what is measured
    "gradient_flow": "zoo.gradients",
    # modules
    "data": None,
    "decoding": None,
    "gradients": None,
    "kernels": None,
    "layers": None,
    "metrics": None,
    "plots": None,
    "preprocessing": None,
}

__all__ = ["__version__", *_HOME]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    home = _HOME[name]
    value = importlib.import_module(f"zoo.{name}") if home is None else getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
