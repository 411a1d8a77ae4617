"""Cases of `own_data.py`: folders of images as a person has them, one sub-folder for each class."""

import collections
import functools
import re
import tarfile
from pathlib import Path

import numpy as np
from own_case import Case, Made, accuracy


def make_digits(directory: Path, data_dir: Path, seed: int, *, per_class: int) -> Made:
    """A few digits of each class of MNIST's training part; 2,000 of its official test part ask."""
    import tensorflow_datasets as tfds

    def part(split):
        data = tfds.load(
            "mnist", split=split, data_dir=data_dir / "tfds", download=False, decoders={"image": tfds.decode.SkipDecoding()}
        )
        batches = data.batch(1000).as_numpy_iterator()
        return [(image, str(label)) for rows in batches for image, label in zip(rows["image"], rows["label"], strict=True)]

    rows = _shuffled(part("train"), seed)
    by_class = collections.defaultdict(list)
    for image, label in rows:
        by_class[label].append(image)
    train = [(image, label) for label, images in by_class.items() for image in images[:per_class]]
    return _made(directory, train, _shuffled(part("test"), seed)[:2000], ending="png")


def make_icons(directory: Path, data_dir: Path, seed: int, *, count: int = 250) -> Made:
    """Filled shapes that differ in colour alone between the classes, of 24 to 96 pixels, on white or a pale ground."""
    rng = np.random.default_rng(seed)
    colours = {"red": (0.85, 0.15, 0.15), "green": (0.15, 0.65, 0.2), "blue": (0.15, 0.25, 0.85)}

    def draw():
        label = rng.choice(list(colours))
        colour = np.clip(np.array(colours[label]) + rng.normal(0, 0.06, 3), 0, 1)
        ground = np.ones(3) if rng.random() < 0.5 else np.clip(rng.uniform(0.75, 0.95) + rng.normal(0, 0.04, 3), 0, 1)
        distance = shape(rng, rng.choice(list(CORNERS)), int(rng.integers(24, 97)))
        return _png(ground + (colour - ground) * _covered(distance)[..., None]), str(label)

    return _drawn(directory, draw, count, 600)


def make_shapes(directory: Path, data_dir: Path, seed: int, *, count: int = 180) -> Made:
    """Outlines of circles, squares and triangles, dark on light, of 40 to 100 pixels, at any place, size and angle."""
    rng = np.random.default_rng(seed)

    def draw():
        label = str(rng.choice(list(CORNERS)[:3]))
        distance = shape(rng, label, int(rng.integers(40, 101)))
        ink, ground = rng.uniform(0, 0.35), rng.uniform(0.85, 1)
        line = _covered(np.abs(distance) - rng.uniform(0.8, 2.2))
        noise = rng.normal(0, 0.01, distance.shape)
        return _png((ground + (ink - ground) * line + noise)[..., None]), label

    return _drawn(directory, draw, count, 600)


def make_dogs(directory: Path, data_dir: Path, seed: int, *, count: int = 400) -> Made:
    """Photos of Flickr8k: at least two of five captions name a dog, or none does; 600 others ask."""
    return photos(directory, data_dir, seed, {"dog": r"\bdogs?\b", "no dog": None}, count)


def photos(directory: Path, data_dir: Path, seed: int, classes: dict[str, str | None], count: int) -> Made:
    """Photos of Flickr8k by a word in at least two captions and in none of the other classes; without a word, the rest."""
    home, captions = data_dir / "raw" / "flickr8k", collections.defaultdict(list)
    for line in (home / "Flickr8k.token.txt").read_text().splitlines():
        name, caption = line.split("\t")
        captions[name.partition("#")[0]].append(caption.lower())
    with tarfile.open(home / "images_128.tar") as tar:
        contents = {Path(member.name).name: tar.extractfile(member).read() for member in tar if member.isfile()}
    said = {
        name: {label: sum(bool(word and re.search(word, caption)) for caption in texts) for label, word in classes.items()}
        for name, texts in captions.items()
    }
    by_class = collections.defaultdict(list)
    for name in sorted(said.keys() & contents.keys()):
        named = [label for label, times in said[name].items() if times]
        if not named and None in classes.values():
            by_class[next(label for label, word in classes.items() if word is None)].append(name)
        elif len(named) == 1 and said[name][named[0]] >= 2:
            by_class[named[0]].append(name)
    train, test, each = [], [], count // len(classes)
    for label, names in by_class.items():
        rows = [(contents[name], label) for name in _shuffled(names, seed)]
        train, test = train + rows[:each], test + rows[each : each + 600 // len(classes)]
    return _made(directory, train, test, ending="jpg")


# Drawing: the distance in pixels of each pixel from the edge of a shape, less than 0 inside

CORNERS = {"circle": 48, "square": 4, "triangle": 3, "hexagon": 6}


def shape(rng, name: str, size: int):
    """A regular shape at a random place, size and angle in a square image: float [size, size]."""
    corners = CORNERS[name]
    radius = size * rng.uniform(0.25, 0.42)
    centre = rng.uniform(radius + 2, size - radius - 2, 2) if radius + 2 < size / 2 else np.full(2, size / 2)
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * (np.arange(corners) + 0.5) / corners
    rows, columns = np.mgrid[:size, :size] + 0.5
    normals = np.stack([np.sin(angles), np.cos(angles)])
    along = np.tensordot(np.stack([rows - centre[0], columns - centre[1]], -1), normals, 1)
    return along.max(-1) - radius * np.cos(np.pi / corners)


def _covered(distance):
    """How much of each pixel lies inside."""
    return np.clip(0.5 - distance, 0, 1)


def _png(image) -> bytes:
    import tensorflow as tf

    return tf.io.encode_png(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)).numpy()


def _drawn(directory, draw, count, tests) -> Made:
    rows = [draw() for _ in range(count + tests)]
    return _made(directory, rows[:count], rows[count:], ending="png")


# A folder of it, and what a person would pick instead


def _made(directory: Path, train, test, *, ending: str) -> Made:
    folder = directory / "images"
    for number, (image, label) in enumerate(train):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}.{ending}").write_bytes(image)
    return Made(["--folder", str(folder)], test, accuracy, functools.partial(_support_vectors, train, test))


def _support_vectors(train, test) -> dict[str, float]:
    """A support vector machine on the pixels of small colour images."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    images, labels = zip(*train, strict=True)
    model = make_pipeline(StandardScaler(), SVC()).fit(_thumbnails(images), labels)
    images, labels = zip(*test, strict=True)
    return {"accuracy": float(model.score(_thumbnails(images), labels))}


def _thumbnails(images, size: int = 28):
    import tensorflow as tf

    def thumbnail(content):
        image = tf.io.decode_image(content, channels=3, expand_animations=False)
        return tf.image.resize(image, (size, size), antialias=True).numpy().ravel() / 255

    return np.stack([thumbnail(image) for image in images])


def _shuffled(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[index] for index in order]


CASES = (
    Case("MNIST, 20 a class", "mnist_digits", functools.partial(make_digits, per_class=20), {"accuracy": 0.88}),
    Case("MNIST, 100 a class", "mnist_digits", functools.partial(make_digits, per_class=100), {"accuracy": 0.97}, seeds=1),
    Case("icons by colour", "mnist_digits", make_icons, {"accuracy": 0.98}, seeds=1),
    Case("drawn shapes", "mnist_digits", make_shapes, {"accuracy": 0.95}, seeds=1),
    Case("dog or no dog", "mnist_digits", make_dogs, {"accuracy": 0.80}, seeds=1),
)
