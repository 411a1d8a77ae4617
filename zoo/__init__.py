"""A model zoo for sequence mappings on Keras 3 / TensorFlow.

Everything is imported on first use, so that `zoo --help` and `zoo list` need no TensorFlow.
"""

import importlib

__version__ = "0.2.0.dev0"

_HOME = {
    # what can be built
    "create_model": "zoo.factory",
    "list_models": "zoo.registry",
    "model_info": "zoo.registry",
    "register_model": "zoo.registry",
    # what is trained
    "Task": "zoo.tasks",
    "Monitor": "zoo.tasks",
    "RunConfig": "zoo.config",
    "fit": "zoo.training",
    "export": "zoo.artefacts.export",
    "publish": "zoo.artefacts.publish",
    "run": "zoo.config",
    # what is used
    "load": "zoo.artefacts.load",
    "Client": "zoo.serving.client",
    "GrpcClient": "zoo.serving.client",
    "load_task": "zoo.artefacts.rebuild",
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


def __getattr__(name):
    if name == "__all__":
        return ["__version__", *_homes()]
    homes = _homes()
    if name not in homes:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    home = homes[name]
    value = importlib.import_module(f"zoo.{name}") if home is None else getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_homes()})


def _homes() -> dict:
    """Public name → its module; the families of tasks are found, not listed."""
    from zoo.registry import families

    return _HOME | families()
