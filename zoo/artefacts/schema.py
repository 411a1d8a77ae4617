"""The shape of a card: which fields there are, and what each may hold. A card is data that anybody may have written."""

import json
import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from zoo.names import printable, valid_name
from zoo.registry import MAPPINGS

LARGEST = 16 * 2**20  # bytes of a card; its examples may be pictures
DEEPEST = 32  # levels of lists and objects in it
SOURCES = ("real", "sample", "own", "synthetic")


class Kind(NamedTuple):
    """What a value may be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _matches(words: str, pattern: str) -> Kind:
    expression = re.compile(pattern)
    return Kind(words, lambda value: isinstance(value, str) and expression.fullmatch(value) is not None)


def _one_of(choices) -> Kind:
    return Kind(f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices)


def _is_whole(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_inside(value) -> bool:
    """A plain path below the artefact."""
    parts = value.split("/") if isinstance(value, str) else [""]
    return not {"", ".", ".."} & {*parts} and "\\" not in value and PurePosixPath(value).as_posix() == value


def _is_plain(value) -> bool:
    return not isinstance(value, (dict, list))


ANYTHING = Kind("anything", lambda value: True)
TEXT = Kind("a text", lambda value: isinstance(value, str))
LINE = _matches("a text of one line, of at most 200 characters", r"[^\x00-\x1f\x7f-\x9f]{0,200}")
NAME = Kind("a name of letters a to z, digits, _, - and .", valid_name)
WORD = _matches("a name as in Python", r"[A-Za-z_][A-Za-z0-9_]{0,99}")
MODULE = _matches("a module's name as in Python", r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
COUNT = Kind("a whole number, not below 0", lambda value: _is_whole(value) and value >= 0)
WHOLE = Kind("a whole number", _is_whole)
STEPS = Kind("a whole number or null", lambda value: value is None or _is_whole(value))
NUMBER = Kind("a number", lambda value: _is_whole(value) or isinstance(value, float))
ARGUMENT = Kind(  # no object: Keras makes Python objects of some, whose classes those name
    "a text, a number, true, false, null or a list of such",
    lambda value: all(map(_is_plain, value)) if isinstance(value, list) else _is_plain(value),
)
TENSOR = _matches("a type and a shape, such as float32 [N, ?]", r"[a-z0-9_]{1,40} \[[N?0-9, ]{0,200}\]")
PATH = Kind("a path inside the artefact", _is_inside)
HASH = _matches("a SHA-256 in 64 hexadecimal digits", r"[0-9a-f]{64}")


class Each(NamedTuple):
    """An object whose keys are not known beforehand, but for some that must be there."""

    key: Kind
    value: Any
    needed: tuple[str, ...] = ()


class Optional(NamedTuple):
    """A field that may be left out."""

    value: Any


TENSORS = Each(LINE, TENSOR)
SCORES = Each(LINE, {"value": NUMBER, "low": NUMBER, "high": NUMBER, "n": COUNT, "signature": Optional(LINE)})
# An object stands for one with at least these fields, a list for a list of such items.
CARD = {
    "name": NAME,
    "summary": TEXT,
    "mapping": _one_of(MAPPINGS),
    "labels": [TEXT],
    "parameters": COUNT,
    "bytes": COUNT,
    "kernels": Each(WORD, COUNT),
    "signatures": Each(LINE, {"inputs": TENSORS, "outputs": TENSORS}, needed=("serving_default",)),
    "task": {"module": MODULE, "class": WORD, "builder": WORD, "arguments": Each(WORD, ARGUMENT)},
    "data": {
        "loader": WORD,
        "source": _one_of(SOURCES),
        "description": TEXT,
        "terms": TEXT,
        "test": TEXT,
        "sizes": Each(WORD, COUNT),
        "arguments": Each(WORD, ARGUMENT),
    },
    "run": {
        "command": TEXT,
        "config": Each(TEXT, ANYTHING),
        "began_with": Optional(LINE),
        "seed": WHOLE,
        "max_steps": STEPS,
        "epochs": COUNT,
        "monitor": LINE,
        "best": NUMBER,
        "best_epoch": COUNT,
        "seconds": NUMBER,
        "hardware": LINE,
        "date": LINE,
    },
    "versions": Each(WORD, LINE),
    "scores": SCORES,
    # what else was scored by the first of them, on the same examples
    "baselines": Optional(SCORES),
    # how often each class was taken for each, of those pairs that occur; an answer that was none is ""
    "confusion": Optional([{"truth": TEXT, "answer": TEXT, "count": COUNT}]),
    "examples": [{"input": ANYTHING, "output": Each(LINE, ANYTHING)}],
    "pictures": Optional(Each(LINE, PATH)),
    "files": Each(PATH, HASH),
}


def parse(text: str) -> dict:
    """A card from JSON.

    Raises:
        ValueError: if it is no JSON, or not that of a card; the message names the first field that is wrong.
    """
    try:
        card = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_values(card)
    _check(card, CARD, "")
    return card


def _without_doubles(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):  # readers differ in which one they take
        names = [key for key, _ in pairs]
        raise ValueError(f"the field {_quoted(next(name for name in names if names.count(name) > 1))} is there twice")
    return found


def _no_number(word: str):
    raise ValueError(f"{word} is no number in JSON")


def _check_values(card) -> None:
    """Refuses, at any place, what cannot be shown, written or counted with."""
    values = [(card, 0)]
    while values:
        value, depth = values.pop()
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(value, dict):
            values += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            values += [(part, depth + 1) for part in value]
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"the text {_quoted(value)} holds half a character") from error
        elif isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError(f"the number {str(value)[:20]}... is too large")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("a number is too large")


def _check(value, wanted, place: str) -> None:
    """Compares a value with what the schema wants at a place, such as `scores.accuracy.`; the message names it."""
    if isinstance(wanted, Kind):
        if not wanted.fits(value):
            raise ValueError(f"{_place(place)} must be {wanted.words}, not {_quoted(value)}")
    elif isinstance(wanted, list):
        if not isinstance(value, list):
            raise ValueError(f"{_place(place)} must be a list, not {_quoted(value)}")
        for index, item in enumerate(value):
            _check(item, wanted[0], f"{place}{index}.")
    elif not isinstance(value, dict):
        raise ValueError(f"{_place(place)} must be an object, not {_quoted(value)}")
    elif isinstance(wanted, Each):
        if missing := [key for key in wanted.needed if key not in value]:
            raise ValueError(f"the field {_place(f'{place}{missing[0]}.')} is missing")
        for key, item in value.items():
            if not wanted.key.fits(key):
                raise ValueError(f"a key of {_place(place)} must be {wanted.key.words}, not {_quoted(key)}")
            _check(item, wanted.value, f"{place}{key}.")
    else:
        for key, kind in wanted.items():
            if key in value:
                _check(value[key], kind.value if isinstance(kind, Optional) else kind, f"{place}{key}.")
            elif not isinstance(kind, Optional):
                raise ValueError(f"the field {_place(f'{place}{key}.')} is missing")


def _place(place: str) -> str:
    return repr(place.removesuffix(".")) if place else "a card"


def _quoted(value) -> str:
    """A value as JSON, so much of it as fits into a line."""
    text = printable(json.dumps(value, ensure_ascii=False) if isinstance(value, (str, int, float, type(None))) else "")
    if not text:
        return {dict: "an object", list: "a list"}[type(value)]
    return text if len(text) <= 60 else f"{text[:57]}..."
