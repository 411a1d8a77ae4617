"""Scores of an artefact on raw test examples: each function takes a loaded `Model` and a test split, and gives named scores."""

import json
import math
import re
from collections import Counter
from statistics import NormalDist

import numpy as np
from rich.progress import track

# Numbers of words (split at white space) that separate the bands of the breakdown by length.
LENGTH_BANDS = (100, 200, 400)

# Hochreiter & Schmidhuber 1997 (experiment 4) count a sequence as right if the error is below.
TOLERANCE = 0.04


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


class Scores(dict):
    """Name → score, and of a classifier `confusion`: how often each class was taken for each, as a card has it."""

    confusion: list[dict] = ()


def accuracy(model, test) -> Scores:
    """Share of test examples whose `label` is right; for texts also of each path alone, and by the length of the text.

    Args:
        model: from `zoo.load`, with outputs `label` and, for the calibration error, `probabilities`; where it has a signature
            `parts`, each output of it is scored too.
        test: `tf.data.Dataset` of (text or content of a file, label number), unbatched.

    Returns:
        Name → score as `proportion` gives it, "accuracy" first; "calibration error" as `calibration_error` gives it, the lower
        the better.
    """
    names = model.card["labels"]
    texts, labels = zip(*[(text, int(label)) for text, label in test.as_numpy_iterator()], strict=True)
    order = np.argsort([len(text) for text in texts])  # equal lengths together: less padding
    truth = np.array(labels)[order]
    hits, answered, sure = {"accuracy": []}, [], []
    for start in track(range(0, len(order), 64), description="Scoring"):
        rows = order[start : start + 64]
        batch = [texts[row] for row in rows]
        expected = truth[start : start + 64]
        answers = model.predict(batch, batch_size=64)
        hits["accuracy"] += [answer["label"] == names[label] for answer, label in zip(answers, expected, strict=True)]
        answered += [answer["label"] for answer in answers]
        sure += [max(answer["probabilities"]) for answer in answers if "probabilities" in answer]
        if "parts" in model.signatures:
            for answer, label in zip(model.predict(batch, signature="parts", batch_size=64), expected, strict=True):
                for part, probabilities in answer.items():
                    hits.setdefault(f"accuracy, {part} alone", []).append(int(np.argmax(probabilities)) == label)
    scores = Scores({name: proportion(np.array(values)) for name, values in hits.items()})
    scores.confusion = confusion([names[label] for label in truth], answered, names)
    if sure:
        scores["calibration error"] = calibration_error(sure, hits["accuracy"])
    if "text" not in model.card["signatures"]["serving_default"]["inputs"]:
        return scores
    words = np.array([len(texts[row].split()) for row in order])
    for low, high in zip((0, *LENGTH_BANDS), (*LENGTH_BANDS, 10**9), strict=True):
        inside = (words > low) & (words <= high)
        if inside.any():
            band = f"over {low} words" if high == 10**9 else f"{low + 1} to {high} words"
            for name in ("accuracy", "accuracy, recurrent alone"):
                if name in hits:
                    scores[f"{name}, {band}"] = proportion(np.array(hits[name])[inside])
    return scores


def confusion(truths, answers, names) -> list[dict]:
    """How often each class was taken for each, of the pairs that occur, in the order of the classes' names.

    Args:
        truths, answers: names, [N] each; an answer that is none, as of a file that cannot be read, is "".
        names: of the classes.

    Returns:
        A list of {"truth", "answer", "count"}.
    """
    order = {name: number for number, name in enumerate((*names, ""))}
    counts = Counter(zip(truths, answers, strict=True))
    pairs = sorted(counts, key=lambda pair: [order.get(name, len(order)) for name in pair])
    return [{"truth": truth, "answer": answer, "count": counts[truth, answer]} for truth, answer in pairs]


def calibration_error(sure, right, bins: int = 10) -> dict:
    """How far a model's confidence and its share of right answers are apart: the expected calibration error.

    Args:
        sure: the probability of each answer, [N].
        right: whether it is right, bool [N].
        bins: of equal width, over which the distance is averaged by the number of answers in them.

    Returns:
        A score as of `proportion`, 0 the best; its interval is bootstrapped (1,000 samples, percentiles), and what the samples
        are too high on the average, as they are for this measure, is taken off.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    sure, right = np.array(sure, float), np.array(right, float)
    bin_of, n = np.minimum((sure * bins).astype(int), bins - 1), len(sure)

    def error(weights):
        return np.abs(np.bincount(bin_of, weights * (sure - right), bins)).sum() / n

    value, random = error(np.ones(n)), np.random.default_rng(12345)
    samples = [error(np.bincount(random.integers(0, n, n), minlength=n)) for _ in range(1000)]
    low, high = np.percentile(samples, (2.5, 97.5)) - (np.mean(samples) - value)
    return {"value": float(value), "low": float(max(low, 0)), "high": float(high), "n": n}


def translation(model, test) -> dict[str, dict]:
    """BLEU and chrF of a translator's answers, with beam search and greedy, and how often the next token is right.

    Args:
        model: from `zoo.load`, with signatures `serving_default`, `greedy` and `score`.
        test: `tf.data.Dataset` of (text, references [R]), unbatched.

    Returns:
        Name → score, "BLEU" first: 0 to 100, cased, by sacreBLEU, with its signature. "right to the letter" is the share of
        the answers that are one of their references: what counts where these are no languages. "token accuracy" is the
        share of the first references' tokens that are the likeliest when those before them are given.

    Source: Post 2018, "A Call for Clarity in Reporting BLEU Scores"; Popović 2015 for chrF.
    """
    from sacrebleu.metrics import BLEU, CHRF

    texts, references = zip(*[(text, list(refs)) for text, refs in test.as_numpy_iterator()], strict=True)
    columns = _columns(references)
    given, greedy = (
        [answer["translation"] for answer in answers_of(model, texts, name)] for name in ("serving_default", "greedy")
    )
    scores = bleu(given, references) | _sacre("chrF", CHRF(), given, columns)
    scores |= _sacre("BLEU, greedy", BLEU(), greedy, columns)
    exact = [answer.encode() in refs for answer, refs in zip(given, references, strict=True)]
    scores["right to the letter"] = proportion(np.array(exact))
    return scores | token_accuracy(model, texts, [refs[0] for refs in references], "translation")


def token_accuracy(model, texts, truths, name: str) -> dict[str, dict]:
    """How often the next token of the truth is the likeliest one when those before it are given.

    Args:
        model: from `zoo.load`, with a signature `score`.
        texts, truths: [N] each.
        name: of the input of `score` that takes the truths.

    Returns:
        {"token accuracy": score}.
    """
    pairs = [{"text": text, name: truth} for text, truth in zip(texts, truths, strict=True)]
    counts = []
    for start in track(range(0, len(pairs), 64), description="Scoring"):
        counts += [
            (row["right"], row["tokens"]) for row in model.predict(pairs[start : start + 64], signature="score", batch_size=64)
        ]
    right, tokens = (sum(column) for column in zip(*counts, strict=True))
    return {"token accuracy": proportion(np.arange(tokens) < right)}


def bleu(answers, references) -> dict[str, dict]:
    """BLEU of texts, 0 to 100, cased, by sacreBLEU, with its signature.

    Args:
        answers: texts, [N].
        references: texts or bytes, one or several for each answer, [N][R].

    Returns:
        {"BLEU": score}.
    """
    from sacrebleu.metrics import BLEU

    return _sacre("BLEU", BLEU(), answers, _columns(references))


def captioning(model, test) -> dict[str, dict]:
    """BLEU-1 to BLEU-4 of a captioner's answers, and BLEU-4 of the same answers beside other images.

    Args:
        model: from `zoo.load`, with an output `caption`.
        test: `tf.data.Dataset` of (content of a file, references [R]), unbatched.

    Returns:
        Name → score, "BLEU-4" first: 0 to 1, in lower case and without punctuation on both sides as is usual for captions,
        words split at spaces; by sacreBLEU, with its signature.
    """
    from sacrebleu.metrics import BLEU

    files, references = zip(*test.as_numpy_iterator(), strict=True)
    references = [[_plain(text.decode()) for text in texts] for texts in references]
    captions = [_plain(answer["caption"]) for answer in answers_of(model, files, "serving_default")]
    shuffled = [*references[1:], references[0]]

    def bleu(order):
        return BLEU(max_ngram_order=order, tokenize="none")

    scores = {}
    for order in (4, 3, 2, 1):
        scores |= _sacre(f"BLEU-{order}", bleu(order), captions, _columns(references), scale=100)
    scores |= _sacre("BLEU-4 on shuffled images", bleu(4), captions, _columns(shuffled), scale=100)
    return scores


def regression(model, test) -> dict[str, dict]:
    """Mean squared error, R² and the share of answers within 0.04 of the truth.

    Args:
        model: from `zoo.load`, with an output `value` [targets].
        test: `tf.data.Dataset` of (series, value float [targets]), unbatched.

    Returns:
        Name → score, as `regression_scores` gives them.
    """
    series, values = zip(*test.as_numpy_iterator(), strict=True)
    answers = []
    for start in track(range(0, len(series), 64), description="Scoring"):
        answers += [answer["value"] for answer in model.predict(series[start : start + 64], batch_size=64)]
    return regression_scores(values, answers)


def regression_scores(values, answers) -> dict[str, dict]:
    """Scores of numbers against the truth.

    Args:
        values: the truth, float [N, targets].
        answers: float [N, targets].

    Returns:
        Name → score, "mean squared error" first, the lower the better: the mean over examples and targets. "R²" is the mean
        of the targets'. The third is the share of examples all targets of which are within `TOLERANCE`. The intervals of the
        first two are bootstrapped (1,000 samples, percentiles).
    """
    values = np.array(values, float)
    errors = np.array(answers, float) - values

    def scores(rows):
        squares, part = errors[rows] ** 2, values[rows]
        variance = np.mean((part - part.mean(axis=0)) ** 2, axis=0)
        return squares.mean(), np.mean(1 - squares.mean(axis=0) / np.maximum(variance, 1e-12))

    found = bootstrapped(("mean squared error", "R²"), scores, len(values))
    return found | {f"share within {TOLERANCE}": proportion((np.abs(errors) < TOLERANCE).all(axis=1))}


def bootstrapped(names, scores, n: int) -> dict[str, dict]:
    """Scores of n examples with their 95 % intervals, from 1,000 samples of the examples (percentiles).

    Args:
        names: of the scores.
        scores: rows, a slice or int [n] → a number for each name.
        n: how many examples there are.

    Returns:
        Name → score, as of `proportion`.
    """
    random = np.random.default_rng(12345)
    samples = [scores(random.integers(0, n, n)) for _ in range(1000)]
    bounds = np.percentile(samples, (2.5, 97.5), axis=0).T
    return {
        name: {"value": float(value), "low": float(low), "high": float(high), "n": n}
        for name, value, (low, high) in zip(names, scores(slice(None)), bounds, strict=True)
    }


def _plain(caption: str) -> str:
    """As `zoo.models.image_captioner.plain` has it, for a model of whatever origin."""
    return " ".join(re.sub(r"[^\w']+|_", " ", caption.lower()).split())


def answers_of(model, inputs, signature: str) -> list[dict]:
    """Answers of a model to raw inputs, [N], asked for in the order of their lengths: less padding."""
    order = sorted(range(len(inputs)), key=lambda row: len(inputs[row]))
    found = [None] * len(inputs)
    for start in track(range(0, len(order), 64), description=f"Answering ({signature})"):
        rows = order[start : start + 64]
        for row, answer in zip(rows, model.predict([inputs[r] for r in rows], signature=signature, batch_size=64), strict=True):
            found[row] = answer
    return found


def _columns(references):
    """References of each answer → sacreBLEU's lists of the first ones, the second ones, ..., None where there are fewer."""
    texts = [[text.decode() if isinstance(text, bytes) else text for text in refs] for refs in references]
    return [[refs[i] if i < len(refs) else None for refs in texts] for i in range(max(map(len, texts)))]


def _sacre(name, metric, answers, columns, scale=1) -> dict[str, dict]:
    """A score of sacreBLEU with its bootstrapped 95 % interval (Koehn 2004; 1,000 samples, seed 12345)."""
    interval = None
    try:
        result = metric.corpus_score(answers, columns, n_bootstrap=1000)
    except TypeError:  # sacreBLEU 2.6 has no mean of samples some of which have nothing right at all
        result, interval = metric.corpus_score(answers, columns), _resampled(metric, answers, columns)
    signature = str(metric.get_signature())  # it is known now
    # JSON is the one public way to the interval
    found = json.loads(result.format(width=12, signature=signature, is_json=True))
    if interval is None:  # nor is there one where all samples have 0
        middle, half = found.get("confidence_mean", 0.0), found.get("confidence_var", 0.0)
        interval = middle - half, middle + half
    values = dict(zip(("value", "low", "high"), (found["score"], *interval), strict=True))
    score = {key: value / scale for key, value in values.items()}
    return {name: score | {"n": len(answers), "signature": signature}}


def _resampled(metric, answers, columns, samples: int = 100) -> tuple[float, float]:
    """The interval that 95 of 100 samples of the answers have their score in, by sacreBLEU one after the other."""
    random, scores = np.random.default_rng(12345), []
    for _ in range(samples):
        rows = random.integers(0, len(answers), len(answers))
        chosen = [[column[row] for row in rows] for column in columns]
        scores.append(metric.corpus_score([answers[row] for row in rows], chosen).score)
    low, high = np.percentile(scores, (2.5, 97.5))
    return float(low), float(high)
