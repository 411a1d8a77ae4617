"""`zoo predict`: lines of a shell or a file become raw inputs, and answers become lines and files."""

import json
import os
import sys
from pathlib import Path

from zoo import files
from zoo.artefacts import values
from zoo.errors import ZooError
from zoo.names import quoted, shown


def read(inputs: list[str], file: Path | None) -> list[str]:
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
    found = _split(_content(file), source)
    if not found:
        print(f"Nothing to answer: {source} is empty.", file=sys.stderr)
    return found


def _content(file: Path | None) -> bytes:
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
        return _path(line) if values.is_file(name) else _text(number, line)
    given = _json(line)
    if not isinstance(given, dict):
        wanted = ", ".join(f'"{name}": ...' for name in sorted(names))
        raise ZooError(f"This signature takes JSON objects {{{wanted}}}, not {quoted(line)}.")
    is_path = {name: values.is_file(name) and isinstance(value, str) for name, value in given.items()}
    return {name: _path(value) if is_path[name] else value for name, value in given.items()}


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
    given = _json(line)
    if not isinstance(given, list):
        example = "[[0.5, 1.0], [0.1, 0.0]]"
        raise ZooError(f"This signature takes numbers as a JSON list, such as {example}, not {quoted(line)}.")
    return given


def _json(line: str):
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _path(name: str) -> Path:
    if not os.path.exists(name):
        raise ZooError(f"There is no file {name!r}; this signature takes paths of files.")
    if os.path.isdir(name):
        raise ZooError(f"{name} is a directory; this signature takes paths of files.")
    return Path(name)


def line(answer: dict) -> str:
    """An answer as tab-separated fields, texts first, names of flags that are set last; one with an error as that.

    Of the content of a file there is its size.
    """

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
    said = {name: value for name, value in values.with_sizes(answer).items() if name != "error" and value is not False}
    # flags come last, by their names, and only those that are set
    order = sorted(said, key=lambda name: (said[name] is True, not isinstance(answer[name], str)))
    return "\t".join(name if said[name] is True else field(said[name]) for name in order)


class Out:
    """Where `zoo predict --out` writes the files that a model gives: one file, or files in a directory, named by number.

    Args:
        path: the file, which is replaced if it is there; or a directory that is there, in which nothing is replaced.
        count: how many inputs there are.
        outputs: of the signature: name → dtype and shape as text.

    Raises:
        ZooError: if the signature does not give one file for an input, or there is no such place.
    """

    def __init__(self, path: str, count: int, outputs: dict):
        found = sorted(name for name, what in outputs.items() if values.is_file(name) and what == "string [N]")
        if not found:
            names = ", ".join(sorted(outputs))
            raise ZooError(f"--out writes an output that is the content of a file, such as audio_bytes; this gives {names}.")
        if len(found) > 1:
            raise ZooError(f"--out writes one file for an input; this gives {', '.join(found)}: --json has them in base64.")
        (self.name,) = found
        self._errors = []
        if os.path.isdir(path):
            ending = Path(values.file_name(self.name)).suffix
            self._paths = [Path(path) / f"{number}{ending}" for number in range(1, count + 1)]
            if there := next(filter(os.path.lexists, self._paths), None):  # the user did not name it
                raise ZooError(f"{shown(there)} exists already; nothing was overwritten.")
            return
        parent = path if path.endswith(("/", os.sep)) else os.path.dirname(path) or "."
        if not os.path.isdir(parent):
            raise ZooError(f"{shown(path)} cannot be written: there is no directory {shown(parent)}.")
        if count > 1:
            raise ZooError(f"--out {shown(path)} is one file, and there are {count} inputs; give a directory that is there.")
        self._paths = [Path(path)]

    def write(self, number: int, answer: dict) -> None:
        """Writes the file of an input, by its number from 1, whole or not at all; where there is an error, none."""
        if answer.get("error"):
            self._errors.append(f"input {number}: {answer['error']}")
            return
        path = self._paths[number - 1]
        files.write(path, answer[self.name])
        print(f"File: {shown(path)}", file=sys.stderr)  # beside the answers, which another program may read

    def finish(self) -> None:
        """Raises `ZooError` if there was an input without a file."""
        if self._errors:
            raise ZooError(f"No file was written for {'; '.join(self._errors)}.")
