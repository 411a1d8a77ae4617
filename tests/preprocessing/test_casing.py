"""Capitals for what was written in lower case."""

import tensorflow as tf

from zoo.preprocessing.casing import recased


def cased(text, source):
    return recased(tf.constant([text]), tf.constant([source]), tf.constant([0])).numpy()[0].decode()


def test_words_are_written_as_their_source_has_them():
    source = "Attached is the FERC order on EnronOnline's budget. Sara O'Neil signed the Order."
    assert cased("ferc order on enrononline's budget", source) == "FERC order on EnronOnline's budget"
    assert cased("sara o'neil, attached", source) == "Sara O'Neil, Attached"


def test_a_word_that_is_also_written_small_is_small_and_the_first_letter_is_large():
    assert cased("the budget and the budget", "Budget: the budget is BUDGET") == "The budget and the budget"


def test_what_the_source_does_not_have_stays_as_it_is():
    assert cased("reminder: gas day 3/4", "no such words") == "Reminder: gas day 3/4"
    assert cased("ñandú", "") == "Ñandú"
    assert cased("", "Something") == ""


def test_each_text_has_a_source_of_its_own():
    texts, sources = ["a ferc b", "a ferc b", "a ferc b"], ["FERC", "Ferc"]
    assert recased(tf.constant(texts), tf.constant(sources), tf.constant([1, 0, 1])).numpy().tolist() == [
        b"A Ferc b",
        b"A FERC b",
        b"A Ferc b",
    ]
    assert recased(tf.constant([], tf.string), tf.constant(sources), tf.constant([], tf.int32)).shape == [0]
