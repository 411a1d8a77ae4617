"""Which weight of the n-gram path is best on validation: the table behind the default of `--ngram-weight`.

    python recipes/imdb_sentiment.py --data-dir DIR
    python recipes/imdb_sentiment.py --data-dir DIR --cell gru
    python benchmarks/models/ngram_weight.py RUN RUN --data-dir DIR               # the two runs; a minute

Every run is scored on the fold it did not train on, through its artefact's signature `parts`; test plays no role.
Writes results/ngram_weight.csv.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tyro

import zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)


def accuracies(run: Path, data_dir) -> dict:
    """Accuracy of a run on its own validation fold, by weight."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]
    fold = config["validation_fold"]
    reviews = zoo.data.imdb_reviews(zoo.RunConfig(data="real", data_dir=data_dir), validation_fold=fold)
    texts, labels = zip(*[(text, int(label)) for text, label in reviews.validation.as_numpy_iterator()], strict=True)
    answers = zoo.load(run / "artefact").predict(texts, signature="parts", batch_size=64)
    recurrent, ngrams = (
        np.array([np.diff(np.log(np.maximum(answer[part], 1e-12)))[0] for answer in answers])
        for part in ("recurrent", "ngrams")
    )
    margins = {"recurrent alone": recurrent, "n-grams alone": ngrams}
    margins |= {f"weight {weight}": recurrent + weight * ngrams for weight in WEIGHTS}
    truth = np.array(labels) == 1
    scores = {name: f"{np.mean((margin > 0) == truth):.4f}" for name, margin in margins.items()}
    return {"cell": config["cell"], "fold": fold, "examples": len(texts), **scores}


def main(runs: tyro.conf.Positional[tuple[Path, ...]], data_dir: Path | None = None):
    """Prints and writes one row a run.

    Args:
        runs: Directories of finished runs, of any fold or cell.
        data_dir: Directory of prepared data, with tfds/ below it.
    """
    write("ngram_weight", [accuracies(run, data_dir) for run in runs])


if __name__ == "__main__":
    tyro.cli(main)
