"""How a task declares its signatures: methods with named inputs, from which the warm-up, the card and the servers follow."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

_MARK = "_declared_signature"


class Declared(NamedTuple):
    """What `@signature` or `@shared` says of a method."""

    inputs: Mapping[str, Any]
    needs: str | None
    is_shared: bool


def signature(*, needs: str | None = None, **inputs) -> Callable:
    """Marks a method as a signature: TensorFlow ops from named raw inputs to a dict of tensors [N, ...].

    Args:
        needs: attribute of the task without which, if it is None or false, there is no such signature.
        **inputs: for each input the dtype of its rows, or the `tf.TensorSpec` of one row, or a function of the task that gives
            one. With an option, which has no examples, a tuple of that and the value to try it with.
    """
    return lambda method: _marked(method, Declared(inputs, needs, False))


def shared(**inputs) -> Callable:
    """Marks a method that several signatures call, so that a SavedModel holds it once; inputs as in `signature`."""
    return lambda method: _marked(method, Declared(inputs, None, True))


def _marked(method, declared: Declared):
    setattr(method, _MARK, declared)
    return method


def declared(task) -> dict[str, Declared]:
    """Name → what is declared of the signatures that a task has, in the order of its classes' source."""
    return {
        name: found
        for name, found in _declarations(type(task)).items()
        if not found.is_shared and (found.needs is None or getattr(task, found.needs))
    }


def specs(task, name: str) -> dict[str, tf.TensorSpec]:
    """Name → spec of the inputs of a signature, [N, ...]."""
    return {key: _spec(task, key, value) for key, value in _declarations(type(task))[name].inputs.items()}


def tries(task, name: str) -> dict[str, Any]:
    """Name → the value to try it with, of those inputs of a signature that are options."""
    return {key: value[1] for key, value in _declarations(type(task))[name].inputs.items() if isinstance(value, tuple)}


def functions(task) -> dict[str, tf.types.experimental.GenericFunction]:
    """The signatures of a task as `tf.function`s, traced when they are called or saved."""
    # a copy of the task, so that what signatures share is one function for them, and the task itself has no trace in it
    inside = copy.copy(task)
    for name, found in _declarations(type(task)).items():
        if found.is_shared:
            setattr(inside, name, _function(inside, name))
    return {name: _function(inside, name) for name in declared(task)}


def _function(task, name: str):
    return tf.function(getattr(task, name), input_signature=list(specs(task, name).values()), autograph=False)


def _declarations(family: type) -> dict[str, Declared]:
    found = {}
    for parent in reversed(family.__mro__):
        found |= {name: getattr(method, _MARK) for name, method in vars(parent).items() if hasattr(method, _MARK)}
    return found


def _spec(task, name: str, value) -> tf.TensorSpec:
    value = value[0] if isinstance(value, tuple) else value
    value = value(task) if callable(value) and not isinstance(value, (tf.DType, tf.TensorSpec)) else value
    if isinstance(value, tf.DType):
        value = tf.TensorSpec([], value)
    return tf.TensorSpec([None, *value.shape], value.dtype, name=name)
