"""One epoch of the IMDB recipe as shipped, with the zoo's recurrent layers and with those of stock Keras; compiling included.

    python benchmarks/models/imdb_epoch.py --data-dir DIR        # about 15 minutes

All else is the same: data, batches, n-gram path, optimiser, seed. Runs alternate; the median is compared. Writes
results/imdb_epoch_cpu.csv.
"""

import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path
from unittest import mock

import keras
import tyro

import zoo
from zoo import config as configs
from zoo.layers import stack

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))
import imdb_sentiment
from common import write

STOCK = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}


def epoch(config, layers):
    """The run of one epoch with the given layer classes."""
    with mock.patch.dict(stack.CELLS, layers), mock.patch.object(zoo, "export", lambda task, run, **_: run):
        configs.prepare(config)
        return imdb_sentiment.main(config)


def main(data_dir: Path | None = None, repeats: int = 3, cell: str = "lstm", max_steps: int | None = None):
    """Times both, and writes the table.

    Args:
        data_dir: Directory of prepared data, with tfds/ below it.
        repeats: Runs of each kind.
        cell: The recurrent layers.
        max_steps: End an epoch early, to try this out.
    """
    rows, kinds = [], {"zoo": {}, "stock Keras": STOCK}
    with tempfile.TemporaryDirectory() as directory:
        config = imdb_sentiment.Config(data="real", data_dir=data_dir, epochs=1, cell=cell, max_steps=max_steps)
        runs = {name: [] for name in kinds}
        for repeat in range(repeats):
            for name, layers in kinds.items():
                place = Path(directory) / name / str(repeat)
                runs[name].append(epoch(dataclasses.replace(config, runs=place), layers))
        seconds = {name: statistics.median(run.seconds for run in runs[name]) for name in kinds}
        for name in kinds:
            rows.append(
                {
                    "layers": name,
                    "cell": cell,
                    "seconds": round(seconds[name], 1),
                    "of each run": " ".join(f"{run.seconds:.1f}" for run in runs[name]),
                    "ratio": round(seconds["stock Keras"] / seconds[name], 2),
                    "validation loss": f"{runs[name][0].log[0]['val_loss']:.4f}",
                }
            )
    write("imdb_epoch_cpu", rows)


if __name__ == "__main__":
    tyro.cli(main)
