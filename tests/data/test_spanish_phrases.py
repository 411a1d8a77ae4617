import re
import unicodedata
from collections import Counter

import pytest

from zoo.data import spanish_phrases as grammar
from zoo.data.spanish_phrases import MOST_PHRASES, spanish_phrases


@pytest.fixture(scope="module")
def splits():
    return spanish_phrases()


@pytest.fixture(scope="module")
def phrases(splits):
    return [pair for pairs in splits.values() for pair in pairs]


@pytest.fixture(scope="module")
def many():
    return spanish_phrases(train=20_000)["train"]


def words(text):
    return re.findall(r"\w+", text.lower())


def test_the_seed_decides_the_phrases(splits):
    assert spanish_phrases() == splits
    other = spanish_phrases(seed=1)
    assert len(set(other["train"]) & set(splits["train"])) < len(splits["train"]) / 4  # the numbers are soon used up


def test_sizes():
    splits = spanish_phrases(train=301, validation=100, test=51)
    assert {split: len(pairs) for split, pairs in splits.items()} == {"train": 301, "validation": 100, "test": 51}


def test_more_training_phrases_leave_the_other_splits_alone(splits):
    small = spanish_phrases(train=10)
    assert small["validation"] == splits["validation"]
    assert small["test"] == splits["test"]


def test_no_side_occurs_twice_even_in_the_largest_sample():
    splits = spanish_phrases(train=MOST_PHRASES - 2_000, validation=1_000, test=1_000)
    for side in (0, 1):
        texts = [" ".join(words(pair[side])) for pairs in splits.values() for pair in pairs]
        assert len(set(texts)) == len(texts) == MOST_PHRASES


def test_phrases_are_cased_and_punctuated(phrases):
    for spanish, english in phrases:
        assert re.fullmatch(r"¿[A-ZÁÉ][\wñ]*( \w+)+\?|[A-ZÁÉ]\w*(,? \w+)*\.", spanish), spanish
        assert re.fullmatch(r"[A-ZÁÉ][\w'-]*(,? [\w'-]+)*[.?]", english), english
        assert spanish.endswith("?") == english.endswith("?")
        assert len(spanish.split()) <= 18
        assert unicodedata.is_normalized("NFC", spanish)
        assert not re.search(r"\b(a|de) el\b", spanish), spanish
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", english.lower()), english


@pytest.mark.parametrize(
    ("number", "bare", "masculine", "feminine", "english"),
    [
        (0, "cero", "cero", "cero", "zero"),
        (1, "uno", "un", "una", "one"),
        (16, "dieciséis", "dieciséis", "dieciséis", "sixteen"),
        (21, "veintiuno", "veintiún", "veintiuna", "twenty-one"),
        (30, "treinta", "treinta", "treinta", "thirty"),
        (31, "treinta y uno", "treinta y un", "treinta y una", "thirty-one"),
        (100, "cien", "cien", "cien", "one hundred"),
        (101, "ciento uno", "ciento un", "ciento una", "one hundred and one"),
        (121, "ciento veintiuno", "ciento veintiún", "ciento veintiuna", "one hundred and twenty-one"),
        (200, "doscientos", "doscientos", "doscientas", "two hundred"),
        (540, "quinientos cuarenta", "quinientos cuarenta", "quinientas cuarenta", "five hundred and forty"),
        (999, *["novecientos noventa y nueve"] * 2, "novecientas noventa y nueve", "nine hundred and ninety-nine"),
    ],
)
def test_numbers(number, bare, masculine, feminine, english):
    assert [grammar._spanish_number(number, gender) for gender in ("", "m", "f")] == [bare, masculine, feminine]
    assert grammar._english_number(number) == english


def test_things_agree_in_gender_and_number(phrases):
    """Determiner, noun and adjective, wherever they stand together."""
    plural = {"reloj": "relojes", "flor": "flores", "lápiz": "lápices"}
    forms = {}  # noun as it stands there → its column of the determiners
    for noun, _, gender in grammar.THINGS:
        column = 2 * (gender == "f")
        forms |= {noun: column, plural.get(noun, noun + "s"): column + 1}
    endings = [re.compile(pattern) for pattern in ("(o|e|l|is)$", "(os|es)$", "(a|e|l|is)$", "(as|es)$")]
    determiners = {form for row in grammar.DETERMINERS for form in row[:4]} | {"un", "una"}
    stems = {adjective[:3] for adjective, _ in grammar.QUALITIES}
    seen = Counter()
    for spanish, _ in phrases:
        found = words(spanish)
        for before, noun, after in zip(found, found[1:], [*found[2:], ""], strict=False):
            if noun not in forms or (before not in determiners and after[:3] not in stems):
                continue
            column = forms[noun]
            if before in determiners:
                assert before in [row[column] for row in grammar.DETERMINERS] + [("un", "una")[column > 1]], spanish
            if after[:3] in stems:
                assert endings[column].search(after), spanish
            seen[column] += 1
    assert min(seen[column] for column in range(4)) > 300


@pytest.mark.parametrize(
    ("spanish", "english"),
    [
        (r"^Las \w+s no son \w+s\.$", r"^The \w+s are not \w+\.$"),
        (r"^Soy (alt|baj|ric)[oa]\.$", r"^I am (tall|short|rich)\.$"),
        (r"^¿Tienen (los niños|las chicas|mis \w+|tus \w+) ", r"^(Do|Are) (the|my|your) \w+ "),
        (r"^No (tengo|quiero|necesito) (un|una|el|la|mi|este|esta) ", r"^I do not (have|want|need) (an?|the|my|this) "),
        (r" tiene (sed|hambre|prisa)\.$", r" is (not )?(thirsty|hungry|in a hurry)\.$"),
        (r"^(Él|Ella|Ana|Pedro) va a comprar ", r"^(He|She|Ana|Pedro) is going to buy "),
        (r"^(Compramos|Vendimos) .* pasado\.$", r"^We (bought|sold) .* last \w+\.$"),
        (r"^¿Fue(ron)? .* al ", r"^Did .* go to the "),
        (r"^Es la una y media", r"^It is half past one"),
        (r" menos cuarto( de la mañana)?\.$", r" a quarter to \w+( in the morning)?\.$"),
        (r"^Hoy es \w+, primero de ", r"^Today is \w+, the first of "),
        (r" es el treinta y uno de ", r" is on the thirty-first of "),
    ],
)
def test_translations(many, spanish, english):
    pairs = [pair for pair in many if re.search(spanish, pair[0])]
    assert pairs
    for pair in pairs:
        assert re.search(english, pair[1]), pair


def test_what_is_tested_can_be_learnt(splits):
    """Nearly every word of the test phrases is in some training phrase."""
    for side in (0, 1):
        known = {word for pair in splits["train"] for word in words(pair[side])}
        tested = [word for pair in splits["test"] for word in words(pair[side])]
        assert sum(word in known for word in tested) >= 0.999 * len(tested)
        assert len(known) < 1000


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 0}, "`train` must be at least 1, not 0"),
        ({"test": -3}, "`test` must be at least 1, not -3"),
        ({"train": MOST_PHRASES}, f"at most {MOST_PHRASES} different phrases, not {MOST_PHRASES + 600}"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        spanish_phrases(**sizes)
