"""`named_entities` beside a linear CRF of hand-made features, on the same texts: tweets, Wikipedia, and WNUT17 as another kind.

    python benchmarks/models/named_entities.py --data-dir DIR        # about 10 minutes; needs the extra [benchmark]

The linear-chain CRF is CRFsuite's by sklearn-crfsuite, with the features that its tutorial and most papers use: the word, its
ends, capitals and figures, and those of two words to either side. It reads the words that the zoo's tagger reads, is trained on
the same training texts, and its two penalties are chosen on the same validation texts. The artefact is the newest published
one, or that of the finished run of the recipe. WNUT17's test texts (tweets and other comments of 2017) are scored for persons,
places and organisations, corporations and groups being organisations. Writes results/named_entities.csv.
"""

import dataclasses
import itertools
import sys
from pathlib import Path

import numpy as np
import sklearn_crfsuite
import tyro

import zoo
from zoo import span_metrics
from zoo.data.conll import read_conll, written
from zoo.data.entities import without_signs
from zoo.data.found import raw_directory
from zoo.data.report import Report
from zoo.data.spans import dataset
from zoo.preprocessing.spans import Spans
from zoo.preprocessing.tokens import Tokens

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))  # before this directory, whose file has the same name
import named_entities as recipe
from common import trained, write

PENALTIES = tuple(itertools.product((0.02, 0.1, 0.5), (0.01, 0.1)))  # L1, L2
KINDS = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
WNUT = "emerging.test.annotated"


def features(words, place) -> dict:
    """Of a word and its neighbours, as sklearn-crfsuite's tutorial has them, and two to either side."""
    found = {"bias": 1.0}
    for step in range(-2, 3):
        if not 0 <= place + step < len(words):
            found[f"{step}:none"] = True
            continue
        word = words[place + step]
        found[f"{step}:word"], found[f"{step}:title"] = word.lower(), word.istitle()
        found[f"{step}:upper"], found[f"{step}:digit"] = word.isupper(), word.isdigit()
        if abs(step) <= 1:
            found[f"{step}:shape"] = "".join(
                "A" if c.isupper() else "a" if c.islower() else "0" if c.isdigit() else c for c in word
            )
        if not step:
            for length in (1, 2, 3, 4):
                found[f"first {length}"], found[f"last {length}"] = word[:length].lower(), word[-length:].lower()
    for step in (-1, 1):
        if 0 <= place + step < len(words):
            found[f"{step}:both"] = " ".join([words[place].lower(), words[place + step].lower()])
    return found


class Columns:
    """A split as a linear CRF takes it: features and labels of the words of each text, and the places of the words."""

    def __init__(self, texts, types):
        tokens, self.types = Tokens(["-"]), Spans(types)
        self.features, self.labels, self.places, self.wanted, self.about = [], [], [], [], []
        for batch in texts.batch(256):
            words = tokens(batch[0])
            tags = self.types.encode(*batch[1:4], words.starts, words.ends)
            columns = (words.tokens, words.starts, words.ends, self.types(tags))
            for row in zip(*(column.numpy() for column in (*columns, *batch[1:4])), strict=True):
                count = int((row[2] > 0).sum())
                text = [word.decode("utf-8", "replace") for word in row[0][:count]]
                self.features.append([features(text, place) for place in range(count)])
                self.labels.append([label.decode() for label in row[3][:count]])
                self.places.append((row[1][:count], row[2][:count]))
                self.wanted.append(span_metrics.spans_of(*row[4:]))
            self.about += [each.decode() for each in batch[4].numpy()] if len(batch) > 4 else []

    def spans(self, labels) -> list[list[tuple]]:
        """Labels of the words of each text → its spans, by their places."""
        found = []
        for (starts, ends), tags in zip(self.places, labels, strict=True):
            places = sorted(span_metrics.word_spans(tags), key=lambda span: span[1])
            found.append([(kind, int(starts[first]), int(ends[last - 1])) for kind, first, last in places])
        return found


def linear_crf(train: Columns, validation: Columns):
    """CRFsuite's CRF, its penalties those of the best F1 on validation."""
    best, kept = -1.0, None
    for l1, l2 in PENALTIES:
        model = sklearn_crfsuite.CRF("lbfgs", c1=l1, c2=l2, max_iterations=100, all_possible_transitions=True)
        model.fit(train.features, train.labels)
        score = f1(validation.wanted, validation.spans(model.predict(validation.features)))
        print(f"CRFsuite, L1 {l1:g}, L2 {l2:g}: F1 {score:.4f} on validation", flush=True)
        if score > best:
            best, kept = score, model
    return kept


def f1(wanted, found, kinds=None) -> float:
    """F1 of exact spans of some types, of all if None."""
    pairs = [
        [{span for span in spans if not kinds or span[0] in kinds} for spans in pair]
        for pair in zip(wanted, found, strict=True)
    ]
    return span_metrics.f1([(len(a & b), len(b), len(a)) for a, b in pairs])["span F1"]["value"]


def wnut17(config):
    """WNUT17's test texts, with the types that the other collections have."""
    directory = raw_directory("wnut17", config, files=(WNUT,), archive=None)
    sentences = [sentence for document in read_conll(directory / WNUT, Report(WNUT, "words")) for sentence in document]
    texts = [without_signs(written(sentence)) for sentence in sentences]
    kept = [tuple((KINDS[kind], *place) for kind, *place in text.spans if kind in KINDS) for text in texts]
    return dataset([dataclasses.replace(text, spans=spans) for text, spans in zip(texts, kept, strict=True)], about=False)


def main(data_dir: Path | None = None, runs: Path = Path("runs"), artefact: str | None = None):
    """Trains the linear CRF, scores both, and writes the table.

    Args:
        data_dir: Directory of prepared data, with raw/ner and raw/wnut17 below it.
        runs: Where runs are kept.
        artefact: Name or path of the tagger to score (default: that of the recipe's finished run, trained if there is none).
    """
    config = recipe.Config(data="real", data_dir=data_dir, runs=runs)
    splits = zoo.data.tweets_and_wikipedia(config)
    parts = {name: Columns(getattr(splits, name), splits.labels) for name in ("train", "validation", "test")}
    others = wnut17(config)
    parts["WNUT17"] = Columns(others, splits.labels)
    linear = linear_crf(parts["train"], parts["validation"])
    model = zoo.load(artefact) if artefact else trained(recipe.main, config)
    rows = []
    for name, texts in (("test", splits.test), ("WNUT17", others)):
        columns = parts[name]
        asked = [text for text, *_ in texts.as_numpy_iterator()]
        answers = model.predict(asked, signature="entities", batch_size=64)
        answered = {
            "zoo": [span_metrics.spans_of(each["label"], each["start"], each["end"]) for each in answers],
            "CRFsuite": columns.spans(linear.predict(columns.features)),
        }
        about = np.array(columns.about or ["WNUT17, persons, places and organisations"] * len(asked))
        kinds = None if name == "test" else set(KINDS.values())
        groups = {"together": about != ""} if name == "test" else {}
        for what, inside in (groups | {each: about == each for each in dict.fromkeys(about)}).items():
            pick = [[spans[row] for row in np.flatnonzero(inside)] for spans in (columns.wanted, *answered.values())]
            wanted = sum(not kinds or kind in kinds for spans in pick[0] for kind, *_ in spans)
            scores = {each: f"{f1(pick[0], found, kinds):.4f}" for each, found in zip(answered, pick[1:], strict=True)}
            rows.append({"texts": what, "number": int(inside.sum()), "spans": wanted, **scores})
    write("named_entities", rows)


if __name__ == "__main__":
    tyro.cli(main)
