"""Handwriting as the path of a pen: many-to-one, UCI's pen digits, a bidirectional recurrence over eight points.

python recipes/pen_digits.py    → 2 busy CPU cores, 21 minutes, accuracy 0.9874 on the official test digits, of other writers
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Trains a classifier of digits that are given as the path of a pen."""

    family: ClassVar[str] = "PathClassifier"

    # What reads the path, point by point.
    cell: Literal["rnn", "gru", "lstm", "transformer"] = "gru"
    # Width of one direction.
    units: int = 128
    # Depth: the second layer reads what the first one made of both directions.
    layers: int = 2
    # Both: a path is there as a whole.
    bidirectional: bool = True
    # Share of features dropped in training.
    dropout: float = 0.2
    # Turn, stretch and slant the training paths a little: 30 writers do not write in all ways.
    augment: bool = True
    # Each sees every digit otherwise; by then validation stands still.
    usual_epochs: ClassVar[int] = 40
    # Digits in a batch.
    batch_size: int = 64
    # Twice the usual: the network is small.
    usual_learning_rate: ClassVar[float] = 2e-3
    # A mean over the last twentieth of the steps does not hang on the last few batches (Polyak & Juditsky 1992).
    average: float = 0.05


def main(config: Config):
    """Data → task → fit → export."""
    digits = zoo.data.pen_digits(config)
    task = zoo.load_task(config.weights, labels=digits.labels) if config.weights else new_task(config, digits)
    run = zoo.fit(task, digits, config)
    return zoo.export(task, run, test=digits.test)


def new_task(config, digits):
    """A classifier of paths with fresh weights."""
    sizes = {"steps": zoo.data.drawn_paths.POINTS, "features": zoo.PathClassifier.FEATURES, "num_classes": len(digits.labels)}
    model = zoo.create_model("sequence_classifier", config, **sizes)
    # drawn, not taken from the data: the card shows them to whoever gets the artefact
    examples = zoo.data.drawn_paths.examples()
    return zoo.PathClassifier(model, digits.labels, examples=examples)


if __name__ == "__main__":
    zoo.run(main)
