"""What of a person's own files was read, what was left out and what is odd: shown before anything is trained on them."""

import sys
import unicodedata
from collections import Counter

from zoo.names import quoted

FEW = 3  # examples of a class, one for each split
PLACES, NAMES = 3, 8  # the most that a line of the report shows


class Report:
    """Counts what is left out or odd, by the reason, and keeps where it was seen.

    Args:
        name: of the file or folder.
        things: what it holds, in the plural: "rows".
    """

    def __init__(self, name: str, things: str):
        self._name, self._things = name, things
        self._left_out: dict[str, list] = {}
        self._remarks: dict[str, list] = {}

    def leave_out(self, why: str, place) -> None:
        """Counts one thing that is not used; `place` is the number of its line, or the path of a file."""
        self._left_out.setdefault(why, []).append(place)

    def remark(self, what: str, place) -> None:
        """Counts one thing that is used, and is odd."""
        self._remarks.setdefault(what, []).append(place)

    @property
    def left_out(self) -> int:
        """How many things are not used."""
        return sum(map(len, self._left_out.values()))

    def summary(self, used: int) -> str:
        """How many things were read and, most frequent first, why some are not used."""
        total = used + self.left_out
        things = self._things.removesuffix("s") if total == 1 else self._things
        text = f"read {total:,} {things}, left out {self.left_out:,}"
        reasons = sorted(self._left_out.items(), key=lambda item: -len(item[1]))
        return text + ": " * bool(reasons) + ", ".join(f"{len(places):,} {why} ({_where(places)})" for why, places in reasons)

    def print(self, used: int, more=()) -> None:
        """Prints the summary, what is odd, and more lines."""
        remarks = (f"{what}: {len(places):,} ({_where(places)})" for what, places in self._remarks.items())
        lines = [f"{self._name}: {text}." for text in (self.summary(used), *remarks)]
        encoding = sys.stdout.encoding or "utf-8"  # a label may have letters that the terminal has not
        print("\n".join([*lines, *more]).encode(encoding, "backslashreplace").decode(encoding), flush=True)


def clean_label(label: str) -> str:
    """A label on one line, as an artefact keeps it, however its spaces and accents were written."""
    return " ".join(unicodedata.normalize("NFC", label).split())


def sorted_labels(labels) -> tuple[str, ...]:
    """Distinct labels: numbers by their value, then texts by the alphabet."""

    def key(label):
        number = _number(label)
        return (1, 0.0, label) if number is None else (0, number, label)

    return tuple(sorted(set(labels), key=key))


def class_lines(labels: tuple[str, ...], parts: dict[str, list[int]], put_back=()) -> list[str]:
    """How many examples each class has, and which have too few, as lines to print.

    Args:
        labels: names of the classes.
        parts: split → number of the class of each of its examples.
        put_back: numbers of the classes that would not be trained on by the hash alone, see `cut_classes`.
    """
    counts = Counter(number for part in parts.values() for number in part)
    numbers = sorted(range(len(labels)), key=lambda number: (-counts[number], number))
    lines = [f"{len(labels):,} classes: {_counted(numbers, labels, counts)}."]
    if few := [number for number in numbers if counts[number] < FEW]:
        what = "class has" if len(few) == 1 else "classes have"
        lines.append(f"Warning: {len(few):,} {what} fewer than {FEW} examples: {_counted(few, labels, counts)}.")
    if put_back:
        names = _some([quoted(labels[number]) for number in sorted(put_back)])
        lines.append(f"Kept in train, since the hash had left nothing of the class there: {names}.")
    for name, part in parts.items():
        present = set(part)
        if absent := [label for number, label in enumerate(labels) if number not in present]:
            lines.append(f"Not in {name}: {_some([quoted(label) for label in absent])}.")
    spellings: dict[object, list[str]] = {}
    for label in labels:
        number = _number(label)
        spellings.setdefault(label.casefold() if number is None else number, []).append(quoted(label))
    if alike := [" and ".join(same) for same in spellings.values() if len(same) > 1]:
        lines.append(f"Warning: classes that seem to be spellings of one: {_some(alike)}.")
    return lines


def _number(label: str) -> float | None:
    try:
        # `float` takes "infinity" and "1_000" too, which are words
        return float(label) if set(label) <= set("+-.0123456789eE") else None
    except ValueError:
        return None


def _counted(numbers, labels, counts) -> str:
    texts = [f"{quoted(labels[number])} {counts[number]:,}" for number in numbers]
    if len(texts) > NAMES:
        texts[NAMES // 2 : -NAMES // 2] = ["..."]
    return ", ".join(texts)


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:NAMES] + ["..."] * (len(texts) > NAMES))


def _where(places: list) -> str:
    dots = ", ..." if len(places) > PLACES else ""
    if isinstance(places[0], int):
        return f"line{'s' * (len(places) > 1)} {', '.join(map(str, places[:PLACES]))}{dots}"
    return ", ".join(quoted(str(place), 100) for place in places[:PLACES]) + dots
