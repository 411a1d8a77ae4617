"""ROUGE of a summarizer's answers, by the package rouge-score: the words and pairs of words shared with the true summaries."""

from importlib import metadata

import numpy as np

from zoo import metrics
from zoo.errors import ZooError

KINDS = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}


def summaries(model, test) -> dict[str, dict]:
    """ROUGE of a summarizer's answers, with beam search and greedy, and how often the next token is right.

    Args:
        model: from `zoo.load`, with signatures `serving_default`, `greedy` and `score`.
        test: `tf.data.Dataset` of (text, references [R]), unbatched.

    Returns:
        Name → score, "ROUGE-1" first, see `rouge`; "token accuracy" of the first references, see `zoo.metrics`.

    Raises:
        ZooError: see `rouge`.
    """
    texts, references = zip(*[(text, [ref.decode() for ref in refs]) for text, refs in test.as_numpy_iterator()], strict=True)
    scores, greedy = (
        rouge([answer["summary"] for answer in metrics.answers_of(model, texts, signature)], references)
        for signature in ("serving_default", "greedy")
    )
    scores |= {f"{name}, greedy": score for name, score in greedy.items()}
    return scores | metrics.token_accuracy(model, texts, [refs[0] for refs in references], "summary")


def rouge(answers, references) -> dict[str, dict]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of texts: the mean of F1, 0 to 100, words in lower case and stemmed.

    Args:
        answers: texts, [N].
        references: texts, one or several for each answer, [N][R]; of several the best counts.

    Returns:
        Name → score with its bootstrapped 95 % interval (1,000 samples, percentiles), and the package's version.

    Raises:
        ZooError: if the package is not installed.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    counter = scorer()
    found = [counter.score_multi(refs, answer) for refs, answer in zip(references, answers, strict=True)]
    values = 100 * np.array([[each[kind].fmeasure for kind in KINDS.values()] for each in found])
    scores = metrics.bootstrapped(KINDS, lambda rows: values[rows].mean(axis=0), len(values))
    signature = f"rouge-score {metadata.version('rouge-score')}, F1, stemmed"
    return {name: score | {"signature": signature} for name, score in scores.items()}


def scorer():
    """What counts the words, of the package; raises `ZooError` if it is not installed."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ZooError("ROUGE is measured by the package rouge-score: pip install 'sequence-zoo[summaries]'.") from error
    return RougeScorer(list(KINDS.values()), use_stemmer=True)
