"""Word vectors from counts."""

import numpy as np
import pytest

from zoo.preprocessing import cooccurrence_embeddings

SIZE, WIDTH = 42, 6
ANIMALS, TOOLS = range(2, 12), range(12, 22)  # the first stand beside words 22 to 31, the others beside 32 to 41


def corpus(seed=0):
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(400):
        kind, low = (ANIMALS, 22) if random.random() < 0.5 else (TOOLS, 32)
        words = [random.choice(kind), *random.integers(low, low + 10, 3)]
        texts.append(np.array([1, *random.permutation(words), 0, 0]))
    return texts


def vectors(**arguments):
    return cooccurrence_embeddings(corpus(), **{"size": SIZE, "width": WIDTH, **arguments})


def test_words_with_like_neighbours_are_near():
    unit = vectors()[2:22]
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    likeness = unit @ unit.T
    same = np.equal.outer(np.arange(20) < 10, np.arange(20) < 10) & ~np.eye(20, dtype=bool)
    other = ~same & ~np.eye(20, dtype=bool)
    assert likeness[same].min() > likeness[other].max()


def test_shape_and_scale():
    result = vectors()
    assert result.shape == (SIZE, WIDTH)
    assert result.dtype == np.float32
    assert not result[:2].any()  # padding and the unknown word
    assert np.sqrt(np.mean(result[2:] ** 2)) == pytest.approx(1, abs=1e-5)


def test_a_seed_decides():
    np.testing.assert_array_equal(vectors(seed=3), vectors(seed=3))
    assert np.abs(vectors(seed=3) - vectors(seed=4)).max() > 0


def test_a_word_that_is_never_seen_is_zero():
    result = vectors(size=SIZE + 5)
    np.testing.assert_allclose(result[SIZE:], 0, atol=1e-5)
    assert np.isfinite(result).all()


def test_neighbours_are_not_looked_for_in_the_next_text():
    """Words 2 and 3 stand beside 6, words 4 and 5 beside 7, and the texts alternate."""
    texts = [np.array(pair) for pair in ([2, 6], [4, 7], [3, 6], [5, 7])] * 9
    result = cooccurrence_embeddings(texts, size=8, width=4)[2:6]
    np.testing.assert_allclose(result[:2] @ result[2:].T, 0, atol=1e-4)
    np.testing.assert_allclose(result[0], result[1], atol=1e-4)
    assert np.linalg.norm(result, axis=1).min() > 0.1


def test_few_words_count_as_neighbours_if_told():
    assert np.isfinite(vectors(contexts=10, width=4)).all()


def test_texts_without_neighbours_give_zeros():
    result = cooccurrence_embeddings([np.array([2]), np.array([3]), np.array([], int)], size=4, width=1)
    np.testing.assert_array_equal(result, np.zeros((4, 1)))
