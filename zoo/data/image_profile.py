"""What images look like, told from some of them: their size, their colours, and whether they are photos or drawings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf  # else not here: a person's own folder is read before TensorFlow is imported

LOOKED_AT = 200  # images that are looked at, at most
SIDE = 64  # pixels; colours, edges and ground are looked for in images of this height and width

# From 0 to 1: how far red, green and blue are apart in a colour, and what of an image has to have one.
CHROMA, COLOURED = 0.12, 0.01
# Neighbours that differ by less are of one area; what differs by less from the edge of an image belongs to its ground.
ALIKE, GROUND = 0.02, 0.1


@dataclass(frozen=True)
class ImageProfile:
    """What images look like.

    Args:
        height, width: the medians, in pixels.
        is_colour: whether some have colours.
        is_photo: whether most are photos: hardly two pixels side by side are alike, be it on a plain ground.
        is_plain: whether most lie on a ground of one brightness, as drawings do.
        light: share of the images whose ground is light.
        told_by_ground: whether some class has another share of light grounds than the rest: then the ground tells it.
        blank: how many images are of one colour all over.
        looked_at: how many were looked at.
        classes: number of training images of each class.
    """

    height: int
    width: int
    is_colour: bool
    is_photo: bool
    is_plain: bool
    light: float
    told_by_ground: bool = False
    blank: int = 0
    looked_at: int = 0
    classes: tuple[int, ...] = ()

    def lines(self) -> list[str]:
        """What was seen, in words, to be printed."""
        kind = "photos" if self.is_photo else "drawings" if self.is_plain else "images"
        ground = "light" if self.light > 0.9 else "dark" if self.light < 0.1 else "light and dark"
        on = f", on {ground} grounds" if self.is_plain else ""
        colour = "in colour" if self.is_colour else "in grey"
        lines = [f"{self.looked_at:,} training images looked at: {kind} {colour}{on}, {self.height} x {self.width} (median)."]
        if self.blank:
            lines.append(
                f"Warning: {self.blank:,} of them are of one colour all over, as white on transparent is: an alpha channel is "
                "laid over white."
            )
        return lines


# MNIST's digits, and those drawn in their place.
DIGITS = ImageProfile(28, 28, is_colour=False, is_photo=False, is_plain=True, light=0.0, classes=(5_500,) * 10)


def look(train: tf.data.Dataset) -> ImageProfile:
    """Looks at some images, spread over all, and counts the classes of all.

    Args:
        train: examples (content of a PNG or JPEG file, class number) that can be decoded, string and int64 scalars; of each
            class one at least.
    """
    import numpy as np
    import tensorflow as tf

    from zoo.preprocessing import Images
    from zoo.preprocessing.images import LUMA

    some = train.shard(-(-int(train.cardinality()) // LOOKED_AT), 0)
    contents, classes = map(np.array, zip(*some.as_numpy_iterator(), strict=True))
    sizes = np.array([_size(content) for content in contents])
    decode = Images(SIDE, SIDE, 3)
    batches = tf.data.Dataset.from_tensor_slices(contents).batch(16).map(lambda files: decode(files)[0], tf.data.AUTOTUNE)
    images = np.concatenate(list(batches.as_numpy_iterator()))  # float32 [N, SIDE, SIDE, 3]

    chroma = images.max(axis=3) - images.min(axis=3)
    is_coloured = (chroma > CHROMA).mean(axis=(1, 2)) > COLOURED
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    ground = np.median(edges, axis=1)  # [N, 3]
    is_plain = (np.abs(edges - ground[:, None]).max(axis=2) < GROUND).mean(axis=1) > 0.9
    is_light = ground @ np.array(LUMA) > 0.5

    inner = images[:, 1:, 1:]
    steps = [np.abs(inner - other).max(axis=3) for other in (images[:, :-1, 1:], images[:, 1:, :-1])]
    is_flat = np.maximum(*steps) < ALIKE
    is_figure = np.abs(inner - ground[:, None, None]).max(axis=3) > GROUND
    flat = is_flat.mean(axis=(1, 2))
    flat_figure = (is_flat & is_figure).sum(axis=(1, 2)) / np.maximum(is_figure.sum(axis=(1, 2)), 1)
    # a thing photographed on white is flat around it, and not within; a line has no within, but is not in colour as a rule
    is_photo = (flat < 0.5) | (is_coloured & (flat_figure < 0.4) & (is_figure.mean(axis=(1, 2)) > 0.1))

    shares = [(is_light[classes == number].mean(), (classes == number).sum()) for number in set(classes)]
    height, width = np.median(sizes, axis=0)
    return ImageProfile(
        height=int(height),
        width=int(width),
        is_colour=bool(is_coloured.mean() > 0.05),
        is_photo=bool(is_photo.mean() > 0.5),
        is_plain=bool(is_plain.mean() > 0.8),
        light=float(is_light.mean()),
        # 1 / √count: two standard deviations of a share, and more
        told_by_ground=any(abs(share - is_light.mean()) > 0.2 + 1 / count**0.5 for share, count in shares),
        blank=int((images.std(axis=(1, 2)).max(axis=1) < 1e-3).sum()),
        looked_at=len(images),
        classes=tuple(np.bincount(np.fromiter(train.map(lambda _, label: label).as_numpy_iterator(), int)).tolist()),
    )


def _size(content: bytes) -> tuple[int, int]:
    """Height and width that a PNG or JPEG file states."""
    import tensorflow as tf

    if content.startswith(b"\x89PNG"):
        return int.from_bytes(content[20:24]), int.from_bytes(content[16:20])
    height, width, _ = tf.image.extract_jpeg_shape(content).numpy()
    return int(height), int(width)
