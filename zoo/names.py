"""Names and texts that come from others: what may become a path, and what may be shown."""

import os
import re
import unicodedata
from pathlib import Path

from zoo.errors import ZooError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_VERSION = re.compile("[0-9]{1,40}")  # str.isdigit takes "²" and "١٢" too
# What a terminal obeys instead of showing it, but for the ends of lines and fields; what turns the direction of writing, so
# that a text reads otherwise than it is; and halves of characters, which no file can hold.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def valid_name(name) -> bool:
    """Whether something can be the name of an artefact or a run: what is below a root stays below it, on every system."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name, what: str) -> str:
    """A name that is valid, or a `ZooError` that begins with what it is the name of."""
    if not valid_name(name):
        rule = "a name has at most 100 letters a to z, digits, _, - and ., and begins with a letter, a digit or _"
        raise ZooError(f"{what} cannot be {printable(repr(name)[:120])}: {rule}.")
    return name


def name_for_file(path) -> str:
    """A name for what is made of a person's own file or folder: "my_reviews" of "Reviews.csv"; "" where none can be made."""
    letters = unicodedata.normalize("NFKD", Path(path).stem).encode("ascii", "ignore").decode().lower()
    word = re.sub("[^a-z0-9]+", "_", letters).strip("_").removeprefix("my_")
    return f"my_{word}"[:100] if word else ""


def version_number(name: str) -> int | None:
    """The number of a version's directory, or None if that is not the name of one.

    As in TensorFlow Serving: decimal digits that fit into 64 bits, zeros before them or not ("00000123" is version 123).
    """
    return int(name) if _VERSION.fullmatch(name) and int(name) < 2**63 else None


def printable(text: str) -> str:
    r"""A text of unknown origin for a terminal: what is not shown but obeyed is written as `\u001b`; newline and tab stay."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(path) -> str:
    """A path as text that can be printed anywhere: bytes that are not UTF-8, and line ends, as escapes."""
    text = str(os.fspath(path))
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def quoted(text: str, most: int = 40) -> str:
    """A text in quotes as a message can show it: cut, on one line, and with nothing that a terminal would obey."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")
