"""Where the benchmarks write their tables."""

import csv
from pathlib import Path


def write(name: str, rows: list[dict]) -> None:
    """Writes results/NAME.csv and prints the rows as a Markdown table."""
    path = Path(__file__).with_name("results") / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"| {' | '.join(rows[0])} |\n{'|---' * len(rows[0])}|")
    for row in rows:
        print(f"| {' | '.join(str(value) for value in row.values())} |")
    print(f"Written: {path}", flush=True)
