"""`splice_junctions` on all ten folds, and a linear model of the letter at each position beside it, on the same folds.

    python benchmarks/models/splice_junctions.py --data-dir DIR        # about 10 minutes; needs the extra [benchmark]

Each fold is the recipe with `--fold`: finished runs below runs/splice_junctions/ are taken as they are, so the study can be
interrupted. The score of a fold is that of the run's artefact on the examples that it has not seen. The linear model is trained
on what the recipe trains and validates on, with scikit-learn's defaults. Writes results/splice_junctions.csv.
"""

import sys
from pathlib import Path

import numpy as np
import tyro
from sklearn.linear_model import LogisticRegression

import zoo
from zoo.data.dna import FOLDS

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))  # before this directory, whose file has the same name
import splice_junctions as recipe
from common import trained, write

LETTERS = list("ACGT")


def positions(dataset):
    """A split as one-hot letters, float [N, 60 × 4], and classes [N]; a letter that stands for several is none of them."""
    sequences, classes = zip(*dataset.as_numpy_iterator(), strict=True)
    letters = np.array([list(sequence.decode()) for sequence in sequences])
    return (letters[..., None] == LETTERS).reshape(len(letters), -1).astype(float), np.array(classes)


def main(data_dir: Path | None = None, runs: Path = Path("runs")):
    """Trains what is missing, scores all folds, and writes the table.

    Args:
        data_dir: Directory of prepared data, with raw/splice below it.
        runs: Where runs are kept.
    """
    rows = []
    for fold in range(FOLDS):
        config = recipe.Config(data="real", data_dir=data_dir, runs=runs, fold=fold)
        splits = zoo.data.splice_junctions(config, fold=fold)
        linear = LogisticRegression(max_iter=1_000).fit(*positions(splits.train.concatenate(splits.validation)))
        score = trained(recipe.main, config).card["scores"]["accuracy"]
        row = {"fold": fold, "test examples": score["n"], "zoo": score["value"]}
        rows.append(row | {"linear": linear.score(*positions(splits.test))})
        print(rows[-1], flush=True)
    mean = {name: np.mean([row[name] for row in rows]) for name in ("zoo", "linear")}
    rows.append({"fold": "mean", "test examples": sum(row["test examples"] for row in rows), **mean})
    write("splice_junctions", [row | {name: f"{row[name]:.4f}" for name in mean} for row in rows])


if __name__ == "__main__":
    tyro.cli(main)
