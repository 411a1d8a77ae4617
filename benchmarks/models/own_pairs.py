"""A person's own pairs of texts: sentences in two directions, numerals, strings; cases of `own_data.py`."""

import functools
import random
from pathlib import Path

from own_case import Case, Made

TESTED = 500

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sentences(directory: Path, data_dir: Path, seed: int, *, count: int, english_first: bool = False) -> Made:
    """So many of Tatoeba's pairs; tested are sentences that have no sentence of either side in common with them."""
    from zoo.data.translations import key

    lines = (data_dir / "raw" / "spa-eng" / "spa.txt").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split("\t")[:2])[:: 1 if english_first else -1] for line in lines if "\t" in line]
    random.Random(seed).shuffle(pairs)
    train = pairs[:count]
    sources, targets = ({key(pair[side]) for pair in train} for side in (0, 1))
    test = dict(pair for pair in reversed(pairs[count:]) if key(pair[0]) not in sources and key(pair[1]) not in targets)
    return _made(directory, train, list(test.items())[-TESTED:], bleu)


def strings(directory: Path, data_dir: Path, seed: int, *, draw, count: int = 3_000) -> Made:
    """So many distinct pairs of those that `draw(rng)` gives."""
    rng, pairs = random.Random(seed), {}
    while len(pairs) < count + TESTED:
        source, target = draw(rng)
        pairs[source] = target
    pairs = list(pairs.items())
    return _made(directory, pairs[:count], pairs[count:], exact)


def _made(directory, train, test, score):
    path = directory / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in train), encoding="utf-8")
    return Made(["--pairs", str(path)], test, score, functools.partial(nearest, train, test, score))


def numeral(rng):
    """A number below 10,000 in digits and in words."""
    number = rng.randrange(10_000)
    return str(number), spelt(number)


def spelt(number: int) -> str:
    """A number below a million in words."""
    if number >= 1000:
        return f"{spelt(number // 1000)} thousand {spelt(number % 1000) if number % 1000 else ''}".rstrip()
    if number >= 100:
        return f"{ONES[number // 100]} hundred {spelt(number % 100) if number % 100 else ''}".rstrip()
    if number >= 20:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    return ONES[number]


def digits(rng):
    """Up to eight digits, and the word for each."""
    drawn = "".join(rng.choices("0123456789", k=rng.randint(1, 8)))
    return drawn, " ".join(ONES[int(digit)] for digit in drawn)


def reversed_string(rng):
    """A random string, and the same from its end to its beginning."""
    drawn = "".join(rng.choices(LETTERS, k=rng.randint(3, 12)))
    return drawn, drawn[::-1]


def bleu(answer, test) -> dict[str, float]:
    """Against one reference each."""
    from sacrebleu.metrics import BLEU

    return {"BLEU": BLEU().corpus_score(_answers(answer, test), [[target for _, target in test]]).score}


def exact(answer, test) -> dict[str, float]:
    """The share of answers that are right to the letter."""
    pairs = zip(_answers(answer, test), test, strict=True)
    return {"exact": sum(given == target for given, (_, target) in pairs) / len(test)}


def _answers(model, test):
    sources = [source for source, _ in test]
    if not hasattr(model, "predict"):
        return model(sources)
    return [answer["translation"] for answer in model.predict(sources, batch_size=64)]


def nearest(train, test, score) -> dict[str, float]:
    """The target of the source that is most like the one given: what a look-up in the pairs does."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    sources, targets = zip(*train, strict=True)
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    known = vectors.fit_transform(sources)

    def answer(texts):
        return [targets[number] for number in (vectors.transform(texts) @ known.T).toarray().argmax(axis=1)]

    return score(answer, test)


def _case(name, make, **at_least):
    return Case(name, "spanish_to_english", make, at_least, seeds=1)


CASES = (
    _case("Spanish-English, 2,000 pairs", functools.partial(sentences, count=2_000), BLEU=8),
    _case("Spanish-English, 10,000 pairs", functools.partial(sentences, count=10_000), BLEU=22),
    _case("English-Spanish, 10,000 pairs", functools.partial(sentences, count=10_000, english_first=True), BLEU=18),
    _case("numerals, 3,000", functools.partial(strings, draw=numeral), exact=0.98),
    _case("digits, 3,000", functools.partial(strings, draw=digits), exact=0.98),
    _case("reversed strings, 3,000", functools.partial(strings, draw=reversed_string), exact=0.95),
)
