"""Texts to sub-words and back."""

import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import ZooError
from zoo.preprocessing import SubWords, normalise
from zoo.preprocessing.subwords import word_counts

CORPUS = (
    "the lower the better",
    "lower, lowest: the newest and the widest!",
    "Isn't it 1984 or 20 degrees?",
    "¿Dónde está el niño? ¡Aquí, señor!",
    "the pingüino's newer, wider nest",
    "Él no está aquí; ella sí está.",
    '"the end" (at last)...',
)
ALPHABET = "".join(sorted(set("".join(CORPUS))))


def texts(*items):
    return tf.constant(items, tf.string, shape=[len(items)])


def dataset(*items):
    return tf.data.Dataset.from_tensor_slices(texts(*items))


def strings(tensor):
    return [item.decode() for item in tensor.numpy().ravel()]


@pytest.fixture(scope="module")
def learnt():
    return SubWords.fit(dataset(*CORPUS * 2), size=120, limit=200)


@pytest.fixture(scope="module")
def encode(learnt):
    return tf.function(learnt.__call__, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def pieces(words, text):
    """The pieces of one text."""
    return strings(words.pieces(words(texts(text))))


def test_pieces_stay_within_words():
    characters = sorted(set("▁Helo,wrd!it'sn190¿D-"))
    words = SubWords([*characters, "▁Hello", "▁world", "lo,", "▁isn't", "▁19", "19", "▁¿", "-wo", "world"], limit=99)
    assert pieces(words, "Hello, world!") == ["▁Hello", ",", "▁world", "!"]
    assert pieces(words, "isn't 199 ¿D") == ["▁isn't", "▁", "1", "9", "9", "▁¿", "D"]
    assert pieces(words, "'it' Hello-world") == ["▁", "'", "i", "t", "'", "▁Hello", "-", "world"]


def test_ids():
    words = SubWords(["a", "b", "ab", "▁", "▁a", "▁ab"], limit=4)
    ids = words(texts("ab a", "aba", "xa", "", "a a a a a a"))
    assert ids.dtype == tf.int32
    np.testing.assert_array_equal(ids, [[9, 8, 0, 0], [9, 4, 0, 0], [7, 1, 4, 0], [0, 0, 0, 0], [8, 8, 8, 8]])
    assert words.size == 4 + 6


def longest_matches(token, vocabulary):
    """The reference: ids of one pre-token."""
    while token:
        for length in range(len(token), 0, -1):
            if token[:length] in vocabulary:
                yield vocabulary[token[:length]]
                break
        else:
            yield SubWords.UNKNOWN
        token = token[length:]


@given(
    st.sets(st.text("abc▁", min_size=1, max_size=5), min_size=1),
    st.lists(st.lists(st.text("abcd", min_size=1, max_size=9), max_size=5), max_size=4),
    st.integers(1, 12),
)
@settings(deadline=None, max_examples=40)
def test_the_longest_match_is_that_of_a_plain_loop(vocabulary, items, limit):
    vocabulary = sorted(vocabulary)
    numbers = {piece: SubWords.RESERVED + number for number, piece in enumerate(vocabulary)}
    expected = [[number for word in row for number in longest_matches("▁" + word, numbers)][:limit] for row in items]
    width = max(map(len, expected), default=0) or 1
    ids = SubWords(vocabulary, limit=limit)(texts(*(" ".join(row) for row in items)))
    np.testing.assert_array_equal(ids, np.reshape([row + [0] * (width - len(row)) for row in expected], [-1, width]))


@given(st.lists(st.text(ALPHABET), max_size=4))
@settings(deadline=None, max_examples=50)
def test_decoding_gives_back_the_text(learnt, encode, items):
    ids = encode(texts(*items))
    assert not np.any(ids == SubWords.UNKNOWN)
    assert strings(learnt.decode(ids)) == strings(normalise(texts(*items)))


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=100)
def test_of_any_text_only_the_unknown_characters_are_lost(learnt, encode, text):
    normal = strings(normalise(texts(text)))[0]
    expected = "".join(character if character in {*learnt.vocabulary, " "} else "�" for character in normal)
    assert strings(learnt.decode(encode(texts(text)))) == [expected]


def test_unknown_characters_leave_their_neighbours_alone(learnt):
    assert pieces(learnt, "the 😀 lower") == ["▁the", "▁", "�", "▁lower"]
    assert pieces(learnt, "фи映lower")[:4] == ["▁", "�", "�", "�"]
    assert strings(learnt.decode(learnt(texts("the😀lower")))) == ["the�lower"]


def test_batch_mates_do_not_change_an_answer(encode):
    items = [*CORPUS, "", "x" * 300, "映画" * 20, "e\u0301", b"\xff\xfe"]
    together = encode(texts(*items)).numpy()
    for item, row in zip(items, together, strict=True):
        alone = encode(texts(item)).numpy()[0]
        np.testing.assert_array_equal(row, np.pad(alone, [0, len(row) - len(alone)]))


def test_accents_built_in_or_separate_are_the_same(learnt):
    built_in, separate = learnt(texts(*(unicodedata.normalize(form, CORPUS[3]) for form in ("NFC", "NFD"))))
    np.testing.assert_array_equal(built_in, separate)
    assert not np.any(separate == SubWords.UNKNOWN)


@given(st.text(ALPHABET + "x映", max_size=40), st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_the_limit_cuts_off_the_rest_and_changes_nothing_before(learnt, encode, text, limit):
    np.testing.assert_array_equal(SubWords(learnt.vocabulary, limit=limit)(texts(text)), encode(texts(text))[:, :limit])


@pytest.mark.parametrize("unit", ["a", "映", "the ", " ", ". ", "e\u0301", "“"])
def test_a_very_long_text_is_cut(learnt, encode, unit):
    ids = encode(texts(unit * (1_000_000 // len(unit.encode())), "the lower"))
    assert ids.shape[1] <= learnt.limit
    np.testing.assert_array_equal(ids[1, :2], encode(texts("the lower"))[0])


@pytest.mark.parametrize("items", [("",), ("", " "), ()])
def test_texts_without_characters_have_one_step(learnt, items):
    ids = learnt(texts(*items))
    assert ids.dtype == tf.int32
    np.testing.assert_array_equal(ids, np.zeros((len(items), 1)))
    assert strings(learnt.decode(ids)) == [""] * len(items)


def test_decoding_ends_at_the_first_end():
    words = SubWords(["▁a", "b"], limit=9)
    ids = tf.constant([[2, 4, 5, 3, 5], [4, 0, 5, 1, 4], [3, 4, 4, 4, 4], [4, 4, 99, 5, 0]])
    assert strings(words.decode(ids)) == ["ab", "ab� a", "", "a a�b"]
    assert strings(words.pieces(ids[:1])) == ["", "▁a", "b", "", "b"]
    assert strings(words.decode(tf.zeros([2, 0], tf.int64))) == ["", ""]


def test_frequent_pairs_become_pieces():
    """The example of Sennrich et al. 2016: low, lower, newest, widest."""
    items = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    words = SubWords.fit(dataset(*items), size=4 + 11 + 6, limit=9)
    assert words.vocabulary == [*"ew▁stlondir", "es", "est", "lo", "low", "▁low", "ew"]
    assert pieces(words, "lowest") == ["▁low", "est"]


def test_learning_does_not_depend_on_the_order_of_the_texts(learnt):
    items = list(CORPUS * 2)
    random.Random(0).shuffle(items)
    assert SubWords.fit(dataset(*items), size=120, limit=200).vocabulary == learnt.vocabulary


def test_learning_ends_where_no_pair_occurs_twice():
    words = SubWords.fit(dataset("ab映", "abcd"), size=1000, limit=9)
    assert words.vocabulary == ["a", "b", "▁", "c", "d", "ab", "▁ab"]  # 映 occurs once and is not ASCII


def test_pieces_are_seen_often_enough():
    items = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    assert SubWords.fit(dataset(*items), size=99, limit=9, least=8).vocabulary == [*"ew▁stlondir", "es", "est"]
    assert max(map(len, SubWords.fit(dataset(*items), size=99, limit=9, least=None).vocabulary)) == 1


def test_the_limit_follows_from_the_texts_where_none_is_given():
    def limit(*lengths):
        return SubWords.fit(dataset(*("x" * length for length in lengths)), size=9, limit=None, least=None).limit

    assert limit(3, 12) == 64
    assert limit(3, 100) == 102  # the space before it, and room to end
    assert limit(*[3] * 999, 100) == 64
    assert limit(9_000) == 512


def test_words_are_counted_and_no_marks_or_digits():
    assert word_counts(dataset("Hola, 2 gatos!", "2 gatos")) == {"▁Hola": 1, "▁gatos": 2}


def test_ids_and_texts_are_the_same_after_saving_and_loading(learnt, tmp_path):
    other = SubWords(["▁a", "b"], limit=3, file="other.txt")
    module = tf.Module()
    module.resources = [learnt.resources, other.resources]
    text = tf.TensorSpec([None], tf.string, name="text")

    @tf.function(input_signature=[text], autograph=False)
    def there_and_back(text):
        ids = learnt(text)
        return {"ids": ids, "other": other(text), "text": learnt.decode(ids)}

    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": there_and_back})
    assert sorted(path.name for path in (tmp_path / "assets").iterdir()) == ["other.txt", "vocabulary.txt"]
    lines = (tmp_path / "assets" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert lines == learnt.vocabulary
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    for items in (CORPUS, ("e\u0301 映",), ()):
        answers = loaded(text=texts(*items))
        np.testing.assert_array_equal(answers["ids"], learnt(texts(*items)))
        np.testing.assert_array_equal(answers["other"], other(texts(*items)))
        assert strings(answers["text"]) == strings(learnt.decode(learnt(texts(*items))))


def test_a_data_set_is_encoded_while_it_is_read(learnt):
    batches = [ids.numpy() for ids in dataset(*CORPUS).batch(3).map(learnt)]
    for ids, start in zip(batches, (0, 3, 6), strict=True):
        np.testing.assert_array_equal(ids, learnt(texts(*CORPUS[start : start + 3])))


def test_what_cannot_be_is_refused():
    with pytest.raises(ZooError, match="at least 1 piece, not limit=0"):
        SubWords(["a"], limit=0)
    with pytest.raises(ZooError, match="vocabulary is empty"):
        SubWords([], limit=1)
    with pytest.raises(ZooError, match="vocabulary is empty"):
        SubWords.fit(dataset("", " "), size=9, limit=1)
    with pytest.raises(ZooError, match="size=6 is too small: the characters of these texts need 8 ids"):
        SubWords.fit(dataset("abc"), size=6, limit=1)


def test_a_vocabulary_in_lower_case_reads_capitals_as_small_letters():
    texts = tf.data.Dataset.from_tensor_slices(["The Éclair and the ÉCLAIR"] * 3)
    words = SubWords.fit(texts, size=60, limit=20, lower=True)
    assert not any(piece != piece.lower() for piece in words.vocabulary)
    ids = words(tf.constant(["the éclair", "THE Éclair"])).numpy()
    assert (ids[0] == ids[1]).all()
    assert words.decode(ids)[1] == "the éclair".encode()
    again = SubWords.from_config(words.config(), words.assets)
    assert again.lower
    assert "lower" not in SubWords.fit(texts, size=60, limit=20).config()  # an older card lacks it


def test_the_same_vocabulary_with_another_limit():
    words = SubWords.fit(tf.data.Dataset.from_tensor_slices(["a b c d e f"] * 3), size=60, limit=6)
    shorter = words.limited(2)
    text = tf.constant(["a b c d e f"])
    assert (words.limit, shorter.limit) == (6, 2)
    np.testing.assert_array_equal(shorter(text), words(text)[:, :2])
