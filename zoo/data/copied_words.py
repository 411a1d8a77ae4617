"""Sentence pairs with other numbers and names in place of those that both sides have, for a model to learn to copy."""

import collections
import re

from zoo.data.translations import Pairs

# The most of each kind, as a share of the pairs.
NAMES, NUMBERS, BARE = 0.12, 0.03, 0.02
BARE_NAMES = 0.005  # few: a word alone with a capital is seldom a name

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def share(items: list, share: float, pairs: Pairs, rng) -> list:
    """As many of them, drawn, as this share of the pairs."""
    return rng.sample(items, min(len(items), round(share * len(pairs))))


def renumbered(pairs: Pairs, rng) -> Pairs:
    """Pairs whose numbers are the same on both sides, with others; and numbers alone, as they are written on either side."""

    def digits(numbers):
        return sorted(re.sub(r"\D", "", number) for number in numbers)

    counted, copied, shapes = 0, [], []
    for source, target in pairs:
        numbers, there = NUMBER.findall(source), NUMBER.findall(target)
        counted += bool(numbers)
        if numbers and digits(numbers) == digits(there):
            shapes += [(number, other) for number in numbers for other in there if digits([number]) == digits([other])]
            # "21st" and "1 book" would have to change with the number
            if not re.search(r"\d[^\W\d_]|[^\W\d_]\d", source + " " + target) and "1" not in numbers:
                copied.append((source, target))
    if len(shapes) < 10 or 2 * len(copied) < counted:
        return []
    # each a few times, with other numbers
    variants = [_replaced_numbers(pair, rng) for pair in share(4 * copied, NUMBERS, pairs, rng)]
    for _ in range(round(BARE * len(pairs))):
        # one in three as such numbers are grouped or divided on each side, the others whole
        number = rng.choice(shapes) if rng.random() < 0.3 else ("99", "99")
        variants.append(_replaced_numbers(number, rng))
    return variants


def _replaced_numbers(pair, rng):
    """Both texts with every digit drawn anew, the same on both sides; numbers without marks inside also in their length."""
    texts = " ".join(pair)
    new = {}
    for number in NUMBER.findall(texts):
        digits = re.sub(r"\D", "", number)
        free = all(digits != re.sub(r"\D", "", other) or other.isdigit() for other in NUMBER.findall(texts))
        if digits in new:
            continue
        length = rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10)) if free and rng.random() < 0.7 else len(digits)
        if re.fullmatch(r"\d\d?:\d\d", number):  # a time of day
            new[digits] = f"{rng.randint(10, 23) if len(digits) == 4 else rng.randint(1, 9)}{rng.randint(0, 59):02}"
        else:
            new[digits] = str(rng.randint(2, 9)) if length == 1 else str(rng.randint(10 ** (length - 1), 10**length - 1))

    def replace(match):
        drawn = new[re.sub(r"\D", "", match[0])]
        return drawn if match[0].isdigit() else _fill(match[0], drawn)

    return tuple(NUMBER.sub(replace, text) for text in pair)


def _fill(number: str, digits: str) -> str:
    """The marks of a number with other digits between them."""
    left = iter(digits)
    return "".join(next(left) if character.isdigit() else character for character in number)


def renamed(pairs: Pairs, rng) -> Pairs:
    """Pairs with the same name on both sides, with others; and names alone."""
    words = [[WORD.findall(text) for text in pair] for pair in pairs]
    counts = collections.Counter(word for pair in words for side in pair for word in side)

    def is_name(word):
        return len(word) > 1 and word.istitle() and word.isalpha() and 20 * counts[word.lower()] <= counts[word]

    found = []
    for pair, (source, target) in zip(pairs, words, strict=True):
        found += [(pair, name) for name in dict.fromkeys(source) if is_name(name) and source.count(name) == target.count(name)]
    if len(found) < 10:
        return []
    names = sorted({name for _, name in found})
    invent = _inventor([word for word in counts if word.isalpha()], pairs, rng)

    def draw():
        name = rng.choice(names) if rng.random() < 0.3 else invent()
        return f"{name} {rng.choice(names) if rng.random() < 0.3 else invent()}" if rng.random() < 0.15 else name

    variants = []
    for pair, name in share(found, NAMES, pairs, rng):
        new = draw()
        variants.append(tuple(re.sub(rf"\b{name}\b", new, text) for text in pair))
    bare = [draw() for _ in range(round(BARE_NAMES * len(pairs)))]
    return variants + [(name, name) for name in (name.upper() if rng.random() < 0.2 else name for name in bare)]


def _inventor(words: list[str], pairs: Pairs, rng):
    """A function that makes up names: like the words of both sides, or of any of the letters that both sides have."""
    texts = ["".join(pair[side] for pair in pairs).lower() for side in (0, 1)]
    sides = [collections.Counter(letter for letter in text if letter.isalpha()) for text in texts]
    # frequent enough on both sides to be learnt, and the rarer ones nearly as often as the others
    usual = {letter: min(count, sides[1][letter]) for letter, count in sides[0].items()}
    usual = {letter: count for letter, count in sorted(usual.items()) if 5_000 * count >= sides[0].total()}
    letters, weights = list(usual), [count**0.5 for count in usual.values()]
    follow = collections.defaultdict(list)
    for word in sorted(words):
        lowered = word.lower()
        if set(lowered) <= usual.keys():
            for before, after in zip(f"^{lowered}", f"{lowered}$", strict=True):
                follow[before].append(after)

    def invent():
        if rng.random() < 0.3:
            return "".join(rng.choices(letters, weights, k=rng.randint(3, 9))).capitalize()
        name, letter = "", "^"
        while len(name) < 10:
            letter = rng.choice(follow[letter])
            if letter == "$" and len(name) > 2:
                break
            if letter == "$":  # too short yet
                letter = rng.choices(letters, weights)[0]
            name += letter
        return name.capitalize()

    return invent
