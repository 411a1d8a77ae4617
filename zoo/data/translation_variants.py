"""Variants of sentence pairs: what people type and a corpus lacks; single words, lower case, other numbers and other names.

A corpus of whole sentences teaches nothing of "hola" or "12345", and of the names only those that occur in it. The variants
follow from the pairs themselves, in whatever languages they are: nothing here knows a word of any.
"""

import collections
import dataclasses
import random
import re
import unicodedata

import tensorflow as tf

from zoo.data.alignment import phrase_table
from zoo.data.copied_words import WORD, renamed, renumbered, share
from zoo.data.splits import Splits
from zoo.data.translations import Pairs, key

# The most of each kind, as a share of the pairs.
CASUAL, SHORT, PHRASES = 0.12, 0.34, 0.08
# Sentences of one or two words are what people try first, and few: each is there so often.
TIMES = 20

# Of one or two words on a sheet of capitals, so many.
CAPITALS = 0.06

SENTENCE = re.compile(r"([^\w\s]*)(\w.*?)([.!?…。]+)")  # marks that open it, its words, marks that close it
FIRST = re.compile(r"[^\w\s]*([^\W\d_][^,;:!?]*)[,!]+ +[^\w\s]*\w.*")  # what a sentence begins with, before a comma
LAST = re.compile(r".*\w[,!]+ +[^\w\s]*([^\W\d_][^,;:!?]*?)[.!?…。]+")  # what it ends with, after one


def with_variants(splits: Splits, *, seed: int = 0) -> Splits:
    """Sentence pairs with variants of the training pairs beside them, not as many as these, and most of them short.

    - Sentences as they are typed in haste: in lower case, without accents, without the marks around them; the translation then
      begins and ends likewise. Of one or two words, all, in several ways, capitals among them.
    - What is said before or after a comma ("Yes, ...", "..., please"), as sentences of their own.
    - Pairs with the same numbers or the same name on both sides, with others in their place; also numbers and names alone.
    - Words and short phrases with the translation that the training pairs show; see `phrase_table`.

    Where the pairs have none of that, or where they show that numbers or names are not copied, nothing is added. No variant
    is in the validation or the test split, case, accents and punctuation apart.

    Args:
        splits: as `sentence_pairs` gives them.
        seed: of the random generator; equal seeds give equal variants.
    """
    rng = random.Random(seed)
    pairs = [(source.decode(), target.decode()) for source, target in splits.train.as_numpy_iterator()]
    kept = [set(), set()]
    for source, target in splits.validation.as_numpy_iterator():
        kept[0].add(_plain_key(source.decode()))
        kept[1].add(_plain_key(target.decode()))
    for source, targets in splits.test.as_numpy_iterator():
        kept[0].add(_plain_key(source.decode()))
        kept[1].update(_plain_key(target.decode()) for target in targets)
    known = set(pairs)
    # some are there several times: of single digits and the like there are only a few, and each would be seen too seldom
    made = [
        pair
        for make in (_casual, renumbered, renamed, _phrases)
        for pair in make(pairs, rng)
        if pair not in known and not any(_plain_key(text) in sentences for text, sentences in zip(pair, kept, strict=True))
    ]
    if not made:
        return splits
    columns = [tf.constant(column) for column in zip(*made, strict=True)]
    description = (
        f"{splits.description}; and {len(made):,} variants of the training pairs (case, marks, numbers, names, phrases)"
    )
    train = splits.train.concatenate(tf.data.Dataset.from_tensor_slices(tuple(columns)))
    return dataclasses.replace(splits, train=train, description=description)


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(each for each in letters if unicodedata.category(each) != "Mn"))


def _plain_key(text: str) -> str:
    return key(_without_accents(text))


def _usual_case(texts) -> dict[str, str]:
    """Word in lower case → how it is mostly written where it does not begin a sentence."""
    forms = collections.defaultdict(collections.Counter)
    for text in texts:
        for word in WORD.findall(text)[1:]:
            forms[word.lower()][word] += 1
    return {word: max(sorted(counts), key=counts.get) for word, counts in forms.items()}


def _uncapitalised(text: str, usual: dict[str, str]) -> str:
    """A sentence as it would stand inside another one: "The dog" → "the dog", but "I am" and "Tom is"."""
    return WORD.sub(lambda word: usual.get(word[0].lower(), word[0]), text, count=1)


def _casual(pairs: Pairs, rng) -> Pairs:
    """Sentences in lower case, without accents or without the marks around them."""
    sentences = []
    for source, target in pairs:
        sides = SENTENCE.fullmatch(source), SENTENCE.fullmatch(target)
        # only of those that are written as sentences on both sides: of codes or formulas nothing is known
        if all(side and side[2][0].isupper() for side in sides):
            sentences.append(sides)
    usual = _usual_case(target for _, target in pairs)
    short = [sides for sides in sentences if max(len(side[2].split()) for side in sides) <= 2]
    short += [tuple(map(SENTENCE.fullmatch, pair)) for pair in _asides(pairs)]
    drawn = share(sentences, CASUAL, pairs, rng) + share(TIMES * short, SHORT, pairs, rng)
    variants = []
    for source, target in drawn:
        (opening, words, closing), (first, translation, last) = source.groups(), target.groups()
        what = rng.random()
        if max(len(words.split()), len(translation.split())) <= 2 and rng.random() < CAPITALS:
            words, translation, what = words.upper(), translation.upper(), 1
        elif what < 0.35:
            words, translation = words.lower(), _uncapitalised(translation, usual)
        elif what < 0.7:
            words, translation = words[0].lower() + words[1:], _uncapitalised(translation, usual)
        if rng.random() < 0.5:
            words = _without_accents(words)
        unmarked = rng.random()
        if unmarked < 0.7 or what >= 0.7:
            closing = ""
        if unmarked < 0.5 or (closing and unmarked < 0.85):
            opening = ""
        # one mark is enough to tell a question; without any, the translation has none either
        if not opening + closing:
            first = last = ""
        variants.append((f"{opening}{words}{closing}", f"{first}{translation}{last}"))
    return variants


def _asides(pairs: Pairs, *, least: int = 2, share: float = 0.5) -> Pairs:
    """Sentences of up to three words, made of what stands before the first or after the last comma on both sides alike."""
    found = {}
    for place in (FIRST, LAST):
        counts = collections.defaultdict(collections.Counter)
        for pair in pairs:
            sides = [place.fullmatch(text) for text in pair]
            if all(side and len(side[1].split()) <= 3 and "," not in side[1] for side in sides):
                source, target = (side[1][0].upper() + side[1][1:] for side in sides)
                counts[source][target] += 1
        for source, targets in counts.items():
            target = max(sorted(targets), key=targets.get)
            if targets[target] >= max(least, share * targets.total()):
                found.setdefault(source, target)  # what begins a sentence is rather one of its own than what ends it
    return [(f"{source}.", f"{target}.") for source, target in found.items()]


def _phrases(pairs: Pairs, rng) -> Pairs:
    """Words and short phrases, every other one with a capital, with what the pairs show to be their translation."""
    lowered = [tuple(WORD.findall(text.lower()) for text in pair) for pair in pairs]
    table = phrase_table([pair for pair in lowered if min(map(len, pair)) > 1])
    # of what is a sentence of the corpus, the corpus knows better; and no word alone is a contraction of two
    known = {" ".join(source) for source, _ in lowered}
    table = {phrase: it for phrase, it in table.items() if phrase not in known and (" " in phrase or "'" not in it)}
    usual = [_usual_case(pair[side] for pair in pairs) for side in (0, 1)]
    single = [phrase for phrase in table if " " not in phrase]
    several = [phrase for phrase in table if " " in phrase]
    # the more frequent the more often
    single = single + single[: len(single) // 2] + single[: len(single) // 4] + 6 * single[: len(single) // 20]
    several = 3 * several[: len(several) // 20] + several
    drawn = single[: round(PHRASES * len(pairs))]
    drawn += several[: max(round(PHRASES * len(pairs)) - len(drawn), 0)]
    variants = []
    for phrase in drawn:
        sides = [
            " ".join(case.get(word, word) for word in text.split())
            for text, case in zip((phrase, table[phrase]), usual, strict=True)
        ]
        variants.append(tuple(side[0].upper() + side[1:] for side in sides) if rng.random() < 0.5 else tuple(sides))
    return variants
