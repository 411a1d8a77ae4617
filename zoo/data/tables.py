"""Tables of a person's own: CSV, and files separated by semicolons, tabs or bars. Nothing here needs TensorFlow."""

import contextlib
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.data.own_files import LINE_END, line_number, read_text
from zoo.errors import ZooError
from zoo.names import quoted

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
TABBED = (".tsv", ".tab")


class Row(NamedTuple):
    """What a table says of one example."""

    line: int  # that it begins in
    text: str
    label: str


class _Record(NamedTuple):
    line: int
    source: str  # its lines as they stand in the file, if there are several
    fields: list[str]


def read_table(path: Path, *, text_column: str, label_column: str) -> list[Row]:
    """Reads two columns of a table with a header line, or refuses it: no row is lost, and none is cut elsewhere than meant.

    What separates the fields is what separates the names in the header. In a file separated by tabs a quote is a character
    like others, and each line is a row; in others a field in double quotes may hold separators and line ends, and a quote in
    it is doubled (RFC 4180).

    Args:
        path: a file in UTF-8, or in UTF-16 with a byte order mark.
        text_column, label_column: names of the columns.

    Raises:
        ZooError: if the file cannot be read, lacks a column, has rows of another number of fields than the header, or has a
            quote that is not closed; with the numbers of the lines.
    """
    if text_column == label_column:
        raise ZooError(f"The texts and the labels cannot both be in the column {text_column!r}.")
    text = read_text(path)
    if not text.strip():
        raise ZooError(f"{path} is empty; its first line should name the columns, {text_column!r} and {label_column!r}.")
    with _long_fields():
        separator = _separator(path, text, (text_column, label_column))
        header, *records = _records(path, text, separator)
    names = _names(header)
    rows, wrong = [], []
    for record in records:
        if len(record.fields) == len(names):
            rows.append(record)
        else:
            wrong.append(record)
    if wrong:
        raise ZooError(_wrong_width(path, wrong, len(names), separator))
    at_text, at_label = names.index(text_column), names.index(label_column)
    _check_quotes(path, rows, separator, at_label)
    return [Row(row.line, row.fields[at_text], row.fields[at_label]) for row in rows]


@contextlib.contextmanager
def _long_fields():
    """Python's csv refuses fields of more than 131,072 characters, unless the whole process is told otherwise."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _separator(path: Path, text: str, columns: tuple[str, str]) -> str:
    """The character that separates a header with these columns; `ZooError` says what the header has where none does."""
    found = {}
    for separator in sorted(SEPARATORS, key=lambda one: (one == "\t") != (path.suffix.lower() in TABBED)):
        try:
            names = _names(next(_records(path, text, separator)))
        except ZooError:  # quotes that are none where another character separates
            continue
        if set(columns) <= set(names):
            if twice := [column for column in columns if names.count(column) > 1]:
                raise ZooError(f"{path} has {names.count(twice[0])} columns {twice[0]!r}; name the one to read otherwise.")
            return separator
        found[separator] = names
    if not found:
        next(_records(path, text, ","))  # says where the quote is
    separator, names = max(found.items(), key=lambda item: len(item[1]))
    missing = next(column for column in columns if column not in names)
    seen = ", ".join(map(quoted, names[:10])) + ", ..." * (len(names) > 10)
    if len(names) == 1:
        how = "one column, since no comma, semicolon, tab or bar separates its first line"
    else:
        how = f"its first line, read with a {SEPARATORS[separator]} between them, names the columns"
    raise ZooError(f"{path} has no column {missing!r}; it has {seen} ({how}).")


def _names(header: _Record) -> list[str]:
    return [" ".join(name.split()) for name in header.fields]


def _records(path: Path, text: str, separator: str) -> Iterator[_Record]:
    """The records of a table that are not blank, the header first."""
    taken: list[str] = []

    def lines():
        for line in io.StringIO(text, newline=""):  # ends at \n, \r\n and \r, and keeps them
            taken.append(line)
            yield line

    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(lines(), delimiter=separator, quoting=quoting, strict=True)
    while True:
        begin = reader.line_num + 1
        taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ZooError(_open_quote(path, begin, "".join(taken), separator)) from error
        if len(fields) > 1 or "".join(taken).strip():
            yield _Record(begin, "".join(taken) if len(taken) > 1 else "", fields)


def _open_quote(path: Path, begin: int, source: str, separator: str) -> str:
    """Where the quote is that the strict reader stumbled over, in a record that begins in a line."""
    closed = r'"[^"]*(?:""[^"]*)*"'
    whole = re.compile(rf'(?:{closed}|[^"{separator}\r\n][^{separator}\r\n]*)?{re.escape(separator)}')
    at = 0
    while match := whole.match(source, at):
        at = match.end()
    line = begin - 1 + line_number(source[:at])
    message = f"Line {line} of {path} opens a quote, {quoted(source[at : at + 60])}, that "
    if not (field := re.compile(closed).match(source, at)):
        return message + "is never closed."
    end = begin - 1 + line_number(source[: field.end()])
    after = quoted(LINE_END.split(source[field.end() :])[0], 20)
    return (
        message
        + f'line {end} closes in the middle of a field, before {after}. A quote inside of a quoted field is doubled ("").'
    )


def _wrong_width(path: Path, wrong: list[_Record], width: int, separator: str) -> str:
    fields = len(wrong[0].fields)
    message = f"Line {wrong[0].line} of {path} has {fields} field{'s' * (fields != 1)}, the header has {width}"
    if others := [str(record.line) for record in wrong[1:]]:
        lines = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        message += f"; {len(others):,} more line{'s' * (len(others) > 1)} ({lines}) did not fit either"
    if separator == "\t":
        return f"{message}. Where tabs separate, each line is a row, and a text has neither tab nor line end."
    return f"{message}. A text with a {SEPARATORS[separator]} or a line end in it must be in double quotes."


def _check_quotes(path: Path, rows: list[_Record], separator: str, at_label: int) -> None:
    """Refuses a field of several lines that are rows of their own: a quote that was never closed has met another one."""
    labels = {row.fields[at_label] for row in rows if not row.source} - {""}

    def label(line):
        fields = line.split(separator)
        return fields[at_label].strip('"') if len(fields) == len(rows[0].fields) else None

    for row in rows:
        if row.source:
            first, *between, last = LINE_END.split(row.source.rstrip("\r\n"))
            if {label(first), label(last)} <= labels and {label(line) for line in between} <= labels | {""}:
                raise ZooError(
                    f"Line {row.line} of {path} opens a quote, {quoted(first, 60)}, that takes in whole rows up to line"
                    f" {row.line + len(between) + 1}. Close it, or double it where it is part of a text that is in quotes."
                )
