"""Words and phrases that follow from sentence pairs."""

from zoo.data.alignment import phrase_table

NOUNS = {"perro": "dog", "gato": "cat", "libro": "book", "coche": "car", "pan": "bread"}
VERBS = {"veo": "see", "busco": "want", "compro": "buy"}
COLOURS = {"rojo": "red", "negro": "black", "nuevo": "new"}
DETERMINERS = {"un": "a", "el": "the", "mi": "my"}
PAIRS = [
    (f"{verb} {which} {noun} {colour}".split(), f"{see} {the} {red} {dog}".split())
    for verb, see in VERBS.items()
    for which, the in DETERMINERS.items()
    for noun, dog in NOUNS.items()
    for colour, red in COLOURS.items()
] + [
    (f"{verb} {which} {noun}".split(), f"{see} {the} {dog}".split())
    for verb, see in VERBS.items()
    for which, the in DETERMINERS.items()
    for noun, dog in NOUNS.items()
]


def test_words_are_found_by_what_they_stand_with():
    table = phrase_table(PAIRS)
    for spanish, english in (NOUNS | VERBS | COLOURS | DETERMINERS).items():
        assert table[spanish] == english


def test_a_phrase_has_the_order_of_its_translation():
    table = phrase_table(PAIRS)
    assert table["perro rojo"] == "red dog"
    assert table["perro negro"] == "black dog"


def test_what_is_rare_is_left_out():
    assert "raro" not in phrase_table([*PAIRS, (["un", "raro"], ["a", "rare", "one"])])
    assert phrase_table(PAIRS, least=10**6) == {}


def test_no_pairs_and_long_ones_have_no_phrases():
    assert phrase_table([]) == {}
    assert phrase_table([(["palabra"] * 50, ["word"] * 50)] * 9) == {}


def test_the_same_pairs_have_the_same_phrases():
    assert list(phrase_table(PAIRS).items()) == list(phrase_table(PAIRS).items())
