"""Checks of the arguments that builders have, in one place, so that what is wrong is said in the same words everywhere.

Arguments are given by their names. All raise a `ZooError`.
"""

from zoo.errors import ZooError
from zoo.layers.stack import CELLS


def shared(*, cell, units, layers, dropout):
    """Checks what every builder with a `recurrent_stack` or a decoder takes."""
    one_of(cell=(cell, (*CELLS, "transformer")))
    at_least(units=(units, 1), layers=(layers, 1))
    share(dropout=dropout)


def one_of(**arguments):
    """Checks each (value, what it may be)."""
    for name, (value, choices) in arguments.items():
        if value not in choices:
            raise ZooError(f"{name}={value!r} is not one of {', '.join(choices)}.")


def at_least(**arguments):
    """Checks each (number, the least that it may be); a number may be None, for a default that follows from others."""
    for name, (value, least) in arguments.items():
        if value is not None and value < least:
            raise ZooError(f"{name} must be at least {least}, not {value}.")


def share(**arguments):
    """Checks shares of something that is dropped: numbers from 0 to below 1."""
    for name, value in arguments.items():
        if not 0 <= value < 1:
            raise ZooError(f"{name} must be at least 0 and less than 1, not {value}.")
