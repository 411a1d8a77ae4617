"""Models by name: `create_model` finds the builder, fills in the arguments of starting weights, and takes these."""

from typing import Any

from zoo.artefacts import lineage
from zoo.errors import ZooError
from zoo.registry import BuiltBy, model_info


def create_model(name: str, *, weights: str | None = None, **arguments: Any):
    """Builds an uncompiled `keras.Model`.

    Args:
        name: a name from `list_models()`.
        weights: name or path of an artefact of the same builder to start from. Its own arguments are then the defaults of
            those that are not given. A layer of another shape (a head with another number of classes) stays as
            initialised, and that is printed.
        **arguments: the builder's own; `None` means its default.

    Raises:
        ZooError: for an unknown name or argument, or if the artefact is of another builder or no layer of it fits.
    """
    info = model_info(name)
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
