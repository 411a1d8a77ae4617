"""Cases of `own_data.py`: a few texts of one's own, for which `imdb_sentiment` is gone on from.

The texts are pieces of film reviews of the official test split, which the artefact has not learnt from: too short for it to be
as good as on whole ones.
"""

import random
import re

from own_case import Case, Made, accuracy
from own_texts import TESTED, made

import zoo

ROWS = 500
WORDS = 40  # of a piece


def pieces(data_dir, seed: int) -> dict[int, list[str]]:
    """The ends of test reviews, where they say what they think, shuffled: 0 for negative, 1 for positive → texts."""
    import tensorflow_datasets as tfds

    loaded = tfds.as_numpy(tfds.load("imdb_reviews", split="test", data_dir=data_dir / "tfds", download=False, batch_size=-1))
    found = {0: [], 1: []}
    for text, label in zip(loaded["text"], loaded["label"], strict=True):
        cut = re.sub(r"<[^>]*>", " ", text.decode()).split()[-WORDS:]
        found[int(label)].append(" ".join(cut))
    for texts in found.values():
        random.Random(seed).shuffle(texts)
    return found


def going_on(directory, rows, known=None) -> Made:
    """The case of a table that `imdb_sentiment` is gone on with; `known`: its labels → those of the same meaning, if any."""
    test = rows[ROWS:]

    def score(model, test):
        scores = accuracy(model, test)
        if known and hasattr(model, "card"):  # what the artefact says as it is, by the names that it has
            answers = zoo.load("imdb_sentiment").predict([text for text, _ in test])
            hits = [known[answer["label"]] == label for answer, (_, label) in zip(answers, test, strict=True)]
            scores["accuracy untouched"] = sum(hits) / len(hits)
        return scores

    case = made(directory, rows[:ROWS], test, score)
    return case._replace(flags=[*case.flags, "--from", "imdb_sentiment"])


def two(negative: str, positive: str):
    """Two classes, whatever their names."""

    def make(directory, data_dir, seed):
        found, half = pieces(data_dir, seed), (ROWS + TESTED) // 2
        rows = [(text, name) for sentiment, name in enumerate((negative, positive)) for text in found[sentiment][:half]]
        random.Random(seed).shuffle(rows)
        return going_on(directory, rows, {"negative": negative, "positive": positive})

    return make


def three(directory, data_dir, seed):
    """Two pieces side by side: both of negative reviews, both of positive ones, or one of each, in either order."""
    found = pieces(data_dir, seed)
    kinds = [("negative", (0, 0)), ("mixed", (0, 1)), ("positive", (1, 1))]
    kinds += [("negative", (0, 0)), ("mixed", (1, 0)), ("positive", (1, 1))]
    rows = []
    for number in range(ROWS + TESTED):
        name, sentiments = kinds[number % len(kinds)]
        rows.append((" ".join(found[sentiment].pop() for sentiment in sentiments), name))
    random.Random(seed).shuffle(rows)
    return going_on(directory, rows)


GONE_ON = {"accuracy": 0.845, "calibration error": 0.08}
CASES = (
    Case("going on: its own two classes", "imdb_sentiment", two("negative", "positive"), GONE_ON),
    # sorted by name they are in the other order
    Case("going on: two classes renamed", "imdb_sentiment", two("poor", "good"), GONE_ON),
    Case("going on: three classes", "imdb_sentiment", three, {"accuracy": 0.62, "calibration error": 0.08}),
)
