"""The drawn scenes: what the captions say is what the pictures show."""

import random
import re

import numpy as np
import pytest
import tensorflow as tf

from zoo.data.drawn_scenes import BACKGROUNDS, COLOURS, KINDS, MOST_SCENES, PLACES, describe, drawn_scenes, paint, random_scene

NOUN = re.compile(rf"\b(an?) (small |large )?({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")
SIDES = {"to the left of": ("x", -1), "to the right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}
PLACE = {place: (row, column) for row, places in enumerate(PLACES) for column, place in enumerate(places)}


@pytest.fixture(scope="module")
def scenes():
    rng = random.Random(1)
    drawn = [random_scene(rng) for _ in range(300)]
    return [(scene, describe(rng, scene)) for scene in drawn]


def mentioned(scene, caption):
    """The shapes that a caption names, in its order, and the caption with S in place of each."""
    found = []
    for article, size, colour, kind in NOUN.findall(caption):
        assert article == ("an" if colour == "orange" and not size else "a"), caption
        (shape,) = (shape for shape in scene.shapes if shape.colour == colour)
        assert shape.kind == kind, caption
        assert size.strip() in ("", shape.size), caption
        found.append(shape)
    return found, NOUN.sub("S", caption)


def check(scene, caption):
    shapes, frame = mentioned(scene, caption)
    assert shapes, caption
    assert len(set(shapes)) == len(shapes), caption
    for word in re.findall(rf"\b({'|'.join(BACKGROUNDS)})\b", frame):
        assert word == scene.background, caption
    for side, (axis, sign) in SIDES.items():
        if match := re.search(rf"^(.*){side}(.*)$", frame):
            count = match[1].count("S")
            for left in shapes[:count]:
                for right in shapes[count:]:
                    assert (getattr(left, axis) - getattr(right, axis)) * sign > 0, caption
    if "between" in frame:
        middle, *ends = shapes
        assert any(
            min(getattr(end, axis) for end in ends) < getattr(middle, axis) < max(getattr(end, axis) for end in ends)
            for axis in ("x", "y")
        ), caption
    for phrase, axis in (("from left to right", "x"), ("from top to bottom", "y")):
        if phrase in frame:
            assert sorted(shapes, key=lambda shape: getattr(shape, axis)) == shapes, caption
    if "side by side" in frame:
        assert len({shape.row for shape in shapes}) == 1, caption
    if "one above the other" in frame:
        assert len({shape.column for shape in shapes}) == 1, caption
    for count, word in ((1, "only shape"), (2, "two shapes"), (3, "three shapes")):
        if word in frame:
            assert len(scene.shapes) == len(shapes) == count, caption
    places = [place for place in PLACE if re.search(rf"{place}(?! of S)", frame)]
    if places and len(shapes) == 1:
        assert [(shapes[0].row, shapes[0].column)] == [PLACE[place] for place in places], caption


def test_captions_are_true(scenes):
    for scene, captions in scenes:
        for caption in captions:
            check(scene, caption)


def test_the_check_finds_what_is_false(scenes):
    opposites = {"left": "right", "right": "left", "above": "below", "below": "above", "small": "large", "large": "small"}
    swapped = re.compile(rf"\b({'|'.join(opposites)})\b")
    tried = 0
    for scene, captions in scenes[:50]:
        for caption in captions:
            wrong = swapped.sub(lambda match: opposites[match[1]], caption)
            if wrong == caption or "one below the other" in wrong:
                continue
            tried += 1
            with pytest.raises(AssertionError):
                check(scene, wrong)
    assert tried > 50


def test_five_captions_differ(scenes):
    for _, captions in scenes:
        assert len(set(captions)) == 5, captions
        assert all(5 <= len(caption.split()) <= 25 for caption in captions), captions


def test_pictures_show_the_scene(scenes):
    for scene, _ in scenes:
        picture = paint(scene)
        assert picture.shape == (96, 96, 3)
        assert picture.dtype == np.uint8
        plain = np.ones((96, 96), bool)
        for shape in scene.shapes:
            assert tuple(picture[shape.y, shape.x]) == shape.rgb
            assert shape.x // 32 == shape.column
            assert shape.y // 32 == shape.row
            box = slice(shape.y - shape.radius, shape.y + shape.radius), slice(shape.x - shape.radius, shape.x + shape.radius)
            assert plain[box].all(), "two shapes overlap"
            plain[box] = False
            drawn = (picture[box] != scene.rgb).any(-1)
            assert 0.2 < drawn.mean() < 0.9
            assert drawn.any(1).sum() > shape.radius
        assert (picture[plain] == scene.rgb).all()


def test_kinds_look_different():
    rng = random.Random(0)
    looks = {}
    while len(looks) < len(KINDS):
        scene = random_scene(rng)
        shape = scene.shapes[0]
        if shape.radius == 16:
            box = slice(shape.y - 16, shape.y + 16), slice(shape.x - 16, shape.x + 16)
            looks[shape.kind] = (paint(scene)[box] == shape.rgb).all(-1)
    for kind, look in looks.items():
        for other in looks.keys() - {kind}:
            assert (look != looks[other]).mean() > 0.1, (kind, other)


def test_splits():
    splits = drawn_scenes(train=40, validation=20, test=10, seed=3)
    assert {name: len(scenes) for name, scenes in splits.items()} == {"train": 40, "validation": 20, "test": 10}
    files = [content for scenes in splits.values() for content, _ in scenes]
    assert len(set(files)) == len(files)
    assert tf.io.decode_png(files[0]).shape == (96, 96, 3)
    assert drawn_scenes(train=40, validation=20, test=10, seed=3) == splits
    assert drawn_scenes(train=40, validation=20, test=10, seed=4) != splits
    assert drawn_scenes(train=50, validation=20, test=10, seed=3)["test"] == splits["test"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 0}, "`train` must be at least 1, not 0"),
        ({"train": MOST_SCENES}, f"at most {MOST_SCENES} different scenes, not {MOST_SCENES + 300}"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        drawn_scenes(**sizes)
