"""Drawn pen paths of digits: the built-in sample of `pen_digits`, and examples that belong to nobody."""

import numpy as np

POINTS = 8
DESCRIPTION = "Digits drawn through a few corners each, slanted at random."

# The corners that a pen goes through, x and y from 0 to 100, y upwards: one way of writing each digit.
STROKES = {
    "0": [(60, 100), (10, 80), (0, 30), (40, 0), (90, 20), (100, 70), (60, 100)],
    "1": [(20, 70), (60, 100), (55, 50), (50, 0)],
    "2": [(0, 80), (40, 100), (80, 80), (50, 40), (0, 0), (100, 5)],
    "3": [(0, 95), (80, 100), (40, 60), (90, 30), (50, 0), (0, 10)],
    "4": [(60, 100), (0, 40), (100, 45), (75, 70), (70, 0)],
    "5": [(100, 100), (20, 100), (10, 60), (80, 50), (90, 10), (0, 0)],
    "6": [(80, 100), (20, 70), (0, 20), (50, 0), (90, 25), (40, 45), (5, 25)],
    "7": [(0, 95), (100, 100), (60, 50), (40, 0), (20, 50), (90, 55)],
    "8": [(90, 90), (30, 95), (20, 65), (90, 30), (40, 0), (10, 30), (90, 90)],
    "9": [(90, 80), (40, 100), (10, 70), (50, 50), (90, 80), (80, 30), (60, 0)],
}


def drawn_paths(*, train: int = 1_200, validation: int = 200, test: int = 200, seed: int = 0) -> dict[str, tuple]:
    """Draws the sample: split → paths, float32 [N, 8, 2] from 0 to 100, and digits, int64 [N].

    Args:
        train, validation, test: number of digits. Each split has random numbers of its own.
        seed: of the random generator.
    """
    splits = {}
    for number, (name, size) in enumerate({"train": train, "validation": validation, "test": test}.items()):
        rng = np.random.default_rng([seed, number])
        digits = rng.integers(0, 10, size)
        splits[name] = np.stack([_drawn(STROKES[str(digit)], rng) for digit in digits]), digits
    return splits


def examples(digits="247") -> list:
    """A path of each digit, nested lists [8, 2] of whole numbers."""
    rng = np.random.default_rng(0)
    return [np.rint(_drawn(STROKES[digit], rng)).tolist() for digit in digits]


def _drawn(corners, rng) -> np.ndarray:
    """A path through corners that are a little elsewhere, eight points at equal distances, in the square from 0 to 100."""
    corners = np.array(corners, float) + rng.normal(0, 6, (len(corners), 2))
    corners[:, 0] += rng.uniform(-0.3, 0.3) * corners[:, 1]
    reached = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    wanted = np.linspace(0, reached[-1], POINTS)
    path = np.stack([np.interp(wanted, reached, column) for column in corners.T], axis=1)
    path -= path.min(axis=0)
    return (100 * path / path.max()).astype("float32")
