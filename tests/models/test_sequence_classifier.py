"""Sequences of one length to classes: pen paths and letters."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe
from small import splits

import zoo
from zoo.data import drawn_dna, drawn_paths
from zoo.layers.paths import RandomSlant
from zoo.preprocessing.paths import Paths
from zoo.preprocessing.symbols import Symbols

LETTERS = "ACGT"
PATHS = [*drawn_paths.examples("0123456"), np.zeros((8, 2)).tolist()]
SEQUENCES = [*drawn_dna.examples(), "acgt" * 15, " " + "ACGT" * 15 + "\n", "", "ACGX" * 15, "ACGT"]
CLASS = {"label": "string [N]", "probabilities": "float [N, 3]"}


def path_task(**arguments):
    """A `PathClassifier` of eight points."""
    model = zoo.create_model("sequence_classifier", steps=8, features=4, num_classes=3, units=8, **arguments)
    tiny.shake(model)
    return zoo.PathClassifier(model, [*"abc"], examples=PATHS[:3])


def symbol_task(**arguments):
    """A `SymbolClassifier` of 60 letters."""
    model = zoo.create_model("sequence_classifier", steps=60, symbols=4, num_classes=3, units=8, **arguments)
    tiny.shake(model)
    letters = Symbols(LETTERS, length=60)
    return zoo.SymbolClassifier(model, letters, drawn_dna.CLASSES, examples=SEQUENCES[:3])


def row(shape, length, steps, random):
    """Numbers, or ids of four symbols, whatever the length: there is no padding."""
    return random.random(shape, "float32") if len(shape) == 2 else random.integers(0, 4, shape).astype("int32")


FAMILY = Family(
    builder="sequence_classifier",
    common={"steps": 6, "num_classes": 3, "units": 4},
    tiny=[
        {"features": 4, "cell": "rnn", "augment": True},
        {"features": 3, "cell": "gru", "bidirectional": False, "layers": 2, "dropout": 0.5},
        {"symbols": 4, "cell": "lstm", "filters": 5, "bottleneck": 2},
        {"symbols": 4, "cell": "transformer"},
    ],
    wrong=[
        {"features": 2, "cell": "qrnn"},
        {"features": 2, "steps": 0},
        {"features": 2, "num_classes": 1},
        {"features": 0},
        {"symbols": 1},
        {"features": 2, "units": 0},
        {"features": 2, "layers": 0},
        {"features": 2, "filters": -1},
        {"features": 2, "bottleneck": 0},
        {"features": 2, "dropout": 1.0},
        {"features": 2, "symbols": 4},
        {"features": 3, "augment": True},
    ],
    tensors={"steps": row},
    tasks={
        "path classifier": functools.partial(path_task, cell="gru", layers=2),
        "symbol classifier": functools.partial(symbol_task, cell="lstm", filters=4),
    },
    inputs={"path": PATHS, "sequence": SEQUENCES},
    signatures=lambda task: {
        "serving_default": ({"path": "float [N, ?, 2]"}, CLASS)
        if isinstance(task, zoo.PathClassifier)
        else ({"sequence": "string [N]"}, CLASS | {"error": "string [N]"})
    },
    data=lambda: splits((PATHS, [0, 1, 2, 0, 1, 2, 0, 1]), labels=("a", "b", "c")),
    misfits={
        "three dimensions": ((np.zeros((3, 5, 3)), [0, 1, 2]), r"path float32 \[\?, 2\].*float64 \[5, 3\]"),
        "texts": ((["a"], [0]), r"path float32 \[\?, 2\]"),
    },
    recipes=(Recipe(name="pen_digits", small="--units 4 --layers 1", generator=drawn_paths.drawn_paths),),
)


# Paths


def answers(paths, points=8):
    return Paths(points=points)(tf.constant(paths, tf.float32)).numpy()


def test_a_path_is_the_same_wherever_and_however_large_it_is():
    path = np.array(PATHS[:1])
    np.testing.assert_allclose(answers(path * 7 - 300), answers(path), atol=1e-5)
    assert np.abs(answers(path)[..., :2]).max() == pytest.approx(1)


def test_points_are_at_equal_distances():
    line = np.array([[[0, 0], [1, 0], [1, 0], [9, 0], [10, 0]]])
    np.testing.assert_allclose(answers(line, points=11)[0, :, 0], np.linspace(-1, 1, 11), atol=1e-6)
    corner = np.array([[[0, 0], [4, 0], [4, 4]]])
    expected = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1]]
    np.testing.assert_allclose(answers(corner, points=5)[0, :, :2], expected, atol=1e-6)
    np.testing.assert_allclose(answers(corner, points=5)[0, :, 2:], [[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-6)


def test_as_many_points_as_wanted_are_kept():
    uneven = np.array([[[0, 0], [1, 0], [10, 0]]])
    np.testing.assert_allclose(answers(uneven, points=3)[0, :, 0], [-1, -0.8, 1], atol=1e-6)


def test_a_path_ends_before_its_first_nan():
    path = np.array(PATHS[3])
    filled = np.concatenate([path, np.full((5, 2), np.nan)])
    later = np.concatenate([filled, path])
    np.testing.assert_array_equal(answers([filled])[0], answers([path])[0])
    np.testing.assert_array_equal(answers([later])[0], answers([path])[0])


@pytest.mark.parametrize("path", [np.zeros((1, 0, 2)), np.full((1, 4, 2), np.nan), [[[3.0, 4.0]]], [[[1, 1]] * 9]])
def test_a_path_without_extent_is_a_point(path):
    np.testing.assert_array_equal(answers(path), np.zeros((1, 8, 4)))


def test_a_path_has_at_least_two_points():
    with pytest.raises(zoo.ZooError, match="at least 2 points, not points=1"):
        Paths(points=1)


def test_training_slants_paths_and_nothing_else_does():
    layer = RandomSlant(seed=1, jitter=0)
    paths = tf.constant(answers(PATHS[:4]))
    np.testing.assert_array_equal(layer(paths), paths)
    changed = layer(paths, training=True).numpy()
    assert np.abs(changed - paths).max() > 0.02
    # the ways are changed as the points are
    np.testing.assert_allclose(changed[:, 1:, 2:], changed[:, 1:, :2] - changed[:, :-1, :2], atol=1e-5)
    again = RandomSlant.from_config(layer.get_config())
    np.testing.assert_array_equal(again(paths, training=True), RandomSlant(seed=1, jitter=0)(paths, training=True))


# Letters


def test_letters_become_their_places():
    ids, error = Symbols("ACGT", length=4)(tf.constant(["ACGT", "tgca", "  AAAA\n"]))
    assert ids.numpy().tolist() == [[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 0, 0]]
    assert error.numpy().tolist() == [b"", b"", b""]


@pytest.mark.parametrize(
    ("sequence", "error"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("ACG", "a sequence has 4 letters, this one has 3"),
        ("ACGTA", "a sequence has 4 letters, this one has 5"),
        ("ACGU", "the letter 'U' is none of ACGT"),
        ("AC-T", "the letter '-' is none of ACGT"),
        ("ACGé", "the letter 'é' is none of ACGT"),
        ("A GT", "the letter ' ' is none of ACGT"),
        ("AC\x00T", "the letter '\x00' is none of ACGT"),
    ],
)
def test_other_letters_and_other_lengths_are_said(sequence, error):
    ids, errors = Symbols("ACGT", length=4)(tf.constant([sequence, "TTTT"]))
    assert [each.decode().casefold() for each in errors.numpy()] == [error.casefold(), ""]
    assert ids.numpy().tolist() == [[0] * 4, [3] * 4]


def test_an_alphabet_is_what_the_data_have():
    letters = Symbols.fit([b"GATT", b"ACAn"], length=4)
    assert letters.alphabet == "ACGNT"
    assert Symbols.from_config(letters.config(), {}).config() == letters.config()


@pytest.mark.parametrize("alphabet", ["", "A", "AA", "ac", "A C", "AÉ"])
def test_an_alphabet_that_is_none_is_refused(alphabet):
    with pytest.raises(zoo.ZooError, match="An alphabet"):
        Symbols(alphabet, length=4)


def test_special_characters_may_be_letters():
    ids, error = Symbols("]^-\\[", length=5)(tf.constant(["[\\-^]"]))
    assert (ids.numpy().tolist(), error.numpy().tolist()) == ([[4, 3, 2, 1, 0]], [b""])


def test_the_letters_are_those_of_the_model():
    model = symbol_task().model
    with pytest.raises(zoo.ZooError, match="reads 60 steps of 4 symbols, and the letters are 60 of 5"):
        zoo.SymbolClassifier(model, Symbols("ACGTN", length=60), drawn_dna.CLASSES, examples=())


def test_wrong_sequences_are_unreadable():
    assert symbol_task().unreadable([b"ACGT" * 15, b"ACG"]) == ["", "a sequence has 60 letters, this one has 3"]
