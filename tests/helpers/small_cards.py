"""Cards as small as they may be, for artefacts that no test loads, or of which it loads one thing."""

import json

from zoo.artefacts import card as cards
from zoo.artefacts import find

HASH = "0" * 64


def card(**fields) -> dict:
    """A card with a value of the right kind in each field, some of them given."""
    task = {"module": "zoo.models.text_classifier", "class": "TextClassifier", "builder": "text_classifier", "arguments": {}}
    return {
        "name": "some_artefact",
        "summary": "Classifies a text.",
        "mapping": "many_to_one",
        "labels": ["bad", "good"],
        "parameters": 10,
        "bytes": 1000,
        "kernels": {},
        "signatures": {"serving_default": {"inputs": {"text": "string [N]"}, "outputs": {"label": "string [N]"}}},
        "task": task,
        "data": {
            "loader": "imdb_reviews",
            "source": "sample",
            "description": "Made up.",
            "terms": "none",
            "sizes": {"train": 8, "validation": 1, "test": 1},
            "test": "the 1 test example",
            "arguments": {},
        },
        "run": {
            "command": "python recipes/imdb_sentiment.py",
            "config": {},
            "seed": 0,
            "max_steps": None,
            "epochs": 1,
            "monitor": "accuracy",
            "best": 0.5,
            "best_epoch": 1,
            "seconds": 1.0,
            "hardware": "2 CPU cores",
            "date": "2026-11-22",
        },
        "versions": {"tensorflow": "2.21.0"},
        "scores": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 1}},
        "examples": [{"input": "a text", "output": {"label": "good"}}],
        "files": dict.fromkeys(cards.LISTED, HASH),
        **fields,
    }


def write(directory, **fields):
    """Makes a directory with such a card, which lists the files that are there, if any; gives the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    if files := cards.hashes(directory):
        fields = {"files": files, **fields}
    (directory / find.CARD).write_text(json.dumps(card(**fields)), encoding="utf-8")
    return directory


def change(directory, change):
    """Changes the card of an artefact by a function, as whoever made it can; gives the directory."""
    card = json.loads((directory / find.CARD).read_text(encoding="utf-8"))
    change(card)
    (directory / find.CARD).write_text(json.dumps(card), encoding="utf-8")
    return directory
