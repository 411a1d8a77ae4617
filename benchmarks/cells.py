"""The same recipe with each cell, at the same budget: one row a run, from the cards, by the length of the review.

    for cell in lstm gru rnn transformer; do python recipes/imdb_sentiment.py --data-dir DIR --cell $cell; done
    python benchmarks/cells.py runs/imdb_sentiment/*        # the four runs

The columns by length are of the recurrent part (or transformer) alone. Writes results/imdb_cells.csv.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from table import write

from zoo.artefacts import card

ALONE = "accuracy, recurrent alone"


@dataclass(frozen=True)
class Options:
    """Which runs."""

    # Directories of finished runs or of artefacts.
    runs: tyro.conf.Positional[tuple[Path, ...]]


def row(run: Path) -> dict:
    """What the table says of one run."""
    facts = card.read(run / "artefact" if (run / "artefact").is_dir() else run)
    scores = {name: f"{score['value']:.4f}" for name, score in facts["scores"].items()}
    bands = {name.removeprefix(f"{ALONE}, "): value for name, value in scores.items() if name.startswith(f"{ALONE}, ")}
    return {
        "cell": facts["task"]["arguments"]["cell"],
        "window": facts["task"]["arguments"]["window"],
        "both paths": scores["accuracy"],
        "alone": scores[ALONE],
        **bands,
        "parameters": facts["parameters"],
        "epochs": facts["run"]["epochs"],
        "minutes": round(facts["run"]["seconds"] / 60, 1),
        "command": facts["run"]["command"],
    }


def main(options: Options):
    """Prints the table as Markdown and writes it."""
    rows = sorted((row(run) for run in options.runs), key=lambda row: row["alone"], reverse=True)
    write("imdb_cells", rows)


if __name__ == "__main__":
    main(tyro.cli(Options))
