"""The same images read by convolutions and, row by row, by a recurrence: one row a run, from the cards.

    python recipes/mnist_digits.py --data-dir DIR
    python recipes/mnist_digits.py --data-dir DIR --encoder rows
    python benchmarks/digits.py runs/mnist_digits/*        # the two runs

Writes results/mnist_encoders.csv.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from table import write

from zoo.artefacts import card


@dataclass(frozen=True)
class Options:
    """Which runs."""

    # Directories of finished runs or of artefacts.
    runs: tyro.conf.Positional[tuple[Path, ...]]


def row(run: Path) -> dict:
    """What the table says of one run."""
    facts = card.read(run / "artefact" if (run / "artefact").is_dir() else run)
    config, score = facts["run"]["config"], facts["scores"]["accuracy"]
    return {
        "encoder": config["encoder"] if config["encoder"] == "convolutional" else f"rows, {config['cell']}",
        "accuracy": card.number(score["value"]),
        "95 % interval": card.interval(score),
        "parameters": facts["parameters"],
        "minutes": round(facts["run"]["seconds"] / 60, 1),
        "command": facts["run"]["command"],
    }


def main(options: Options):
    """Prints the table as Markdown and writes it."""
    write("mnist_encoders", sorted((row(run) for run in options.runs), key=lambda row: row["accuracy"], reverse=True))


if __name__ == "__main__":
    main(tyro.cli(Options))
