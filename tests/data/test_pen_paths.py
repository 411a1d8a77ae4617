"""The loader of pen digits: files of the form of the real ones, and the sample."""

import numpy as np
import pytest

import zoo
from zoo.data import drawn_paths


def prepare(directory, train, test):
    home = directory / "raw" / "pendigits"
    home.mkdir(parents=True)
    for name, lines in (("pendigits.tra", train), ("pendigits.tes", test)):
        (home / name).write_text("".join(f"{line}\n" for line in lines))
    return zoo.RunConfig(data="real", data_dir=directory)


def line(digit, *first):
    return ",".join(f"{number:>3}" for number in (*first, *range(16 - len(first)), digit))


def test_a_row_is_eight_points_and_a_digit(tmp_path):
    train = [line(number % 10, number) for number in range(60)]
    digits = zoo.data.pen_digits(prepare(tmp_path, train, [line(7, 100, 0), line(3)]))
    paths, labels = zip(*digits.test.as_numpy_iterator(), strict=True)
    assert labels == (7, 3)
    assert paths[0].tolist()[:3] == [[100, 0], [0, 1], [2, 3]]
    assert paths[0].dtype == np.float32
    assert digits.labels == tuple("0123456789")
    assert digits.sizes["train"] + digits.sizes["validation"] == 60
    assert digits.source == "real"


def test_what_validates_follows_from_the_digit_itself(tmp_path):
    def validates(train, directory):
        digits = zoo.data.pen_digits(prepare(tmp_path / directory, train, [line(1)]))
        return {path.tobytes() for path, _ in digits.validation.as_numpy_iterator()}

    lines = [line(number % 10, number) for number in range(80)]
    some = validates(lines, "some")
    assert some
    assert validates(lines[::-1], "others") == some


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("1,2,3", "does not hold"),
        (line(10), "eight points from 0 to 100 and a digit"),
        (line(1, 101), "eight points from 0 to 100 and a digit"),
        (line(1, -1), "eight points from 0 to 100 and a digit"),
        ("a," * 16 + "1", "17 whole numbers on each line"),
    ],
)
def test_other_files_are_refused(tmp_path, wrong, message):
    config = prepare(tmp_path, [wrong], [line(1)])
    with pytest.raises(zoo.ZooError, match=message):
        zoo.data.pen_digits(config)


def test_the_sample_is_the_same_each_time_and_no_split_is_another():
    first, again = drawn_paths.drawn_paths(train=20), drawn_paths.drawn_paths(train=20)
    for name, (paths, digits) in first.items():
        np.testing.assert_array_equal(paths, again[name][0])
        assert paths.shape[1:] == (8, 2)
        assert set(digits) <= set(range(10))
        assert paths.min() >= 0
        assert paths.max() <= 100
    assert not np.array_equal(first["validation"][0], first["test"][0])
