"""Where the benchmarks keep their tables."""

import csv
from pathlib import Path

RESULTS = Path(__file__).with_name("results")


def read(name: str) -> list[dict]:
    """The rows of results/NAME.csv, as text; none if it is not there."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(name: str, rows: list[dict]) -> None:
    """Writes results/NAME.csv and prints the rows as a Markdown table."""
    path = RESULTS / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"| {' | '.join(rows[0])} |\n{'|---' * len(rows[0])}|")
    for row in rows:
        print(f"| {' | '.join(str(value) for value in row.values())} |")
    print(f"Written: {path}", flush=True)
