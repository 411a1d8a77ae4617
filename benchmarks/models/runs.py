"""Runs of one recipe with different settings: one row a run, from the cards.

    for cell in lstm gru rnn transformer; do python recipes/imdb_sentiment.py --data-dir DIR --cell $cell; done
    python benchmarks/models/runs.py runs/imdb_sentiment/*      # writes results/imdb_cells.csv

    for encoder in convolutional rows; do python recipes/mnist_digits.py --data-dir DIR --encoder $encoder; done
    python benchmarks/models/runs.py runs/mnist_digits/*        # writes results/mnist_encoders.csv

The columns of imdb_cells by length of the review are of the recurrent part (or transformer) alone.
"""

import sys
from pathlib import Path

import tyro

from zoo.artefacts import card

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

ALONE = "accuracy, recurrent alone"


def imdb_row(facts: dict) -> dict:
    """Both paths together, and the recurrent one alone, also by the length of the review."""
    scores = {name: f"{score['value']:.4f}" for name, score in facts["scores"].items()}
    bands = {name.removeprefix(f"{ALONE}, "): value for name, value in scores.items() if name.startswith(f"{ALONE}, ")}
    arguments = facts["task"]["arguments"]
    row = {"cell": arguments["cell"], "window": arguments["window"], "both paths": scores["accuracy"], "alone": scores[ALONE]}
    return row | bands | {"parameters": facts["parameters"], "epochs": facts["run"]["epochs"]}


def mnist_row(facts: dict) -> dict:
    """The same images read by convolutions and, row by row, by a recurrence."""
    config, score = facts["run"]["config"], facts["scores"]["accuracy"]
    encoder = config["encoder"] if config["encoder"] == "convolutional" else f"rows, {config['cell']}"
    row = {"encoder": encoder, "accuracy": card.number(score["value"]), "95 % interval": card.interval(score)}
    return row | {"parameters": facts["parameters"]}


# Recipe → table, what it says of a run, the column that orders it.
TABLES = {"imdb_sentiment": ("imdb_cells", imdb_row, "alone"), "mnist_digits": ("mnist_encoders", mnist_row, "accuracy")}


def main(runs: tyro.conf.Positional[tuple[Path, ...]]):
    """Prints the table of some runs as Markdown and writes it.

    Args:
        runs: Directories of finished runs, or of artefacts, of one recipe.
    """
    cards = [card.read(run / "artefact" if (run / "artefact").is_dir() else run) for run in runs]
    names = {facts["name"] for facts in cards}
    if len(names) != 1 or not names <= TABLES.keys():
        sys.exit(f"error: give runs of one of these recipes: {', '.join(TABLES)}.")
    table, row, order = TABLES[names.pop()]
    last = [{"minutes": round(facts["run"]["seconds"] / 60, 1), "command": facts["run"]["command"]} for facts in cards]
    rows = [row(facts) | more for facts, more in zip(cards, last, strict=True)]
    write(table, sorted(rows, key=lambda row: row[order], reverse=True))


if __name__ == "__main__":
    tyro.cli(main)
