"""Texts with named entities: tweets and Wikipedia, their built-in sample, and a person's own in columns."""

import dataclasses
from pathlib import Path

from zoo.data import drawn_entities
from zoo.data.conll import read_conll, written
from zoo.data.found import raw_directory, sample_splits
from zoo.data.own_files import own_path
from zoo.data.report import Report
from zoo.data.spans import TaggedText, dataset, tagged_types
from zoo.data.splits import Splits, check_sizes, loader, stable_bucket

TWEETS = tuple(f"btc/{part}.conll" for part in "abefgh")
WIKIGOLD = "wikigold/wikigold.conll.txt"


@loader
def tweets_and_wikipedia(config) -> Splits:
    """Named entities of the Broad Twitter Corpus, 9,339 tweets, and of Wikigold, 145 articles of Wikipedia.

    There is no official split: a stable hash of the tweet, or of the article, cuts each 8 : 1 : 1. Tweets have persons, places
    and organisations, articles other names (MISC) too. "@" and "#" before a name, which some of the tweets' labels take for a
    part of it, some for a name of its own and some for none, are none here.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (text, label, start, end), see `zoo.data.spans.dataset`; test has the collection as a fifth component,
        "tweets" or "Wikipedia". Where the data set cannot be had, those of the sample.

    Source: Derczynski et al. 2016, "Broad Twitter Corpus"; Balasuriya et al. 2009, "Named Entity Recognition in Wikipedia".
    """
    directory = raw_directory("ner", config, files=(*TWEETS, WIKIGOLD), archive=None)
    if directory is None:
        drawn = drawn_entities.drawn_entities()
        parts = {name: dataset(part, about=name == "test") for name, part in drawn.items()}
        return sample_splits("tweets and Wikipedia", drawn_entities.DESCRIPTION, parts, tagged_types(drawn["train"]))
    documents = [("tweets", text) for file in TWEETS for text in read_conll(directory / file, Report(file, "words"))]
    documents += [("Wikipedia", article) for article in read_conll(directory / WIKIGOLD, Report(WIKIGOLD, "words"))]
    parts = _cut(documents)
    return Splits(
        source="real",
        **{name: dataset(part, about=name == "test") for name, part in parts.items()},
        description="Broad Twitter Corpus and Wikigold; a stable hash of the tweet or article cut each 8 : 1 : 1",
        terms="CC BY 4.0 (Derczynski et al. 2016; Balasuriya et al. 2009)",
        labels=tagged_types(parts["train"]),
    )


@loader
def tagged_words(config, *, path: Path, tag_column: int = -1, token_column: int = 0) -> Splits:
    """A person's own labelled words in columns, blank lines between sentences; a stable hash cuts the documents 8 : 1 : 1.

    Args:
        config: a `RunConfig`, as every loader takes; nothing of it counts here.
        path, tag_column, token_column: see `read_conll`.

    Returns:
        `Splits` of (text, label, start, end), the words put together as people write; `labels` are the types of spans.

    Raises:
        ZooError: see `read_conll`; or if there are too few sentences to cut splits off.
    """
    path = own_path(path)
    report = Report(path.name, "words")
    documents = read_conll(path, report, tag_column=tag_column, token_column=token_column)
    parts = _cut([("", document) for document in documents])
    texts = [text for part in parts.values() for text in part]
    types = tagged_types(texts)
    words = sum(len(sentence) for document in documents for sentence in document)
    counts = {name: sum(label == name for text in texts for label, *_ in text.spans) for name in types}
    report.print(
        words, [f"{len(texts):,} sentences; spans: {', '.join(f'{name} {count:,}' for name, count in counts.items())}."]
    )
    check_sizes({name: len(part) for name, part in parts.items()})
    return Splits(
        source="own",
        **{name: dataset(part, about=False) for name, part in parts.items()},
        description=f"{len(texts):,} sentences from {path.name}; a stable hash of the document cut them 8 : 1 : 1",
        terms="those of the file's owner",
        labels=types,
    )


def without_signs(text: TaggedText) -> TaggedText:
    """The same text, "@" or "#" at the start of a span being no part of it."""
    spans = ((label, start + (text.text[start] in "@#"), end) for label, start, end in text.spans)
    return dataclasses.replace(text, spans=tuple(span for span in spans if span[1] < span[2]))


def _cut(documents) -> dict[str, list]:
    """(collection, sentences) of each document → split → its texts."""
    parts = {"train": [], "validation": [], "test": []}
    for about, sentences in documents:
        texts = [written(sentence, about) for sentence in sentences]
        if about == "tweets":
            texts = [without_signs(text) for text in texts]
        part = {0: "test", 1: "validation"}.get(stable_bucket(" ".join(text.text for text in texts), 10), "train")
        parts[part] += texts
    return parts
