"""Between lines of a shell and what `Model.predict` takes and gives."""

import json
import os
import sys
from pathlib import Path

from zoo.errors import ZooError


def lines(inputs: list[str], file: Path | None) -> list[str]:
    """The inputs that were given, else the lines of a file, else those of standard input; says if there are none.

    Raises:
        ZooError: for both inputs and a file, or for one that cannot be read as UTF-8.
    """
    if file and inputs:
        raise ZooError("Give either inputs or --file, not both.")
    if inputs:
        return inputs
    source = file or "standard input"
    if not file and sys.stdin.isatty():
        print("Reading standard input, one input a line, until Ctrl-D.", file=sys.stderr)
    found = _split(_read(file), source)
    if not found:
        print(f"Nothing to answer: {source} is empty.", file=sys.stderr)
    return found


def _read(file: Path | None) -> bytes:
    try:
        if file:
            return file.read_bytes()
        return sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    except OSError as error:
        raise ZooError(f"{file or 'standard input'} cannot be read: {error.strerror}.") from error


def _split(content: bytes, source) -> list[str]:
    """Lines of a text in UTF-8, with or without a byte order mark."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise ZooError(f"{source} is not UTF-8 text: line {number} has the byte 0x{byte:02x}.") from error
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def raw_input(number: int, line: str, names):
    """A line as `Model.predict` takes it.

    Args:
        number: which input it is, from 1, for messages.
        line: what was given.
        names: of the signature's inputs: name → dtype and shape as text.
    """
    if len(names) == 1:
        ((name, what),) = names.items()
        if not what.startswith("string"):
            return _numbers(line)
        return _path(line) if name.endswith("_bytes") else _text(number, line)
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        wanted = ", ".join(f'"{name}": ...' for name in sorted(names))
        raise ZooError(f"This signature takes JSON objects {{{wanted}}}, not {line!r}.")
    is_path = {name: name.endswith("_bytes") and isinstance(value, str) for name, value in values.items()}
    return {name: _path(value) if is_path[name] else value for name, value in values.items()}


def _text(number: int, line: str) -> str:
    """A text as it is, if it is UTF-8; says if it is empty."""
    try:
        line.encode()
    except UnicodeEncodeError as error:  # how Python passes on bytes of a command line that are no UTF-8
        byte = ord(line[error.start]) & 0xFF
        raise ZooError(f"Input {number} is not UTF-8 text: it has the byte 0x{byte:02x} at {error.start}.") from error
    if not line.strip():
        print(f"Input {number} is empty; it is answered as an empty text.", file=sys.stderr)
    return line


def _numbers(line: str) -> list:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise ZooError(f"This signature takes numbers as a JSON list, such as [[0.5, 1.0], [0.1, 0.0]], not {line!r}.")
    return values


def _path(name: str) -> Path:
    if not os.path.exists(name):
        raise ZooError(f"There is no file {name!r}; this signature takes paths of files.")
    if os.path.isdir(name):
        raise ZooError(f"{name} is a directory; this signature takes paths of files.")
    return Path(name)


def line(answer: dict) -> str:
    """An answer as tab-separated fields, texts first, names of flags that are set last; one with an error as that."""

    def field(value):
        if isinstance(value, list) and value and isinstance(value[0], list):
            return f"({' × '.join(map(str, shape(value)))} numbers)"  # weights of attention, say; --json has them
        if isinstance(value, list):
            return " ".join(field(item) for item in value if item != "")
        return f"{value:.4f}" if isinstance(value, float) else str(value)

    def shape(value):
        return [len(value), *(shape(value[0]) if value else [])] if isinstance(value, list) else []

    if answer.get("error"):
        return f"error: {answer['error']}"
    shown = {name: value for name, value in answer.items() if name != "error" and value is not False}
    # flags come last, by their names, and only those that are set
    order = sorted(shown, key=lambda name: (shown[name] is True, not isinstance(shown[name], str)))
    return "\t".join(name if shown[name] is True else field(shown[name]) for name in order)
