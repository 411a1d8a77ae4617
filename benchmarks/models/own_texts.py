"""Cases of `own_data.py`: tables of labelled texts."""

import csv
import json
import random
from pathlib import Path

from own_case import Case, Made, accuracy

TESTED = 1_000  # texts, at most


def table(directory: Path, rows) -> list[str]:
    """Writes rows (text, label) as a person would; gives the flags that name the file."""
    path = directory / "texts.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return ["--csv", str(path)]


def tfidf(rows, test, score, **options):
    """TF-IDF of words and pairs of words, logistic regression: what one would pick instead."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = zip(*rows, strict=True)
    vectorizer = TfidfVectorizer(**({"ngram_range": (1, 2), "sublinear_tf": True} | options))
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=500)).fit(texts, labels)

    class Model:
        """Answers as an artefact does."""

        def predict(self, inputs, batch_size):
            probabilities = pipeline.predict_proba(inputs)
            named = pipeline.classes_[np.argmax(probabilities, axis=1)]
            return [{"label": one, "probabilities": row} for one, row in zip(named, probabilities, strict=True)]

    return score(Model(), test)


def made(directory: Path, rows, test, score=accuracy, **options) -> Made:
    """The case of a table, with TF-IDF and logistic regression beside it."""
    return Made(table(directory, rows), test, score, lambda: tfidf(rows, test, score, **options))


def snips_texts(data_dir: Path, part: str) -> list[tuple[str, str]]:
    """(utterance, intent) of a part, "train" or "validate"; one of the files is in Latin-1."""
    found = []
    for path in sorted((data_dir / "raw" / "snips").glob(f"{part}_*.json")):
        content = path.read_bytes()
        try:
            intents = json.loads(content.decode("utf-8"))
        except UnicodeDecodeError:
            intents = json.loads(content.decode("latin-1"))
        ((intent, utterances),) = intents.items()
        found += [("".join(piece["text"] for piece in one["data"]).strip(), intent) for one in utterances]
    return found


def snips(rows: int):
    """Utterances of seven intents; the official validation files test."""

    def make(directory, data_dir, seed):
        drawn = random.Random(seed).sample(snips_texts(data_dir, "train"), rows)
        return made(directory, drawn, snips_texts(data_dir, "validate"))

    return make


def imdb(rows: int):
    """Film reviews, long texts of two classes; of those of the official test split, some test."""

    def make(directory, data_dir, seed):
        import tensorflow_datasets as tfds

        drawn, names = {}, ("bad", "good")
        for split, count in (("train", rows), ("test", TESTED)):
            loaded = tfds.as_numpy(
                tfds.load("imdb_reviews", split=split, data_dir=data_dir / "tfds", download=False, batch_size=-1)
            )
            chosen = random.Random(seed).sample(range(len(loaded["text"])), count)
            drawn[split] = [(loaded["text"][row].decode(), names[loaded["label"][row]]) for row in chosen]
        # where there are few texts, characters tell more than words
        options = {"analyzer": "char_wb", "ngram_range": (2, 5)} if rows < 300 else {}
        return made(directory, drawn["train"], drawn["test"], **options)

    return make


# Topics, each with words that go with it; a text has its topic's word, and as often as not one of the others.
TOPICS = {
    "dog": "leash bark puppy kennel bone",
    "piano": "keys melody concert pedal tune",
    "rain": "umbrella clouds wet storm puddle",
    "bread": "bakery oven flour crust toast",
    "train": "station platform rails ticket conductor",
    "garden": "flowers soil spade hedge roses",
    "doctor": "clinic patient pulse fever prescription",
    "football": "goal referee stadium league kick",
    "bank": "loan account interest cash savings",
    "camera": "lens photo flash focus film",
    "ship": "harbour anchor deck captain sails",
    "school": "teacher homework class pupils chalk",
    "mountain": "summit rope glacier climb ridge",
    "coffee": "espresso cup beans roast aroma",
    "computer": "keyboard screen software mouse file",
    "court": "judge lawyer verdict witness trial",
    "farm": "tractor cows barn harvest hay",
    "painting": "canvas brush gallery easel portrait",
    "bicycle": "wheel brakes helmet chain cycling",
    "winter": "snow ice sled gloves frost",
}
FRAMES = (
    "Yesterday we talked about the {word} for an hour{extra}.",
    "I really like that {word}{extra}, and so does my brother.",
    "There was nothing to say about a {word} in the end{extra}.",
    "Could you tell me more of the {word}, please{extra}?",
    "My neighbour has had a {word} for some ten years{extra}.",
    "It was late when the {word} came up again{extra}.",
    "Nobody here knows the {word} better than she does{extra}.",
    "What they wrote on the {word} last week was wrong{extra}.",
)


def topics(directory, data_dir, seed):
    """Twenty classes of fifteen short texts that name their topic; where it is tested, the word itself is masked."""
    rng = random.Random(seed)

    def text(word, shown):
        extra = f" with the {rng.choice(TOPICS[word].split())}" if rng.random() < 0.55 else ""
        return rng.choice(FRAMES).format(word=shown, extra=extra)

    rows = [(text(word, word), word) for word in TOPICS for _ in range(15)]
    rng.shuffle(rows)
    test = [(shown, word) for word in TOPICS for _ in range(25) for shown in (text(word, word), text(word, "thing"))]

    def score(model, test):
        masked = accuracy(model, test[1::2])["accuracy"]
        return accuracy(model, test[::2]) | {"accuracy, the word masked": masked}

    return made(directory, rows, test, score)


def rare(directory, data_dir, seed):
    """One class has a twentieth of the rows: wishes to add to a playlist, among all others."""
    rng = random.Random(seed)

    def drawn(part, count):
        groups = {"rare": [], "other": []}
        for text, intent in snips_texts(data_dir, part):
            groups["rare" if intent == "AddToPlaylist" else "other"].append(text)
        sizes = {"rare": count // 20, "other": count - count // 20}
        rows = [(text, name) for name, texts in groups.items() for text in rng.sample(texts, min(sizes[name], len(texts)))]
        rng.shuffle(rows)
        return rows

    def score(model, test):
        texts, truths = zip(*test, strict=True)
        answers = model.predict(list(texts), batch_size=64)
        hits = [answer["label"] == "rare" for answer, truth in zip(answers, truths, strict=True) if truth == "rare"]
        return accuracy(model, test) | {"recall of the rare class": sum(hits) / len(hits)}

    return made(directory, drawn("train", 600), drawn("validate", 700), score)


CALIBRATED = {"calibration error": 0.08}
CASES = (
    Case("SNIPS, 200 rows", "imdb_sentiment", snips(200), {"accuracy": 0.94} | CALIBRATED),
    Case("SNIPS, 2,000 rows", "imdb_sentiment", snips(2000), {"accuracy": 0.975} | CALIBRATED),
    Case("IMDB, 100 rows", "imdb_sentiment", imdb(100), {"accuracy": 0.63} | CALIBRATED),
    Case("IMDB, 500 rows", "imdb_sentiment", imdb(500), {"accuracy": 0.80} | CALIBRATED, seeds=1),
    Case("IMDB, 2,000 rows", "imdb_sentiment", imdb(2000), {"accuracy": 0.865} | CALIBRATED, seeds=1),
    Case("20 classes of 15 texts", "imdb_sentiment", topics, {"accuracy, the word masked": 0.38, "MB": 8} | CALIBRATED),
    Case("95 : 5", "imdb_sentiment", rare, {"recall of the rare class": 0.93} | CALIBRATED),
)
