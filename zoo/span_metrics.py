"""Scores of spans: exact ones in a text, with their interval, beside those of seqeval over words."""

import numpy as np

from zoo.metrics import answers_of, bootstrapped, proportion


def tagging(model, test) -> dict[str, dict]:
    """F1 of exact spans, of the text as given; where there are intents, how often these are right.

    Args:
        model: from `zoo.load`, with signatures `serving_default` and `entities`.
        test: `tf.data.Dataset` of (text, label [E], start [E], end [E]), unbatched, "" as padding of labels. A fifth component
            is the intent, where the model has one; else the name of the collection that a text is of, each of which is scored
            on its own too.

    Returns:
        Name → score, "span F1" first: type and both ends have to be right; "small letters" is that of the texts without
        capitals. "seqeval F1" is that of words with BIO labels (strict), where a span begins and ends with a word. "sentence
        accuracy" is the share of texts with all right.
    """
    rows = list(test.as_numpy_iterator())
    texts, wanted = [row[0] for row in rows], [spans_of(*row[1:4]) for row in rows]
    last = [row[4].decode() for row in rows] if len(rows[0]) > 4 else None
    spans, words = (answers_of(model, texts, signature) for signature in ("entities", "serving_default"))
    found = _spans(spans)
    counts = _counts(wanted, found)
    scores = f1(counts)
    with_intent = "intent" in words[0]
    if last and not with_intent:
        for name in dict.fromkeys(last):
            scores |= {f"span F1, {name}": f1(counts[[each == name for each in last]])["span F1"]}
    columns = zip(texts, words, wanted, strict=True)
    scores |= seqeval_f1(
        [bio(text, answer["tokens"], spans) for text, answer, spans in columns],
        [[tag for tag in answer["tags"] if tag] for answer in words],
    )
    scores |= {"span F1, small letters": small_letters_f1(model, texts, wanted)}
    right = np.array([set(a) == set(b) for a, b in zip(wanted, found, strict=True)])
    if with_intent:
        intent = np.array([answer["intent"] == name for answer, name in zip(words, last, strict=True)])
        scores["intent accuracy"] = proportion(intent)
        right &= intent
    return scores | {"sentence accuracy": proportion(right)}


def small_letters_f1(model, texts, wanted) -> dict:
    """F1 of spans in the texts as they are without capitals: how people often type."""
    plain = [text.decode("utf-8", "replace") for text in texts]
    small = ["".join(each.lower() if len(each.lower()) == 1 else each for each in text).encode() for text in plain]
    return f1(_counts(wanted, _spans(answers_of(model, small, "entities"))))["span F1"]


def spans_of(labels, starts, ends) -> list[tuple]:
    """Padded columns → (type, start, end) of each span."""
    names = [label.decode() if isinstance(label, bytes) else label for label in labels]
    return [(name, int(start), int(end)) for name, start, end in zip(names, starts, ends, strict=True) if name]


def f1(counts) -> dict[str, dict]:
    """F1, precision and recall of spans, over all texts.

    Args:
        counts: of right, answered and wanted spans in each text, int [texts, 3].

    Returns:
        Name → score; the interval is bootstrapped over texts (1,000 samples, percentiles).
    """
    counts = np.array(counts)

    def shares(rows):
        right, answered, wanted = counts[rows].sum(axis=0)
        return 2 * right / max(answered + wanted, 1), right / max(answered, 1), right / max(wanted, 1)

    return bootstrapped(("span F1", "span precision", "span recall"), shares, len(counts))


def bio(text, tokens, spans) -> list[str]:
    """BIO labels of words, "" being padding, by the spans over them; a word that a span covers in part is in it."""
    text, place, tags, begun = text.decode("utf-8", "replace"), 0, [], set()
    for token in filter(None, tokens):
        start = text.find(token, place)
        place = start + len(token)
        over = next((span for span in spans if span[1] < place and span[2] > start), None)
        tags.append("O" if over is None else f"{'I' if over in begun else 'B'}-{over[0]}")
        begun.add(over)
    return tags


def seqeval_f1(wanted, found) -> dict[str, dict]:
    """F1 by seqeval (strict, BIO) of words' labels; none where seqeval is not installed."""
    try:
        from seqeval.metrics import f1_score
        from seqeval.scheme import IOB2
    except ModuleNotFoundError:
        print('Not scored: seqeval\'s F1; pip install "sequence-zoo[tagging]".', flush=True)
        return {}
    value = float(f1_score(wanted, found, mode="strict", scheme=IOB2, zero_division=0))
    pairs = [(word_spans(tags), word_spans(others)) for tags, others in zip(wanted, found, strict=True)]
    counts = [(len(tags & others), len(others), len(tags)) for tags, others in pairs]
    return {"seqeval F1": f1(counts)["span F1"] | {"value": value}}


def word_spans(tags) -> set[tuple]:
    """The spans of BIO labels, by the numbers of their words, for the interval."""
    begins = [place for place, tag in enumerate(tags) if tag.startswith("B-")]
    ends = [next((end for end in range(place + 1, len(tags)) if tags[end][0] != "I"), len(tags)) for place in begins]
    return {(tags[place][2:], place, end) for place, end in zip(begins, ends, strict=True)}


def _spans(answers) -> list[list[tuple]]:
    return [spans_of(answer["label"], answer["start"], answer["end"]) for answer in answers]


def _counts(wanted, found) -> np.ndarray:
    """Of right, answered and wanted spans in each text, int [texts, 3]."""
    return np.array([(len(set(a) & set(b)), len(b), len(a)) for a, b in zip(wanted, found, strict=True)])
