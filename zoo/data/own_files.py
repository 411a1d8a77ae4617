"""A person's own files: their path, and their text whatever its encoding. Nothing here needs TensorFlow."""

import codecs
import os
import re
from pathlib import Path

from zoo.errors import ZooError
from zoo.names import quoted

# The four bytes of UTF-32 begin with the two of UTF-16, so they come first.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# What people take for a text file, by its first bytes.
OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the table as CSV in UTF-8",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"PAR1": "a Parquet file; write it as CSV in UTF-8",
}
LINE_END = re.compile(r"\r\n|\r|\n")


def own_path(path) -> Path:
    """A path that a person gave; `ZooError` where it is not in UTF-8: the run's configuration and the card have to name it."""
    path = Path(path)
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError:
        raise ZooError(
            f"The path {quoted(os.path.realpath(path), 200)} is not in UTF-8, and a card has to name it; rename it."
        ) from None
    return path


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark; line ends as they are.

    Raises:
        ZooError: if the file cannot be read, is in another encoding, or is no text; with the number of the line.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    for start, what in OTHERS.items():
        if content.startswith(start):
            raise ZooError(f"{path} is no text but {what}.")
    mark, encoding = next((pair for pair in MARKS.items() if content.startswith(pair[0])), (b"", "utf-8"))
    content = content[len(mark) :]
    if encoding == "utf-8" and b"\0" in content:
        line = line_number(content[: content.index(b"\0")].decode(errors="replace"))
        raise ZooError(f"{path} has a NUL byte in line {line}: it is no text, or in UTF-16 without a byte order mark.")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        seen = f"line {line_number(before)} has the byte 0x{content[error.start]:02x}"
        if after := LINE_END.split(before)[-1]:
            seen += f" after {quoted(after[-20:])}"
        hint = "" if mark else ' In Latin-1 or Windows-1252? "iconv -f WINDOWS-1252 -t UTF-8 FILE" converts it.'
        raise ZooError(f"{path} is not in {encoding.upper()}: {seen}.{hint}") from error
    if "\0" in text:
        raise ZooError(f"{path} has a NUL character in line {line_number(text[: text.index(chr(0))])}: it is no text.")
    return text


def line_number(before: str) -> int:
    """Number of the line that what comes after a text stands in."""
    return len(LINE_END.findall(before)) + 1
