"""What a folder of images looks like: size, colours, ground, photos or drawings."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import image_profile, photos
from zoo.data.drawn_digits import drawn_digits

RED, WHITE, BLACK = (220, 30, 30), (255, 255, 255), (0, 0, 0)


def png(pixels) -> bytes:
    return tf.io.encode_png(np.asarray(pixels, np.uint8)).numpy()


def square(colour, ground, *, height=40, width=50, at=10):
    """A square of one colour on a ground of another: uint8 [height, width, channels]."""
    pixels = np.full((height, width, len(ground)), ground, np.uint8)
    pixels[at : at + 12, at : at + 12] = colour
    return pixels


def look(contents, classes=None):
    classes = classes or [0] * len(contents)
    return image_profile.look(tf.data.Dataset.from_tensor_slices((contents, np.int64(classes))))


def test_digits_look_as_is_known_of_them():
    contents, digits = zip(*drawn_digits(60, 1, 1)["train"], strict=True)
    seen = look(list(contents), list(digits))
    assert {**vars(seen), "looked_at": 0, "classes": ()} == {**vars(image_profile.DIGITS), "classes": ()}
    assert seen.lines() == ["60 training images looked at: drawings in grey, on dark grounds, 28 x 28 (median)."]


def test_the_images_of_each_class_are_counted_not_those_looked_at_alone(monkeypatch):
    monkeypatch.setattr(image_profile, "LOOKED_AT", 2)
    seen = look([png(square(RED, WHITE))] * 7, [1, 0, 1, 1, 2, 1, 1])
    assert (seen.looked_at, seen.classes) == (2, (1, 5, 1))


def test_photos_are_told_from_drawings_in_either_format():
    seen = look(photos.examples() * 2)
    assert seen.is_photo
    assert seen.is_colour
    assert not seen.is_plain
    decoded = [tf.io.decode_jpeg(content) for content in photos.examples()]
    assert (seen.height, seen.width) == tuple(np.median([image.shape[:2] for image in decoded], axis=0))
    assert look([png(image) for image in decoded] * 2) == seen


def test_a_thing_photographed_on_white_is_a_photo():
    photo = tf.image.resize(tf.io.decode_jpeg(photos.examples()[0]), (40, 40)).numpy()
    pixels = np.full((80, 80, 3), 255, np.uint8)
    pixels[20:60, 20:60] = photo
    seen = look([png(pixels)] * 3)
    assert seen.is_photo
    assert seen.is_plain


def test_icons_have_colours_and_a_ground():
    seen = look([png(square(RED, WHITE, at=at)) for at in range(5, 15)])
    assert (seen.is_colour, seen.is_photo, seen.is_plain, seen.light) == (True, False, True, 1.0)
    assert (seen.height, seen.width) == (40, 50)


@pytest.mark.parametrize("by_class", [True, False])
def test_a_ground_that_tells_the_class_is_noticed(by_class):
    """Whoever inverts light ones would make such classes alike."""
    light, dark = png(square(BLACK, WHITE)), png(square(WHITE, BLACK))
    classes = [0] * 20 + [1] * 20 if by_class else [0, 1] * 20
    seen = look([light] * 20 + [dark] * 20, classes)
    assert seen.told_by_ground is by_class
    assert not seen.is_colour


def test_white_on_transparent_is_warned_of():
    hidden = square((*WHITE, 255), (0, 0, 0, 0))
    seen = look([png(hidden)] * 2 + [png(square(BLACK, WHITE))] * 4 + [png(square(BLACK, WHITE, height=300, width=2_000))] * 3)
    assert (seen.height, seen.width) == (40, 50)  # they do not hang on a few large ones
    assert seen.blank == 2
    assert "2 of them are of one colour" in seen.lines()[1]


def test_of_many_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(image_profile, "LOOKED_AT", 10)
    assert look([png(square(BLACK, WHITE))] * 45).looked_at == 9
