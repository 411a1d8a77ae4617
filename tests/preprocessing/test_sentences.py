"""Texts to sentences, and to rows of sub-words."""

import pytest
import tensorflow as tf

from zoo.preprocessing import SubWords, sentence_rows, split_sentences
from zoo.preprocessing.sentences import MOST_ROWS, lowered

SENTENCES = {
    "plain": ("Hola. ¿Cómo estás? ¡Ven!", ["Hola.", "¿Cómo estás?", "¡Ven!"]),
    "titles and initials": (
        "El Sr. López y la Dra. Paz. J. R. R. Tolkien.",
        ["El Sr. López y la Dra. Paz.", "J. R. R. Tolkien."],
    ),
    "numbers": ("Son 3.5 kilos. Cuesta 2.500 euros. 2 más.", ["Son 3.5 kilos.", "Cuesta 2.500 euros.", "2 más."]),
    "in lower case": ("hola. soy ana. ven", ["hola.", "soy ana.", "ven"]),
    "abbreviations in lower case": (
        "Hay pan, leche, etc. y a las 5 p. m. vino.",
        ["Hay pan, leche, etc. y a las 5 p. m. vino."],
    ),
    "quotes": ("Dijo: «No.» Luego (¡ay!) se fue. (Sí.)", ["Dijo: «No.»", "Luego (¡ay!) se fue.", "(Sí.)"]),
    "marks in a row": ("¿Qué?! No... Bueno… Sí", ["¿Qué?!", "No...", "Bueno...", "Sí"]),
    "lower case after a question": ("¿Vienes? si quieres.", ["¿Vienes?", "si quieres."]),
    "lines": ("pan\r\nleche\n\n\thuevos\u2028sal", ["pan", "leche", "huevos", "sal"]),
    "a wrapped line": (f"{'muy ' * 12}\nlargo.\nSí.", [f"{'muy ' * 12}largo.", "Sí."]),
    "without spaces": ("你好！你在哪？我很好。好", ["你好!", "你在哪?", "我很好。", "好"]),
    "references": ("Uno.&nbsp;Dos &amp; tres.", ["Uno.", "Dos & tres."]),
    "one": ("Hola", ["Hola"]),
    "empty": ("", [""]),
    "only spaces": (" \n\u200b ", [""]),
    "only marks": ("... !", ["...", "!"]),
}


def split(*texts):
    sentences, owners = split_sentences(tf.constant(texts, tf.string, shape=[len(texts)]))
    rows = [[] for _ in texts]
    for sentence, owner in zip(sentences.numpy(), owners.numpy(), strict=True):
        rows[owner].append(sentence.decode())
    return rows


@pytest.mark.parametrize(("text", "sentences"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(text, sentences):
    assert split(text) == [sentences]


def test_batch_mates_do_not_change_a_text():
    texts, sentences = zip(*SENTENCES.values(), strict=True)
    assert split(*texts) == list(sentences)
    assert split() == []


LOWERED = {
    "a sentence": ("¡TENGO HAMBRE, ÓSCAR!", "¡Tengo hambre, óscar!", True),
    "a word": ("HOLA", "Hola", True),
    "a capital": ("A", "A", False),
    "a name": ("Es la ONU.", "Es la ONU.", False),
    "numbers": ("12345", "12345", False),
    "no case": ("你好", "你好", False),
    "empty": ("", "", False),
}


def small(*texts):
    sentences, loud = lowered(*split_sentences(tf.constant(texts)), len(texts))
    return list(zip([sentence.decode() for sentence in sentences.numpy()], loud.numpy().tolist(), strict=True))


@pytest.mark.parametrize(("text", "lower", "loud"), LOWERED.values(), ids=LOWERED)
def test_capitals(text, lower, loud):
    assert small(text) == [(lower, loud)]


def test_a_word_in_capitals_is_a_name_where_the_rest_is_not_in_capitals():
    assert small("Vive aquí. ONU. TENGO HAMBRE.", "VEN. OK.") == [
        ("Vive aquí.", False),
        ("ONU.", False),
        ("Tengo hambre.", True),
        ("Ven.", True),
        ("Ok.", True),
    ]


@pytest.fixture(scope="module")
def words():
    """A vocabulary of whole words: a piece for each of them."""
    return SubWords(["▁", *"abcx.,", "▁a", "▁b", "▁c", "▁A", "▁B", "▁C"], limit=8)


def written(words, rows):
    texts = [words.decode(rows.ids[number : number + 1])[0].numpy().decode() for number in range(len(rows.ids))]
    return list(zip(rows.owners.numpy().tolist(), texts, strict=True))


def test_a_sentence_is_a_row(words):
    rows = sentence_rows(words, tf.constant(["A b. C a", "", "B"]))
    assert written(words, rows) == [(0, "A b."), (0, "C a"), (1, ""), (2, "B")]
    assert rows.cut.numpy().tolist() == [False, False, False]


def test_no_texts_have_no_rows(words):
    rows = sentence_rows(words, tf.constant([], tf.string, shape=[0]))
    assert (len(rows.ids), len(rows.owners), len(rows.cut)) == (0, 0, 0)


def test_texts_of_several_sentences_may_be_one_row_as_long_as_they_fit(words):
    rows = sentence_rows(words, tf.constant(["A b. C a", "A b c a. B c b. C"]), by_sentence=False)
    assert written(words, rows) == [(0, "A b. C a"), (1, "A b c a."), (1, "B c b."), (1, "C")]


def test_long_sentences_go_on_from_a_clause(words):
    rows = sentence_rows(words, tf.constant(["A b, c a, b, a b c a b."]))
    assert written(words, rows) == [(0, "A b, c a,"), (0, "b,"), (0, "a b c a"), (0, "b.")]
    assert not rows.cut[0]


def test_long_clauses_go_on_from_a_word(words):
    text = "A b" + " c a" * 9
    rows = sentence_rows(words, tf.constant([text]))
    assert [len(row.split()) for _, row in written(words, rows)] == [4, 4, 4, 4, 4]
    assert " ".join(row for _, row in written(words, rows)) == text
    assert not rows.cut[0]


def test_what_has_no_room_is_cut_and_that_is_said(words):
    texts = ["x" * 20, "b. " * MOST_ROWS, "b. " * (MOST_ROWS + 1), "a " * 2_000, "B"]
    rows = sentence_rows(words, tf.constant(texts))
    assert rows.cut.numpy().tolist() == [True, False, True, True, False]
    counts = [rows.owners.numpy().tolist().count(text) for text in range(5)]
    assert counts == [1, MOST_ROWS, MOST_ROWS, MOST_ROWS, 1]
    assert rows.ids.shape[1] <= words.limit


def test_capitals_are_read_in_lower_case_unless_told_otherwise(words):
    assert written(words, sentence_rows(words, tf.constant(["ABC"]))) == [(0, "Abc")]
    assert sentence_rows(words, tf.constant(["ABC"]), fold=False).loud.numpy().tolist() == [False]
