"""Who learns the adding problem, and how far back: the recipe for each cell and length, side by side.

    python benchmarks/models/vanishing_gradients.py           # 2 CPU cores: about 90 minutes
    python benchmarks/models/vanishing_gradients.py --lengths 50 --cells gru rnn

It can be interrupted: finished runs below runs/vanishing_gradients/ are taken as they are, one that is not goes on from its
last epoch. All have the same data, batches and seed. The scores are on validation; the norms of the gradients are of the
model as it began, and of the best weights. Writes results/adding_problem.csv, and the pictures
results/adding_problem_learning_curves.png and results/adding_problem_gradient_flow.png.
"""

import sys
from pathlib import Path
from typing import Literal

import tyro

import zoo
from zoo import config as configs
from zoo.plots import gradient_flow, learning_curves

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))  # before this directory, whose file has the same name
import vanishing_gradients as recipe
from common import RESULTS, read, trained, write

# Mean squared error below which a run counts as having learnt it; who answers 1 always has 1/6.
LEARNT = 0.01


def norms(model, config):
    """Norms of the gradient [T] by lag, of the model as it began and as it is in the artefact."""
    series, sums = next(_validation(config).batch(100).as_numpy_iterator())
    task = zoo.load_task(model.directory)
    configs.prepare(config)
    fresh = zoo.create_model("series_regressor", **model.card["task"]["arguments"])
    both = [zoo.gradient_flow(one, (series, sums), loss=task.losses()) for one in (fresh, task.model)]
    return [one[f"{config.cell}_0"] for one in both]


def scores(model, config) -> dict:
    """The scores of an artefact on validation."""
    answer = model.signatures["serving_default"]
    parts = [(sums, answer(series=series)["value"]) for series, sums in _validation(config).batch(50)]
    sums, answers = ([value for part in parts for value in part[side].numpy()] for side in (0, 1))
    return {name: f"{score['value']:.4g}" for name, score in zoo.metrics.regression_scores(sums, answers).items()}


def _validation(config):
    sizes = {"train": config.examples, "validation": config.examples // 10, "test": config.examples // 10}
    return zoo.data.adding_problem(config, length=config.length, **sizes, seed=config.seed).validation


def main(
    lengths: tuple[int, ...] = (50, 200, 600),
    cells: tuple[Literal["rnn", "gru", "lstm"], ...] = ("rnn", "gru", "lstm"),
    examples: int = 20_000,
    epochs: int = 20,
    runs: Path = Path("runs"),
    out: Path = RESULTS,
):
    """Trains what is missing, then writes the table and the pictures.

    Args:
        lengths: Steps of a series.
        cells: The recurrences.
        examples: Training series.
        epochs: Of each run.
        runs: Where runs are kept.
        out: Directory of the table and the pictures.
    """
    rows, curves, flows = [], {}, {"at start": {}, "trained": {}}
    for length in lengths:
        for cell in cells:
            config = recipe.Config(length=length, cell=cell, examples=examples, epochs=epochs, runs=runs)
            model = trained(recipe.main, config)
            log = read(model.directory.parent / "log.csv")
            errors = [float(row["val_loss"]) for row in log]
            reached = [row["epoch"] for row, error in zip(log, errors, strict=True) if error < LEARNT]
            curves.setdefault(f"{length} steps", {})[cell] = [int(row["step"]) for row in log], errors
            row = {"length": length, "cell": cell, **scores(model, config)}
            row |= {f"epochs to {LEARNT}": reached[0] if reached else "never"}
            row |= {"minutes": f"{model.card['run']['seconds'] / 60:.1f}"}
            for when, values in zip(flows, norms(model, config), strict=True):
                flows[when].setdefault(f"{length} steps, {when}", {})[cell] = values
                row[f"factor {when}"] = f"{zoo.gradients.factor_per_step(values):.4f}"
            rows.append(row)
            write(out / "adding_problem.csv", rows)
    baseline = {"measure": "mean squared error on validation", "baseline": 1 / 6, "baseline_name": "always 1 (1/6)"}
    learning_curves(curves, out / "adding_problem_learning_curves.png", **baseline)
    panels = {title: lines for part in flows.values() for title, lines in part.items()}
    gradient_flow(panels, out / "adding_problem_gradient_flow.png", columns=len(lengths))


if __name__ == "__main__":
    tyro.cli(main)
