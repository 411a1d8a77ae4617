"""The shipped `email_subjects` beside what needs no training: the first line of a mail, and its best sentence by TF-IDF.

    python benchmarks/models/email_subjects.py --data-dir DIR                # about 3 minutes; needs the extra [benchmark]

All are scored on AESLC's 1,906 test mails by the same measure. A sentence is a line, as AESLC has them; the best one is most
like the whole mail, by the cosine of their TF-IDF vectors, and how rare a word is was counted in the training mails.
Writes results/email_subjects.csv.
"""

import sys
from pathlib import Path

import tyro
from sklearn.feature_extraction.text import TfidfVectorizer

import zoo
from zoo import rouge
from zoo.metrics import answers_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write


def lines(body: str) -> list[str]:
    """The lines of a mail that are not empty; of a mail without any, one that is."""
    return [line for line in body.splitlines() if line.strip()] or [""]


def first_lines(_, bodies: list[str]) -> list[str]:
    """The first line of each mail."""
    return [lines(body)[0] for body in bodies]


def best_sentences(train: list[str], bodies: list[str]) -> list[str]:
    """The line of each mail that is most like all of it."""
    vectors = TfidfVectorizer(sublinear_tf=True).fit(train)
    best = []
    for body in bodies:
        likeness = vectors.transform(lines(body)) @ vectors.transform([body]).T
        best.append(lines(body)[int(likeness.toarray().argmax())])
    return best


def scored(name: str, answers, references) -> dict:
    """A row of the table."""
    scores = rouge.rouge(answers, references)
    interval = {key: round(scores["ROUGE-1"][key], 2) for key in ("low", "high")}
    words = sum(len(answer.split()) for answer in answers) / len(answers)
    values = {key: round(score["value"], 2) for key, score in scores.items()}
    return {"answer": name} | values | interval | {"words": round(words, 1), "mails": len(answers)}


def main(data_dir: Path, artefact: str = "email_subjects"):
    """Scores all of them, and writes the table.

    Args:
        data_dir: Directory of prepared data, with tfds/ below it.
        artefact: Name or path of the artefact.
    """
    mails = zoo.data.email_subjects(zoo.RunConfig(data="real", data_dir=data_dir))
    train = [body.decode() for body, _ in mails.train.as_numpy_iterator()]
    bodies, references = zip(*mails.test.as_numpy_iterator(), strict=True)
    references = [[each.decode() for each in subjects] for subjects in references]
    model, texts = zoo.load(artefact), [body.decode() for body in bodies]
    answers = {
        "its first line": first_lines(train, texts),
        "its best sentence by TF-IDF": best_sentences(train, texts),
        "email_subjects, greedy": [each["summary"] for each in answers_of(model, bodies, "greedy")],
        "email_subjects": [each["summary"] for each in answers_of(model, bodies, "serving_default")],
    }
    write("email_subjects", [scored(name, given, references) for name, given in answers.items()])


if __name__ == "__main__":
    tyro.cli(main)
