"""What a case of `own_data.py` is: a person's data, a recipe's flags that name them, and what is asked of the model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.metrics import calibration_error


class Made(NamedTuple):
    """The data of one case and seed, written to files."""

    flags: list[str]  # of the recipe: they name the files, and say nothing else
    test: Sequence  # raw inputs with their truth, apart from what the files hold
    score: Callable[[object, Sequence], dict[str, float]]  # (loaded artefact, test) → score by name
    alternative: Callable[[], dict[str, float]]  # trains and scores what a person would pick instead; {} where there is none


class Case(NamedTuple):
    """A kind of data, and the least that the model has to reach on it."""

    name: str
    recipe: str
    make: Callable[[Path, Path, int], Made]  # (directory to write to, prepared data, seed)
    at_least: dict[str, float]  # score → target; "MB" is the size of the artefact, at most, "calibration error" too
    seeds: int = 3  # where a run takes under a minute


def accuracy(model, test) -> dict[str, float]:
    """Share of right labels, and the expected calibration error in ten bins of confidence."""
    inputs, truths = zip(*test, strict=True)
    answers = model.predict(list(inputs), batch_size=64)
    sure = [max(answer["probabilities"]) for answer in answers]
    right = [answer["label"] == truth for answer, truth in zip(answers, truths, strict=True)]
    return {"accuracy": sum(right) / len(right), "calibration error": calibration_error(sure, right)["value"]}
