"""Models by name: `create_model` finds the builder, fills in what a configuration or starting weights say, and takes these."""

import dataclasses
from typing import Any

from zoo.artefacts import lineage
from zoo.errors import ZooError
from zoo.registry import BuiltBy, model_info


def create_model(name: str, config=None, *, weights: str | None = None, **arguments: Any):
    """Builds an uncompiled `keras.Model`.

    Args:
        name: a name from `list_models()`.
        config: a recipe's `Config`, or any other dataclass: its fields that are named as arguments of the builder are those
            that are not given here. Its other fields, `weights` among them, count for nothing.
        weights: name or path of an artefact of the same builder to start from. Its own arguments are then the defaults of
            those that are not given. A layer of another shape (a head with another number of classes) stays as
            initialised, and that is printed.
        **arguments: the builder's own; `None` means its default.

    Raises:
        ZooError: for an unknown name or argument, or if the artefact is of another builder or no layer of it fits.
    """
    info = model_info(name)
    if config is not None and (not dataclasses.is_dataclass(config) or isinstance(config, type)):
        raise ZooError(f"create_model takes a configuration, such as a zoo.RunConfig, not {config!r}; name all arguments.")
    fields = {field.name for field in dataclasses.fields(config)} if config is not None else set()
    arguments = {key: getattr(config, key) for key in info.arguments if key in fields} | arguments
    given = {key: value for key, value in arguments.items() if value is not None}
    theirs = lineage.arguments(weights, name) if weights is not None else {}
    unknown = sorted({*arguments, *theirs} - set(info.arguments))
    if unknown:
        known = ", ".join(key if default == "" else f"{key}={default}" for key, default in info.arguments.items())
        raise ZooError(f"{name} takes no argument {', '.join(unknown)}; it takes {known}.")
    arguments = theirs | given
    missing = [key for key, default in info.arguments.items() if default == "" and key not in arguments]
    if missing:
        raise ZooError(f"{name} needs the argument {', '.join(missing)}.")
    model = BuiltBy(name, arguments).build()
    model.lineage = lineage.Lineage(model)
    if weights is not None:
        lineage.restore(model, weights)
        print(model.lineage.describe(model))
    return model
