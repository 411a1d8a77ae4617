"""Drawn scenes with captions: the sample for when no captioned photos are at hand.

A captioning recipe has to run on a machine without data and without a network, and what it learns there should be worth
learning. A scene is one to three shapes on a plain background, in the cells of a 3 x 3 grid: one in any cell, two in one
row or column, three filling it. Its five captions say, each in other words, what there is, in which colour, how large and
where; so a caption needs both what a picture holds and how its parts relate.
"""

import functools
import random
import re
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from zoo.data.splits import draw_splits

DESCRIPTION = (
    "Drawn scenes of one to three coloured shapes with five generated captions each, made by this project, so that a"
    " captioning recipe runs without a download. Numbers measured on them say nothing about real photos."
)

Scenes = list[tuple[bytes, list[str]]]

# All splits together. There are far more scenes, but those of one shape, which are the simplest, run out.
MOST_SCENES = 20_000

CELL = 32  # pixels; a scene is three cells high and wide
SIZES = {"small": (8, 10), "large": (14, 16)}  # radius in pixels
KINDS = ("circle", "square", "triangle", "diamond", "star", "cross")
COLOURS = {
    "red": (210, 35, 40),
    "orange": (245, 140, 25),
    "yellow": (245, 225, 50),
    "green": (45, 150, 60),
    "blue": (40, 80, 205),
    "purple": (125, 45, 160),
    "pink": (250, 150, 190),
    "brown": (115, 70, 35),
}
BACKGROUNDS = {"white": (245, 245, 245), "grey": (150, 150, 150), "black": (15, 15, 15)}
TINT = 12  # how far the red, green or blue of a colour is off, at most

PLACES = (
    ("in the top left corner", "at the top", "in the top right corner"),
    ("on the left", "in the middle", "on the right"),
    ("in the bottom left corner", "at the bottom", "in the bottom right corner"),
)
# What the slots of a template say of shapes in one row, and in one column.
ROW = {"before": "to the left of", "after": "to the right of", "line": "side by side", "order": "from left to right"}
COLUMN = {"before": "above", "after": "below", "line": "one above the other", "order": "from top to bottom"}

# By the number of shapes; {a}, {b} and {c} are those from the left or from the top.
TEMPLATES = {
    1: (
        "{a} {place}",
        "there is {a} {place}",
        "{a} on a {background} background",
        "{a} {place} of a {background} picture",
        "the only shape is {a} {place}",
        "a {background} picture with {a} {place}",
    ),
    2: (
        "{a} {before} {b}",
        "{b} {after} {a}",
        "there is {a} {before} {b}",
        "{b} is {after} {a}",
        "two shapes: {a} {before} {b}",
        "{a} and {b} on a {background} background",
        "a {background} picture with {b} {after} {a}",
    ),
    3: (
        "{b} between {a} and {c}",
        "there is {b} between {c} and {a}",
        "{a}, {b} and {c} {line}",
        "{order}: {a}, {b} and {c}",
        "three shapes {line}: {a}, {b} and {c}",
        "{a} {before} {b} and {c}",
        "{c} {after} {a} and {b}",
        "a {background} picture with {a}, {b} and {c}",
    ),
}


class Shape(NamedTuple):
    """One shape of a scene; `x`, `y` and `radius` in pixels."""

    kind: str
    colour: str
    size: str
    row: int
    column: int
    x: int
    y: int
    radius: int
    rgb: tuple[int, int, int]


class Scene(NamedTuple):
    """Shapes from the left or from the top, each of another colour, on a background."""

    background: str
    rgb: tuple[int, int, int]
    shapes: tuple[Shape, ...]


def drawn_scenes(train: int = 1_500, validation: int = 150, test: int = 150, seed: int = 0) -> dict[str, Scenes]:
    """Draw scenes with five captions each, no two with the same shapes in the same cells on the same background.

    Args:
        train, validation, test: the number of scenes in the split of that name.
        seed: of the random generator; the same arguments always give the same scenes.

    Returns:
        a dictionary from the name of a split to its list of `(content of a PNG file, captions)`; RGB, 96 pixels square.

    Raises:
        ValueError: a number is not positive, or together they are more than there are to draw (`MOST_SCENES`).
    """
    sizes = {"train": train, "validation": validation, "test": test}
    return draw_splits(_new_scenes, sizes, most=MOST_SCENES, things="scenes", source="there are", seed=seed)


def _new_scenes(rng: random.Random, size: int, seen: set[tuple]) -> Scenes:
    """Draw and describe scenes that are not among those `seen`, and add them there."""
    scenes = []
    while len(scenes) < size:
        scene = random_scene(rng)
        key = (scene.background, *(shape[:5] for shape in scene.shapes))
        if key not in seen:
            seen.add(key)
            scenes.append((tf.io.encode_png(paint(scene), compression=1).numpy(), describe(rng, scene)))
    return scenes


def random_scene(rng: random.Random) -> Scene:
    """Invent a scene."""
    count, line = rng.choice((1, 2, 3)), rng.randrange(3)
    cells = [(line, place) for place in sorted(rng.sample(range(3), count))]
    if rng.random() < 0.5:
        cells = [(column, row) for row, column in cells]
    background = rng.choice(list(BACKGROUNDS))
    shapes = []
    for (row, column), colour in zip(cells, rng.sample(list(COLOURS), count), strict=True):
        size = rng.choice(list(SIZES))
        radius = rng.randint(*SIZES[size])
        x, y = (cell * CELL + rng.randint(radius, CELL - radius) for cell in (column, row))
        shapes.append(Shape(rng.choice(KINDS), colour, size, row, column, x, y, radius, _tinted(rng, COLOURS[colour])))
    return Scene(background, _tinted(rng, BACKGROUNDS[background]), tuple(shapes))


def paint(scene: Scene) -> np.ndarray:
    """Draw a scene with smooth edges: uint8 [96, 96, 3]."""
    picture = np.full((3 * CELL, 3 * CELL, 3), scene.rgb, np.float32)
    for shape in scene.shapes:
        part = picture[shape.y - shape.radius : shape.y + shape.radius, shape.x - shape.radius : shape.x + shape.radius]
        part += _mask(shape.kind, shape.radius)[..., None] * (np.array(shape.rgb, np.float32) - part)
    return picture.round().astype(np.uint8)


def describe(rng: random.Random, scene: Scene) -> list[str]:
    """Write five captions of a scene, each of another template; every one is true, none has to say all."""
    shapes = scene.shapes
    words = ROW if shapes[0].row == shapes[-1].row else COLUMN
    place = PLACES[shapes[0].row][shapes[0].column]
    captions = []
    for template in rng.sample(TEMPLATES[len(shapes)], 5):
        nouns = {}
        for slot, shape in zip("abc", shapes, strict=False):
            size = rng.choice((f"{shape.size} ", ""))
            nouns[slot] = f"a {size}{shape.colour} {shape.kind}"
        caption = template.format(**nouns, **words, place=place, background=scene.background)
        captions.append(re.sub(r"\ba (?=orange)", "an ", caption))
    return captions


def _tinted(rng: random.Random, rgb: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(min(max(value + rng.randint(-TINT, TINT), 0), 255) for value in rgb)


@functools.cache
def _mask(kind: str, radius: int) -> np.ndarray:
    """Which share of each pixel a shape covers: float32 [2 * radius, 2 * radius]."""
    points = 8  # a side of a pixel
    places = (np.arange(2 * radius * points) + 0.5) / (radius * points) - 1
    x, y = places[None, :], places[:, None]

    def sides(count, distance):
        """In how many of `count` half planes a point is, which are that far from the centre, the first one below it."""
        turns = 2 * np.pi * np.arange(count) / count
        return sum(x * np.sin(turn) + y * np.cos(turn) < distance for turn in turns)

    inside = {
        "circle": x**2 + y**2 < 1,
        "square": sides(4, 0.85) == 4,
        "triangle": sides(3, 0.5) == 3,
        "diamond": abs(x) + abs(y) < 1,
        "star": sides(5, np.cos(0.4 * np.pi)) >= 4,  # a point of the star is outside one side of its pentagon
        "cross": (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 0.95),
    }[kind]
    return inside.reshape(2 * radius, points, 2 * radius, points).mean((1, 3), dtype=np.float32)
