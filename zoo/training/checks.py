"""Whether data fit a task, asked before anything is trained: kinds of examples, and the names and numbers of classes."""

import numpy as np
import tensorflow as tf

from zoo.artefacts import lineage
from zoo.data.labels import renumbered
from zoo.data.splits import Splits
from zoo.errors import ZooError
from zoo.tasks import Monitor

FIRST = 16  # examples that are looked into; data with a bad one here and there are trained on all the same


def fitting(task, data) -> dict[str, tf.data.Dataset]:
    """The splits "train" and "validation", class numbers in the order of the task's labels.

    Raises:
        ZooError: if the data are none for the task.
    """
    if not isinstance(data, Splits):
        raise ZooError(f"fit takes data as zoo.data.Splits (train, validation and test), not {type(data).__name__}.")
    monitor = getattr(task, "monitor", None)
    if not isinstance(monitor, Monitor):
        raise ZooError(f'{type(task).__name__}.monitor is a zoo.Monitor, such as Monitor("accuracy"), not {monitor!r}.')
    parts = {"train": data.train, "validation": data.validation}
    for name, examples in parts.items():
        _check_kind(task, name, examples.element_spec)
        values = [example[0] for example in examples.take(FIRST).as_numpy_iterator()]
        errors = task.unreadable(values) if task.takes else []
        if errors and all(errors):
            raise ZooError(
                f"{type(task).__name__} takes {_shown(task.takes)}, and cannot read any of the first {len(values)} {name} "
                f"examples: {errors[0]}; the first begins with {values[0][:12]!r}."
            )
    advice = _advice(task, data) if task.labels else ""
    fitted = {name: renumbered(examples, data.labels, task.labels, advice) for name, examples in parts.items()}
    for name, examples in parts.items() if task.labels else ():
        numbers = np.concatenate(list(examples.map(lambda *example: example[-1]).batch(1024).as_numpy_iterator()))
        if numbers.min() < 0 or numbers.max() >= len(task.labels):
            raise ZooError(
                f"The {name} examples have class numbers from {numbers.min()} to {numbers.max()}; those of the data's "
                f"{len(task.labels)} classes are 0 to {len(task.labels) - 1}."
            )
    return fitted


def _advice(task, data) -> str:
    """How to get a model with the data's classes."""
    if not data.labels:
        return f"Say what the numbers stand for: Splits(..., labels={task.labels!r}), in the order of the data's numbers."
    labels = tuple(map(str, data.labels))
    if set(labels) < set(task.labels):
        missing = tuple(label for label in task.labels if label not in labels)
        return f"A class without examples has a name all the same: Splits(..., labels={labels + missing!r})."
    known = lineage.of(task.model)
    head = f"zoo.create_model({task.model.built_by.name!r}, num_classes={len(data.labels)}, "
    if known is None or known.directory is None:
        return f"Give a task of {head}...) these labels."
    name = known.name if known.directory.name.isdigit() else str(known.directory)
    return (
        f"zoo.load_task({name!r}, labels={labels!r}) keeps all that is below the head and makes one for them of what it knows "
        f"(--from {name} of a recipe), as does {head}weights={name!r})."
    )


def _check_kind(task, name: str, given) -> None:
    """Compares what a split gives, an `element_spec`, with what the task takes."""
    wanted = task.takes
    if not wanted:
        return
    fits = isinstance(given, tuple) and len(given) == len(wanted)
    if not (fits and all(map(_is_kind, given, wanted.values()))):
        shown = [_kind(part) for part in given] if isinstance(given, tuple) else [_kind(given)]
        raise ZooError(
            f"{type(task).__name__} takes unbatched examples {_shown(wanted)}; the {name} split has ({', '.join(shown)})."
        )


def _is_kind(given, wanted: tf.TensorSpec) -> bool:
    """Whether a component is of a kind: text, whole numbers or numbers, of that shape."""
    if not isinstance(given, tf.TensorSpec) or not wanted.shape.is_compatible_with(given.shape):
        return False
    if wanted.dtype.is_floating:
        return given.dtype.is_floating or given.dtype.is_integer
    return given.dtype == wanted.dtype or (wanted.dtype.is_integer and given.dtype.is_integer)


def _shown(takes: dict) -> str:
    return f"({', '.join(f'{name} {_kind(spec)}' for name, spec in takes.items())})"


def _kind(spec) -> str:
    """A component in words, such as "float32 [?, 2]"."""
    if not isinstance(spec, tf.TensorSpec):
        return type(spec).__name__ if not isinstance(spec, dict) else f"a dict of {', '.join(map(str, spec))}"
    if spec.shape.rank is None:
        return f"{spec.dtype.name} of any shape"
    sizes = ", ".join("?" if size is None else str(size) for size in spec.shape)
    return f"{spec.dtype.name} [{sizes}]" if sizes else spec.dtype.name
