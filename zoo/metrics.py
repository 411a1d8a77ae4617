"""Scores of an artefact on raw test examples: each function takes a loaded `Model` and a test split, and gives named scores."""

import math
from statistics import NormalDist

import numpy as np
from rich.progress import track

# Numbers of words (split at white space) that separate the bands of the breakdown by length.
LENGTH_BANDS = (100, 200, 400)


def proportion(hits) -> dict:
    """A share with its 95 % interval (Wilson 1927).

    Args:
        hits: bool array [N].

    Returns:
        {"value", "low", "high", "n"}.
    """
    n, value, z = len(hits), float(np.mean(hits)), NormalDist().inv_cdf(0.975)
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return {"value": value, "low": centre - half, "high": centre + half, "n": n}


def accuracy(model, test) -> dict[str, dict]:
    """Share of test texts whose `label` is right; also of each path alone, and by the length of the text.

    Args:
        model: from `zoo.load`, with an output `label`; where it has a signature `parts`, each output of it is scored too.
        test: `tf.data.Dataset` of (text, label number), unbatched.

    Returns:
        Name → score as `proportion` gives it, "accuracy" first.
    """
    names = model.card["labels"]
    texts, labels = zip(*[(text, int(label)) for text, label in test.as_numpy_iterator()], strict=True)
    order = np.argsort([len(text) for text in texts])  # equal lengths together: less padding
    truth = np.array(labels)[order]
    hits = {"accuracy": []}
    for start in track(range(0, len(order), 64), description="Scoring"):
        rows = order[start : start + 64]
        batch = [texts[row] for row in rows]
        expected = truth[start : start + 64]
        answers = model.predict(batch, batch_size=64)
        hits["accuracy"] += [answer["label"] == names[label] for answer, label in zip(answers, expected, strict=True)]
        if "parts" in model.signatures:
            for answer, label in zip(model.predict(batch, signature="parts", batch_size=64), expected, strict=True):
                for part, probabilities in answer.items():
                    hits.setdefault(f"accuracy, {part} alone", []).append(int(np.argmax(probabilities)) == label)
    words = np.array([len(texts[row].split()) for row in order])
    scores = {name: proportion(np.array(values)) for name, values in hits.items()}
    for low, high in zip((0, *LENGTH_BANDS), (*LENGTH_BANDS, 10**9), strict=True):
        inside = (words > low) & (words <= high)
        if inside.any():
            band = f"over {low} words" if high == 10**9 else f"{low + 1} to {high} words"
            for name in ("accuracy", "accuracy, recurrent alone"):
                if name in hits:
                    scores[f"{name}, {band}"] = proportion(np.array(hits[name])[inside])
    return scores
