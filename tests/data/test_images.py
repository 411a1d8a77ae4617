"""Labelled images: MNIST, the drawn digits that stand in for it, and one's own from folders."""

import os
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.data.drawn_digits import DESCRIPTION, drawn_digits, examples

PARTS = ("train", "validation", "test")


def read(dataset):
    return [(content, int(label)) for content, label in dataset.as_numpy_iterator()]


def everything(data):
    return [pair for part in PARTS for pair in read(getattr(data, part))]


def pixels(files):
    return np.stack([tf.io.decode_png(file).numpy()[..., 0] for file in files])


# The sample


@pytest.fixture(scope="module")
def digits():
    return drawn_digits()


def test_the_seed_decides_the_digits():
    first = drawn_digits(20, 10, 5)
    assert first == drawn_digits(20, 10, 5)
    assert {part: len(pairs) for part, pairs in first.items()} == {"train": 20, "validation": 10, "test": 5}
    other = drawn_digits(20, 10, 5, seed=1)
    assert not {file for file, _ in first["train"]} & {file for file, _ in other["train"]}


def test_the_digits_look_like_those_of_mnist(digits):
    files, labels = zip(*digits["train"], strict=True)
    images = pixels(files)
    assert images.shape == (2_000, 28, 28)
    assert set(np.bincount(labels)) == {200}
    assert len({file for pairs in digits.values() for file, _ in pairs}) == 2_600
    assert (images.max((1, 2)) > 180).all()
    assert 0.05 < (images > 128).mean() < 0.25  # light on dark
    assert images[:, [0, -1]].mean() < 10
    assert len(set(examples())) == 3


def test_the_digits_can_be_learnt(digits):
    """By the nearest neighbour, so by any of our models; yet a mean image of each digit is not enough."""
    images, labels = {}, {}
    for part in ("train", "test"):
        files, labels[part] = zip(*digits[part], strict=True)
        vectors = pixels(files).reshape(len(files), -1).astype(float)
        images[part] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = np.array(labels["train"])
    nearest = truth[(images["test"] @ images["train"].T).argmax(1)]
    means = np.stack([images["train"][truth == digit].mean(0) for digit in range(10)])
    assert (nearest == labels["test"]).mean() > 0.9
    assert ((images["test"] @ means.T).argmax(1) == labels["test"]).mean() < 0.95


def test_the_sample_is_announced(capsys):
    data = zoo.data.mnist(zoo.RunConfig(data="sample"))
    assert "SAMPLE, not on MNIST" in capsys.readouterr().out
    assert (data.source, data.description) == ("sample", DESCRIPTION)
    assert data.sizes == {"train": 2_000, "validation": 300, "test": 300}
    assert read(data.validation) == drawn_digits()["validation"]


# MNIST


def test_mnist_comes_as_files_and_validates_on_5000_of_train(monkeypatch):
    import tensorflow_datasets as tfds

    rows = [(f"image {i}".encode(), i % 10) for i in range(5_050)]

    def load(name, *, split, download, batch_size, decoders, data_dir):
        assert (name, split, download, batch_size) == ("mnist", ["train", "test"], False, -1)
        assert isinstance(decoders["image"], tfds.decode.SkipDecoding)
        images, labels = (tf.constant(column) for column in zip(*rows, strict=True))
        return [{"image": images, "label": tf.cast(labels, tf.int64)}, {"image": images[:7], "label": labels[:7]}]

    monkeypatch.setattr(tfds, "load", load)
    data = zoo.data.mnist(zoo.RunConfig(data="real"))
    assert data.labels == tuple("0123456789")
    assert data.sizes == {"train": 50, "validation": 5_000, "test": 7}
    expected = list(rows)
    assert sorted(read(data.train) + read(data.validation)) == sorted(expected)
    assert read(data.test) == expected[:7]
    random.Random(0).shuffle(rows)
    assert set(read(zoo.data.mnist(zoo.RunConfig(data="real")).train)) == set(read(data.train))


# One's own


def write(folder, count, shade, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image = np.full((4, 5, 3), (shade, i, 0), "uint8")
        content = tf.io.encode_png(image) if suffix == "png" else tf.io.encode_jpeg(image, quality=100)
        (folder / f"{i}.{suffix}").write_bytes(content.numpy())


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "dark", 30, 0)
    write(tmp_path / "light ones", 20, 200)
    write(tmp_path / "light ones" / "more", 10, 255, "JPEG")
    return tmp_path


def test_own_images(folder):
    (folder / ".hidden").mkdir()
    (folder / "dark" / "notes.txt").write_text("no image")
    (folder / "dark" / "._0.png").write_bytes(b"what macOS leaves")
    data = zoo.data.image_folder(zoo.RunConfig(), path=folder)
    assert data.labels == ("dark", "light ones")
    assert data.source == "own"
    assert sum(data.sizes.values()) == 60
    assert data.sizes["train"] > 40
    expected = [(file.read_bytes(), 0) for file in (folder / "dark").glob("[0-9]*.png")]
    expected += [(file.read_bytes(), 1) for file in (folder / "light ones").rglob("*.*")]
    assert sorted(everything(data)) == sorted(expected)
    again = zoo.data.image_folder(zoo.RunConfig(), **data.arguments)
    assert [read(getattr(again, part)) for part in PARTS] == [read(getattr(data, part)) for part in PARTS]


def test_copies_of_an_image_stay_together(folder, capsys):
    before = zoo.data.image_folder(zoo.RunConfig(), path=folder)
    for file in (folder / "dark").iterdir():
        shutil.copy(file, folder / "dark" / f"copy of {file.name}")
    after = zoo.data.image_folder(zoo.RunConfig(), path=folder)
    for part in PARTS:
        assert set(read(getattr(after, part))) == set(read(getattr(before, part)))
    shutil.copy(folder / "dark" / "1.png", folder / "light ones" / "not so light.png")
    zoo.data.image_folder(zoo.RunConfig(), path=folder)
    said = capsys.readouterr().out
    assert "copy of an earlier image, of the same class: 3" in said
    assert "copy of an earlier image, of another class: 1 ('light ones/not so light.png')" in said


def test_what_cannot_be_decoded_is_left_out_and_shown(folder, capsys):
    damaged = (folder / "dark" / "3.png").read_bytes()[:-20]
    (folder / "dark" / "damaged.png").write_bytes(damaged)
    (folder / "dark" / "empty.png").write_bytes(b"")
    (folder / "dark" / "words.jpg").write_bytes(b"x")
    os.symlink(folder / "nowhere", folder / "dark" / "link.png")
    before = zoo.data.image_folder(zoo.RunConfig(), path=folder)
    assert sum(before.sizes.values()) == 60
    said = capsys.readouterr().out.splitlines()
    assert [said[0], said[-1]] == [
        f"{folder.name}: read 64 files, left out 4: 1 empty ('dark/empty.png'), 1 not readable (No such file or directory)"
        " ('dark/link.png'), 1 .jpg with no image inside ('dark/words.jpg'),"
        " 1 that cannot be decoded (the image data is damaged) ('dark/damaged.png').",
        "2 classes: 'dark' 30, 'light ones' 30.",
    ]
    (folder / "damaged").mkdir()
    (folder / "damaged" / "1.png").write_bytes(damaged)
    with pytest.raises(zoo.ZooError, match=r"No image of 'damaged' in .* can be decoded .*damaged/1.png"):
        zoo.data.image_folder(zoo.RunConfig(), path=folder)


def test_names_say_nothing(tmp_path):
    """Paths with signs that TensorFlow takes for patterns, and with bytes that are no UTF-8."""
    root = tmp_path / "photos [1]* ?"
    write(root / "9 [x]*", 30, 0)
    write(root / "10", 30, 200, "JPEG")
    for file in sorted((root / "10").iterdir()):
        file.rename(file.with_name(os.fsdecode(b"\xff[0] ") + f"{file.stem}.jfif"))
    data = zoo.data.image_folder(zoo.RunConfig(), path=root)
    assert data.labels == ("10", "9 [x]*")
    assert sum(data.sizes.values()) == len(everything(data)) == 60


def test_a_tree_that_is_split_already_stays_so(tmp_path, capsys):
    for split, first in (("Training", 0), ("test", 20)):
        for name, shade in (("a", 0), ("b", 100)):
            write(tmp_path / split / name, 20, shade + first)
    copied = tmp_path / "Training" / "a" / "0.png"
    shutil.copy(copied, tmp_path / "test" / "b" / "copy.png")
    data = zoo.data.image_folder(zoo.RunConfig(), path=tmp_path)
    assert data.labels == ("a", "b")
    assert sorted(read(data.test)) == sorted(
        (file.read_bytes(), int(file.parent.name == "b")) for file in tmp_path.glob("test/*/*")
    )
    assert data.sizes["train"] + data.sizes["validation"] == 39  # what is tested is not trained on
    assert data.sizes["validation"] > 0
    assert "1 of train that another split has too ('Training/a/0.png')" in capsys.readouterr().out
    assert data.description.endswith(
        "its folders cut them into test, train; a stable hash of their content cut validation off train"
    )
    shutil.copytree(tmp_path / "test", tmp_path / "val")
    with pytest.raises(zoo.ZooError, match="The validation split is empty"):
        zoo.data.image_folder(zoo.RunConfig(), path=tmp_path)


def test_too_few_images_are_refused(tmp_path):
    for name in "ab":
        write(tmp_path / name, 1, ord(name))
    with pytest.raises(zoo.ZooError, match="split is empty"):
        zoo.data.image_folder(zoo.RunConfig(), path=tmp_path)
