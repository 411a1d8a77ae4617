"""The adding problem."""

import numpy as np
import pytest

import zoo

SIZES = {"train": 2_000, "validation": 30, "test": 20}


def read(dataset):
    series, sums = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.array(series), np.array(sums)


@pytest.mark.parametrize("length", [2, 3, 7, 50])
def test_two_numbers_are_marked_and_summed(length):
    data = zoo.data.adding_problem(zoo.RunConfig(), length=length, **SIZES)
    assert data.sizes == SIZES
    for part in SIZES:
        series, sums = read(getattr(data, part))
        assert (series.dtype, sums.dtype) == (np.float32, np.float32)
        assert series.shape[1:] == (length, 2)
        numbers, markers = series[..., 0], series[..., 1]
        assert numbers.min() >= 0
        assert numbers.max() < 1
        assert set(np.unique(markers)) <= {0, 1}
        assert (markers[:, : length // 2].sum(1) == 1).all()
        assert (markers[:, length // 2 :].sum(1) == 1).all()
        np.testing.assert_allclose(sums, (numbers * markers).sum(1, keepdims=True), rtol=1e-6)
    series, sums = read(data.train)
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, rel=0.1)
    assert (series[..., 1].sum(0) > 0).all(), "a step is never marked"


def test_the_seed_decides_and_the_splits_differ():
    def numbers(**changes):
        data = zoo.data.adding_problem(
            zoo.RunConfig(), **{"length": 6, "train": 20, "validation": 20, "test": 20, "seed": 3, **changes}
        )
        return [read(getattr(data, part))[0] for part in SIZES]

    first = numbers()
    assert all(np.array_equal(one, other) for one, other in zip(first, numbers(), strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(first, numbers(seed=4), strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    assert np.array_equal(first[2], numbers(train=500)[2])


def test_the_card_can_say_what_it_is_and_make_it_again():
    data = zoo.data.adding_problem(zoo.RunConfig(), length=9, **SIZES, seed=5)
    assert data.source == "synthetic"
    assert "9 steps" in data.description
    again = getattr(zoo.data, data.loader)(zoo.RunConfig(), **data.arguments)
    assert np.array_equal(read(again.test)[0], read(data.test)[0])


@pytest.mark.parametrize(("change", "message"), [({"length": 1}, "at least 2 steps"), ({"test": 0}, "test split .* not 0")])
def test_too_little_is_refused(change, message):
    with pytest.raises(zoo.ZooError, match=message):
        zoo.data.adding_problem(zoo.RunConfig(), **{"length": 9, **SIZES, **change})
