"""What one would use in place of `pen_digits`: nearest neighbours and a support vector machine, on the same digits.

    python benchmarks/models/pen_digits.py --data-dir DIR        # about a minute; needs the extra [benchmark]

Trained on the official training digits, validation included, as they are; nothing is chosen on the test digits: one neighbour,
as the authors of the data report, and scikit-learn's defaults. The artefact answers the same test digits.
Writes results/pen_digits.csv.
"""

import sys
import time
from pathlib import Path

import numpy as np
import tyro
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

import zoo
from zoo.metrics import proportion

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

PEERS = {
    "nearest neighbour": KNeighborsClassifier(1),
    "support vector machine, RBF": SVC(),
}


def columns(dataset):
    """A split as paths [N, 8, 2] and digits [N]."""
    paths, digits = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.stack(paths), np.array(digits)


def main(data_dir: Path | None = None):
    """Fits and scores the peers, asks the artefact, and writes the table.

    Args:
        data_dir: Directory of prepared data, with raw/pendigits below it.
    """
    digits = zoo.data.pen_digits(zoo.RunConfig(data="real", data_dir=data_dir))
    paths, labels = columns(digits.train.concatenate(digits.validation))
    test, truth = columns(digits.test)
    rows = []

    def add(name, predicted, seconds):
        score = proportion(predicted == truth)
        rows.append({"model": name} | {key: round(score[key], 4) for key in ("value", "low", "high")})
        rows[-1]["seconds"] = round(seconds, 1)

    for name, peer in PEERS.items():
        start = time.perf_counter()
        peer.fit(paths.reshape(len(paths), -1), labels)
        add(name, peer.predict(test.reshape(len(test), -1)), time.perf_counter() - start)
    model = zoo.load("pen_digits")
    start = time.perf_counter()
    answers = [int(answer["label"]) for answer in model.predict(list(test), batch_size=64)]
    add("zoo: pen_digits", np.array(answers), time.perf_counter() - start)
    write("pen_digits", rows)


if __name__ == "__main__":
    tyro.cli(main)
