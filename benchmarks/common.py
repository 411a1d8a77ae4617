"""What all benchmarks share: their tables, calls that take turns, and the machine's name. No TensorFlow."""

import csv
import io
import math
import os
import platform
import re
import statistics
import time
from pathlib import Path

import zoo
from zoo import config as configs
from zoo import files
from zoo.artefacts import card

RESULTS = Path(__file__).with_name("results")
WARM_UP = 100  # calls; what TensorFlow's executor believes an op to cost settles only after about 90


def read(table: str | Path) -> list[dict[str, str]]:
    """The rows of results/TABLE.csv, or of a path; none if it is not there."""
    path = RESULTS / f"{table}.csv" if isinstance(table, str) else table
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.exists() else []


def read_by(table: str | Path, key: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of a table by the values of some of its columns: what a run that was interrupted need not do again."""
    return {tuple(row[name] for name in key): row for row in read(table)}


def write(table: str | Path, rows, columns=None, *, show: bool = True) -> None:
    """Writes results/TABLE.csv, or a path, in one go: an interrupted run leaves the old table or the new one.

    Args:
        table: name or path.
        rows: dicts; what is not in the columns is left out.
        columns: those of the first row by default.
        show: print the rows as a Markdown table too.
    """
    rows, text = list(rows), io.StringIO()
    columns = list(columns or rows[0])
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = RESULTS / f"{table}.csv" if isinstance(table, str) else table
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text.getvalue())
    if show:
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        lines = [f"| {' | '.join(map(str, line))} |" for line in lines]
        print(lines[0], "|---" * len(columns) + "|", *lines[1:], f"Written: {path}", sep="\n", flush=True)


def take_turns(calls: dict, rounds: int, *, warm_up: int = 3, seconds: float = math.inf, pause: float = 0) -> dict:
    """Milliseconds of calls that take turns: the machine's mood then hits all of them.

    Args:
        calls: name → function without arguments, which returns when all is computed.
        rounds: turns that are counted.
        warm_up: turns before these; in the first ones TensorFlow optimises the graph.
        seconds: ends earlier once these are over, after 5 rounds; after 3 if a call takes over 1.5 s.
        pause: seconds of sleep before each turn, for the threads of the one before to fall asleep (those of OpenMP spin for
            some milliseconds). Short calls are made twice then, the second counts: the caches are as the one before left them.

    Returns:
        Name → list of milliseconds, one a round.
    """
    times = {name: [] for name in calls}
    start, slowest = time.perf_counter(), 0.0
    for index in range(warm_up + rounds):
        if index == warm_up:
            start = time.perf_counter()
        if index - warm_up >= (3 if slowest > 1.5 else 5) and time.perf_counter() - start > seconds:
            break
        for name, call in calls.items():
            time.sleep(pause)
            for _ in range(2 if pause and slowest <= 0.1 else 1):
                before = time.perf_counter()
                call()
                took = time.perf_counter() - before
            slowest = max(slowest, took)
            if index >= warm_up:
                times[name].append(1e3 * took)
    return times


def medians(calls: dict, rounds: int, **options) -> dict[str, float]:
    """The median of each in `take_turns`, in milliseconds."""
    return {name: statistics.median(times) for name, times in take_turns(calls, rounds, **options).items()}


def trained(main, config):
    """The artefact of a finished run of a recipe's `main` with this configuration; trains it where there is none."""
    for path in sorted((config.runs / configs.run_name(config)).glob("*/artefact")):
        if card.read(path)["run"]["config"] == configs.identity(config):
            return zoo.load(path)
    configs.prepare(config)  # so that a run is the same whichever ran before it
    return main(config)


def machine() -> str:
    """The processor, as far as it says, and its cores."""
    cpu = Path("/proc/cpuinfo")
    said = dict(re.findall(r"^(.*\S)\s*: (.*)$", cpu.read_text() if cpu.exists() else "", re.MULTILINE))
    numbers = f" family {said['cpu family']} model {said['model']}" if "cpu family" in said else ""
    return f"{said.get('model name', platform.machine())}{numbers}, {os.cpu_count()} cores"
