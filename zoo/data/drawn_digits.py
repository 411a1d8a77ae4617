"""Digits drawn from the strokes of a pen: the sample for when MNIST is not at hand.

Each digit is a few strokes in the unit square. A drawing bends, slants, turns, scales and shifts them at random, takes a pen of
random thickness, and adds some noise; it is light on dark and as large as one of MNIST.
"""

import numpy as np
import tensorflow as tf

DESCRIPTION = (
    "Digits of 28 by 28 pixels drawn by a small program of this project, so that a recipe for images runs without a download."
    " They are easier than handwriting: numbers measured on them say nothing about MNIST."
)

SIZE = 28  # pixels
BOX = 20  # pixels that a digit fills, as in MNIST
PIXELS = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).reshape(-1, 2) + 0.5  # (x, y) of their centres

Digits = list[tuple[bytes, int]]


def _arc(x, y, width, height, start, end):
    """Points of an ellipse around (x, y) from one angle to another, in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 13))
    return np.stack([x + width / 2 * np.cos(angles), y + height / 2 * np.sin(angles)], -1)


def _line(*points):
    return np.array(points, float)


# The strokes of each digit: points (x, y), y downwards.
STROKES = (
    [_arc(0.5, 0.5, 0.62, 0.96, -90, 270)],
    [_line((0.36, 0.2), (0.54, 0.02), (0.54, 0.98))],
    [np.concatenate([_arc(0.48, 0.28, 0.54, 0.5, -165, 40), _line((0.2, 0.96), (0.82, 0.94))])],
    [_arc(0.44, 0.26, 0.52, 0.48, -150, 90), _arc(0.44, 0.73, 0.6, 0.48, -90, 150)],
    [_line((0.56, 0.04), (0.16, 0.62), (0.86, 0.62)), _line((0.64, 0.36), (0.62, 0.98))],
    [np.concatenate([_line((0.78, 0.04), (0.32, 0.05), (0.28, 0.42)), _arc(0.46, 0.68, 0.58, 0.56, -125, 145)])],
    [np.concatenate([_line((0.68, 0.03), (0.4, 0.3)), _arc(0.5, 0.7, 0.5, 0.54, 195, 560)])],
    [_line((0.18, 0.06), (0.8, 0.05), (0.42, 0.98))],
    [_arc(0.5, 0.26, 0.44, 0.46, 90, 450), _arc(0.5, 0.73, 0.54, 0.48, -90, 270)],
    [_arc(0.48, 0.3, 0.5, 0.52, 0, 360), _line((0.73, 0.3), (0.7, 0.6), (0.62, 0.98))],
)


def drawn_digits(train: int = 2_000, validation: int = 300, test: int = 300, seed: int = 0) -> dict[str, Digits]:
    """Draws digits.

    Args:
        train, validation, test: how many of each; every digit is drawn as often, give or take one.
        seed: equal ones draw equal digits.

    Returns:
        Split → list of (content of a PNG file, digit).
    """
    random = np.random.default_rng(seed)
    splits = {}
    for name, count in (("train", train), ("validation", validation), ("test", test)):
        digits = random.permutation(np.arange(count) % 10)
        splits[name] = [(_draw(digit, random), int(digit)) for digit in digits]
    return splits


def examples() -> tuple[bytes, ...]:
    """Three digits as PNG files, for the card of an image classifier."""
    random = np.random.default_rng(0)
    return tuple(_draw(digit, random) for digit in (3, 4, 7))


def _draw(digit, random) -> bytes:
    """A digit as the content of a PNG file."""
    turn, slant = random.normal(0, 0.1), random.normal(0.1, 0.15)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shape = np.diag(BOX * random.uniform([0.75, 0.85], [1.05, 1.05])) @ np.array([[1, 0], [-slant, 1]])
    centre = SIZE / 2 + random.uniform(-2, 2, 2)
    bend = random.normal(0, 0.04, (2, 2))  # a slow wave across the digit
    starts, ends = [], []
    for stroke in STROKES[digit]:
        points = stroke - 0.5 + np.sin(2 * np.pi * stroke @ bend.T / 0.4) * 0.1 + random.normal(0, 0.008, stroke.shape)
        points = points @ shape @ rotation + centre
        starts.append(points[:-1])
        ends.append(points[1:])
    starts, ends = np.concatenate(starts), np.concatenate(ends)
    # squared distance of each pixel from the nearest point of each segment
    along = ends - starts
    length = (along**2).sum(1)
    toward = PIXELS @ along.T - (starts * along).sum(1)
    share = np.clip(toward / length, 0, 1)
    from_start = (PIXELS**2).sum(1, keepdims=True) - 2 * PIXELS @ starts.T + (starts**2).sum(1)
    distance = np.sqrt(np.maximum((from_start - 2 * share * toward + share**2 * length).min(1), 0))
    ink = np.clip(random.uniform(1.0, 1.9) - distance + 0.5, 0, 1) * random.uniform(0.8, 1)
    ink = ink + random.normal(0, 0.03, ink.shape) * (random.random(ink.shape) < 0.5)
    image = (255 * np.clip(ink, 0, 1)).astype(np.uint8).reshape(SIZE, SIZE, 1)
    return tf.io.encode_png(image).numpy()
