"""What one would use in place of `imdb_sentiment`: linear models over n-grams, from scikit-learn, on the same files.

    python benchmarks/models/imdb_baselines.py --data-dir DIR        # about 5 minutes; needs the extra [benchmark]

Trained on the 25,000 official training reviews, scored on the 25,000 test reviews; nothing is chosen on either.
Writes results/imdb_baselines.csv.
"""

import sys
import time
from pathlib import Path

import numpy as np
import tyro
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import zoo
from zoo.metrics import proportion

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write


def texts(dataset):
    """A split as two lists."""
    pairs = [(text.decode(), int(label)) for text, label in dataset.as_numpy_iterator()]
    return [text for text, _ in pairs], np.array([label for _, label in pairs])


def tfidf(train, labels, test):
    """TF-IDF of uni-, bi- and trigrams, logistic regression."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=200).fit(vectorizer.fit_transform(train), labels)
    return model.predict(vectorizer.transform(test)), len(vectorizer.vocabulary_)


def naive_bayes_weighted(train, labels, test):
    """Presence of uni-, bi- and trigrams times their naive-Bayes log-ratio, logistic regression (Wang & Manning 2012)."""
    vectorizer = CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, token_pattern=r"[^\W_]+(?:'\w+)?|[^\w\s]")
    counts = vectorizer.fit_transform(train).astype(np.float32)
    positive, negative = (np.asarray(counts[labels == label].sum(axis=0)).ravel() + 1 for label in (1, 0))
    ratio = np.log((positive / positive.sum()) / (negative / negative.sum())).astype(np.float32)
    model = LogisticRegression(C=0.1, solver="liblinear", dual=True).fit(counts.multiply(ratio).tocsr(), labels)
    return model.predict(vectorizer.transform(test).astype(np.float32).multiply(ratio).tocsr()), len(ratio)


def main(data_dir: Path | None = None):
    """Fits and scores both, and writes the table.

    Args:
        data_dir: Directory of prepared data, with tfds/ below it.
    """
    reviews = zoo.data.imdb_reviews(zoo.RunConfig(data="real", data_dir=data_dir))
    train, labels = texts(reviews.train.concatenate(reviews.validation))
    test, truth = texts(reviews.test)
    rows = []
    for fit in (tfidf, naive_bayes_weighted):
        start = time.perf_counter()
        predicted, features = fit(train, labels, test)
        score = proportion(predicted == truth)
        rows.append({"model": fit.__doc__, "features": features, "seconds": round(time.perf_counter() - start)})
        rows[-1] |= {key: round(score[key], 4) for key in ("value", "low", "high")}
        print(rows[-1], flush=True)
    write("imdb_baselines", rows)


if __name__ == "__main__":
    tyro.cli(main)
