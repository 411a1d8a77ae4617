"""Between lines of a shell and what `Model.predict` takes and gives."""

import json
import os
import sys
from pathlib import Path

from zoo.errors import ZooError


def lines(inputs: list[str], file: Path | None) -> list[str]:
    """The inputs that were given, else the lines of a file, else those of standard input."""
    if file and inputs:
        raise ZooError("Give either inputs or --file, not both.")
    if inputs:
        return inputs
    try:
        content = file.read_text(encoding="utf-8") if file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ZooError(f"{file or 'standard input'} cannot be read as UTF-8 text: {error}.") from error
    return content.removesuffix("\n").split("\n") if content else []


def raw_input(line: str, names):
    """A line as `Model.predict` takes it, for a signature with these inputs: name → dtype and shape as text."""
    if len(names) == 1:
        ((name, what),) = names.items()
        if not what.startswith("string"):
            return _numbers(line)
        return _path(line) if name.endswith("_bytes") else line
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        wanted = ", ".join(f'"{name}": ...' for name in sorted(names))
        raise ZooError(f"This signature takes JSON objects {{{wanted}}}, not {line!r}.")
    is_path = {name: name.endswith("_bytes") and isinstance(value, str) for name, value in values.items()}
    return {name: _path(value) if is_path[name] else value for name, value in values.items()}


def _numbers(line: str) -> list:
    try:
        values = json.loads(line)
    except ValueError:
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
