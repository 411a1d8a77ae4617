"""The loader of splice junctions: a file of the form of the real one, its folds, and the sample."""

import random

import pytest

import zoo
from zoo.data import drawn_dna


def prepare(directory, rows):
    home = directory / "raw" / "splice"
    home.mkdir(parents=True)
    (home / "splice.data").write_text(
        "".join(f"{kind},NAME-{number},{letters}\n" for number, (kind, letters) in enumerate(rows))
    )
    return zoo.RunConfig(data="real", data_dir=directory)


@pytest.fixture
def rows():
    """Two rows of each of fifty sequences."""
    rng = random.Random(0)
    sequences = ["".join(rng.choices("ACGTN", k=60)) for _ in range(50)]
    return [(rng.choice(("EI", "IE", "N")), sequence) for sequence in sequences * 2]


def sequences(split):
    return [sequence.decode() for sequence, _ in split.as_numpy_iterator()]


def test_every_sequence_is_tested_in_one_fold_and_equal_ones_together(tmp_path, rows):
    config, tested = prepare(tmp_path, rows), []
    for fold in range(10):
        junctions = zoo.data.splice_junctions(config, fold=fold)
        parts = {name: sequences(getattr(junctions, name)) for name in ("train", "validation", "test")}
        assert sum(map(len, parts.values())) == len(rows)
        assert not set(parts["test"]) & {*parts["train"], *parts["validation"]}
        assert not set(parts["validation"]) & set(parts["train"])
        assert junctions.arguments == {"fold": fold}
        tested += parts["test"]
    assert sorted(tested) == sorted(sequence for _, sequence in rows)


def test_classes_are_numbers_of_the_labels(tmp_path):
    config = prepare(
        tmp_path, [(kind, letter * 60) for kind, letter in zip(("EI", "IE", "N") * 8, "ABCDEFGHIJKLMNOPQRSTUVWX", strict=True)]
    )
    junctions = zoo.data.splice_junctions(config)
    assert junctions.labels == ("EI", "IE", "N")
    parts = (junctions.train, junctions.validation, junctions.test)
    found = {sequence.decode()[0]: int(number) for part in parts for sequence, number in part.as_numpy_iterator()}
    assert found == {letter: "ABCDEFGHIJKLMNOPQRSTUVWX".index(letter) % 3 for letter in "ABCDEFGHIJKLMNOPQRSTUVWX"}


@pytest.mark.parametrize("row", [("X", "A" * 60), ("EI", "A" * 59), ("EI", "A" * 60 + ",more")])
def test_a_line_that_is_no_junction_is_named(tmp_path, rows, row):
    config = prepare(tmp_path, [*rows[:4], row])
    with pytest.raises(zoo.ZooError, match=r"splice.data, line 5, is not a class of EI, IE, N, a name and 60 letters"):
        zoo.data.splice_junctions(config)


@pytest.mark.parametrize("fold", [-1, 10])
def test_there_are_ten_folds(fold):
    with pytest.raises(zoo.ZooError, match=f"folds 0 to 9, not {fold}"):
        zoo.data.splice_junctions(zoo.RunConfig(data="sample"), fold=fold)


def test_the_sample_is_the_same_each_time():
    first, again = drawn_dna.drawn_dna(train=20), drawn_dna.drawn_dna(train=20)
    for name, (letters, classes) in first.items():
        assert letters == again[name][0]
        assert {len(each) for each in letters} == {60}
        assert set(classes) <= {0, 1, 2}
    assert first["validation"][0] != first["test"][0]
