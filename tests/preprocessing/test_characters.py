"""Characters to ids and back."""

import pytest
import tensorflow as tf

import zoo
from zoo.preprocessing.characters import Characters

TEXTS = ["A\tb\r\nc — é", "漢字 😀\n", "", "zz\r"]


@pytest.fixture(scope="module")
def characters():
    return Characters.fit(tf.data.Dataset.from_tensor_slices(TEXTS), limit=50)


def test_a_text_comes_back_as_it_was_but_for_its_line_ends(characters):
    ids = characters(tf.constant(TEXTS))
    assert [text.decode() for text in characters.decode(ids).numpy()] == [
        text.replace("\r\n", "\n").replace("\r", "\n") for text in TEXTS
    ]
    assert tf.math.count_nonzero(ids, axis=1).numpy().tolist() == [9, 5, 0, 3]
    assert characters.size == len(set("".join(TEXTS).replace("\r", "\n"))) + 4


def test_the_most_frequent_comes_first_and_rare_ones_may_be_left_out():
    texts = tf.data.Dataset.from_tensor_slices(["abba\ncab", "b"])
    assert Characters.fit(texts, limit=9).vocabulary == ["98\tb", "97\ta", "10\t", "99\tc"]
    few = Characters.fit(texts, limit=9, least=3)
    assert few(tf.constant(["abc"])).numpy().tolist() == [[5, 4, few.UNKNOWN]]
    assert few.decode([[5, 4, 1, few.END, 4]]).numpy()[0].decode() == "ab\ufffd"


def test_odd_texts_have_ids(characters):
    for texts in ([b"\xff\xfeA\xe2\x82"], ["A" * 10_000], [""], []):
        ids = characters(tf.constant(texts, tf.string))
        assert ids.shape[0] == len(texts)
        assert 1 <= ids.shape[1] <= 50
    assert characters(tf.constant(["A" * 10_000])).shape == (1, 50)


def test_it_is_rebuilt_from_its_lines(characters):
    again = Characters.from_config(characters.config(), characters.assets)
    ids = characters(tf.constant(TEXTS))
    assert again(tf.constant(TEXTS)).numpy().tolist() == ids.numpy().tolist()
    assert all("\n" not in line for line in characters.vocabulary)


@pytest.mark.parametrize(
    ("lines", "limit", "message"),
    [([], 5, "at least one character"), (["98\tb"], 0, "limit=0"), (["b"], 5, "begins with the number of one and a tab")],
)
def test_what_is_no_vocabulary_is_refused(lines, limit, message):
    with pytest.raises(zoo.ZooError, match=message):
        Characters(lines, limit=limit)
