"""Variants of sentence pairs: what they are made of, what they keep apart, and where there are none."""

import re

import pytest
import tensorflow as tf

from zoo.data import Splits, with_variants
from zoo.data.translation_variants import _plain_key

NAMES = "Tom Ana Boris Clara Denis Emma Felix Greta Hugo Irene Julia Karl".split()
THINGS = {"perros": "dogs", "gatos": "cats", "libros": "books", "coches": "cars", "años": "years"}
TRAIN = (
    [(f"¿Dónde está {name}?", f"Where is {name}?") for name in NAMES]
    + [(f"{name} vive aquí.", f"{name} lives here.") for name in NAMES]
    + [(f"Mañana veo a {name}.", f"I see {name} tomorrow.") for name in NAMES]
    + [(f"Tengo {n} {thing}.", f"I have {n} {english}.") for n in range(12, 30) for thing, english in THINGS.items()]
    + [(f"Son las {n}:{m}.", f"It is {n}:{m}.") for n in range(2, 9) for m in (15, 30)]
    + [(f"Cuesta {n}.500 euros.", f"It costs {n},500 euros.") for n in range(2, 9)]
    + [
        (f"{verb} {which} {noun} {colour}.", f"{see} {the} {red} {dog}.")
        for verb, see in {"Veo": "I see", "Busco": "We want", "Compra": "She buys"}.items()
        for which, the in {"un": "a", "el": "the", "mi": "my"}.items()
        for noun, dog in {"perro": "dog", "gato": "cat", "libro": "book", "coche": "car", "pan": "bread"}.items()
        for colour, red in {"rojo": "red", "negro": "black", "nuevo": "new"}.items()
    ]
    + [
        (f"Hoy {verb} pan.", f"Today {see} bread.")
        for verb, see in (("veo", "I see"), ("busco", "we want"), ("ve", "she sees"))
    ]
    + [(f"Ven, {name}, por favor.", f"Come, {name}, please.") for name in NAMES[:3]]
    + [
        (f"{yes}, {name} viene.", f"{there}, {name} comes.")
        for yes, there in (("No", "No"), ("Bueno", "Well"))
        for name in NAMES[:2]
    ]
    + [("Viene Tom, ¿verdad?", "Tom comes, doesn't he?"), ("Viene Ana, ¿verdad?", "Ana comes, doesn't she?")]
    + [("¡Hola!", "Hello!"), ("Sí.", "Yes."), ("No sé.", "I don't know.")]
)


def splits(train, validation=(("Adiós.", "Bye."),), test=(("Gracias.", ["Thanks.", "Thank you."]),)):
    def pairs(rows):
        return tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*rows, strict=True))))

    sources, references = zip(*test, strict=True)
    tested = tf.data.Dataset.from_tensor_slices((list(sources), tf.ragged.constant(list(references))))
    options = {"loader": "sentence_pairs", "source": "own", "description": "pairs", "terms": "none"}
    return Splits(train=pairs(train), validation=pairs(validation), test=tested, **options)


def made(train, **others):
    """The variants alone."""
    rows = [tuple(text.decode() for text in row) for row in with_variants(splits(train, **others)).train.as_numpy_iterator()]
    assert rows[: len(train)] == list(train)
    return rows[len(train) :]


@pytest.fixture(scope="module")
def variants():
    return made(TRAIN)


def test_the_pairs_themselves_stay_and_the_card_tells_of_the_others():
    data = with_variants(splits(TRAIN))
    count = data.sizes["train"] - len(TRAIN)
    assert 0.05 < count / len(TRAIN) < 0.8
    assert data.description.startswith(f"pairs; and {count:,} variants of the training pairs")
    assert (data.sizes["validation"], data.sizes["test"]) == (1, 1)


def test_equal_seeds_give_equal_variants(variants):
    assert made(TRAIN) == variants


def test_sentences_typed_in_haste_have_translations_alike(variants):
    hasty = [(source, target) for source, target in variants if " " in source and source[0].islower()]
    begun = {source.split()[0]: target.split()[0] for source, target in hasty}
    assert begun["busco"] == "we"
    assert begun["veo"] == "I"
    assert {target.split()[0] for source, target in hasty if source.removesuffix(".").endswith("vive aquí")} <= set(NAMES)
    for source, target in variants:
        if source[0] not in "¿¡":
            assert (source[-1] in ".!?") == (target[-1] in ".!?")
    assert any(source[-1].isalpha() for source, _ in hasty)
    assert any(source[-1] == "." for source, _ in hasty)


def test_numbers_are_the_same_on_both_sides(variants):
    known = {number for pair in TRAIN for number in re.findall(r"\d+", pair[0])}
    new = set()
    for source, target in variants:
        numbers = re.findall(r"\d+(?:[.:]\d+)?", source)
        assert [re.sub(r"\D", "", number) for number in numbers] == re.findall(r"\d+", re.sub(r"(?<=\d)[,:](?=\d)", "", target))
        new.update(number for number in numbers if number not in known)
        for number in numbers:
            if "." in number and "euros" in source:
                assert number.replace(".", ",") in target
    lengths = {len(number) for number in new if number.isdigit()}
    assert min(lengths) <= 2
    assert max(lengths) >= 5
    assert any(source == target and source.isdigit() for source, target in variants)


def test_names_are_the_same_on_both_sides(variants):
    renamed = [re.fullmatch("(.+) vive aquí.", source) for source, _ in variants]
    new = {match[1] for match in renamed if match and match[1][0].isupper()} - set(NAMES)
    assert new
    for source, target in variants:
        if source.removesuffix(" vive aquí.") in new:
            assert target == f"{source.removesuffix(' vive aquí.')} lives here."
    assert any(source == target and source.isalpha() for source, target in variants)


def test_words_have_the_translation_that_the_pairs_show(variants):
    alone = {source.lower(): target.lower() for source, target in variants}
    assert {"perro": "dog", "gato": "cat", "libro": "book"}.items() <= alone.items()


def test_what_stands_before_or_after_a_comma_is_said_alone_too(variants):
    said = {source.lower().rstrip("."): target.lower().rstrip(".") for source, target in variants}
    assert {"por favor": "please", "no": "no", "bueno": "well"}.items() <= said.items()
    assert not any(_plain_key(source) == "verdad" for source in said)  # translated in more ways than one


def test_single_words_come_in_capitals_too(variants):
    shouted = [(source, target) for source, target in variants if len(source) > 1 and source.isupper()]
    assert shouted
    assert all(target.isupper() for _, target in shouted)


def test_nothing_of_the_other_splits_is_made():
    held = {
        "validation": [("Perro", "Hounds"), ("Libro", "Works")],
        "test": [("donde esta ana", ["Where might Ana be"]), ("Wau", ["Cats", "hello"])],
    }
    kept = {_plain_key(source) for source in ("Perro", "Libro", "donde esta ana", "Wau")}
    targets = {_plain_key(target) for target in ("Hounds", "Works", "Where might Ana be", "Cats", "hello")}
    for source, target in made(TRAIN, **held):
        assert _plain_key(source) not in kept
        assert _plain_key(target) not in targets


def test_what_is_no_language_has_no_variants():
    """Sums, whose numbers are not copied; codes without sentences, names or words."""
    assert made([(f"{a}+{b}", str(a + b)) for a in range(30) for b in range(30)]) == []
    assert made([(f"x{a}-q", f"{a}y") for a in range(300)]) == []


def test_few_pairs_are_enough():
    assert len(made([("Hola.", "Hello.")])) <= 2
