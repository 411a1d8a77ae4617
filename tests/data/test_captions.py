"""Captioned pictures: Flickr8k from its official files, COCO through tfds, and the sample that stands in for both."""

import io
import tarfile
from pathlib import Path

import pytest
import tensorflow as tf

import zoo
from zoo.data import captions, drawn_scenes

PARTS = {"train": 4, "validation": 2, "test": 3}
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
PICTURES = {part: [f"{part}{number}.jpg" for number in range(size)] for part, size in PARTS.items()}
CONTENT = {name: f"content of {name}".encode() for names in PICTURES.values() for name in (*names, "unlisted.jpg")}


def write_tar(directory):
    with tarfile.open(directory / "images_128.tar", "w") as tar:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(f"images/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def write_folder(name):
    def write(directory):
        (directory / name).mkdir()
        for picture, content in CONTENT.items():
            (directory / name / picture).write_bytes(content)

    return write


@pytest.fixture
def flickr8k(tmp_path):
    """Directory with a tiny Flickr8k, its pictures in a tar archive."""
    directory = tmp_path / "raw" / "flickr8k"
    directory.mkdir(parents=True)
    lines = [f"{name}#{k}\t {name} says {k} . \n" for name in CONTENT for k in range(5)]
    lines += [f"train0.jpg.1#{k}\tA picture that nobody has\n" for k in range(5)]
    (directory / "Flickr8k.token.txt").write_text("".join(lines))
    for part, names in PICTURES.items():
        (directory / LISTS[part]).write_text("".join(f"{name}\n" for name in names))
    write_tar(directory)
    return directory


def load(tmp_path, **settings):
    return captions.flickr8k(zoo.RunConfig(data_dir=tmp_path, **settings))


def read(dataset):
    return [(content, [text.decode() for text in texts]) for content, texts in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("pictures", (write_tar, write_folder("Flicker8k_Dataset"), write_folder("Images")))
def test_the_official_lists_decide(flickr8k, tmp_path, pictures):
    (flickr8k / "images_128.tar").unlink()
    pictures(flickr8k)
    data = load(tmp_path)
    assert data.loader == "flickr8k"
    assert data.source == "real"
    assert data.sizes == PARTS
    for part, names in PICTURES.items():
        dataset = getattr(data, part)
        assert dataset.element_spec == (tf.TensorSpec([], tf.string), tf.TensorSpec([5], tf.string))
        assert read(dataset) == [(CONTENT[name], [f"{name} says {k} ." for k in range(5)]) for name in names]
    assert "4 / 2 / 3" in data.description
    assert "non-commercial" in data.terms


def test_a_directory_may_be_that_of_the_files(flickr8k, tmp_path, monkeypatch):
    for directory in (flickr8k, flickr8k.parent):
        assert load(directory).sizes == PARTS
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert captions.flickr8k(zoo.RunConfig()).source == "real"


def test_pictures_that_are_missing_are_named(flickr8k, tmp_path):
    with (flickr8k / LISTS["test"]).open("a") as file:
        file.write("lost.jpg\n")
    with (flickr8k / "Flickr8k.token.txt").open("a") as file:
        file.write("".join(f"lost.jpg#{k}\tLost\n" for k in range(5)))
    with pytest.raises(zoo.ZooError, match=r"images_128\.tar lacks 1 of the 10 listed pictures: lost\.jpg$"):
        load(tmp_path)


def test_captions_that_are_missing_are_named(flickr8k, tmp_path):
    with (flickr8k / LISTS["test"]).open("a") as file:
        file.write("a.jpg\nb.jpg\nc.jpg\nd.jpg\n")
    with pytest.raises(
        zoo.ZooError, match=r"should have 5 captions .* 4 of the 13 listed pictures: a\.jpg, b\.jpg, c\.jpg, \.\.\."
    ):
        load(tmp_path)


def test_a_damaged_archive_is_named(flickr8k, tmp_path):
    (flickr8k / "images_128.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(zoo.ZooError, match=r"images_128\.tar cannot be read as a tar archive"):
        load(tmp_path)


@pytest.mark.parametrize("missing", ("Flickr8k.token.txt", LISTS["validation"], "images_128.tar"))
def test_what_belongs_where_is_said(flickr8k, tmp_path, missing):
    (flickr8k / missing).unlink()
    expected = rf"flickr8k is not prepared in .*no directory raw/flickr8k with .*{missing}.*Give the right --data-dir"
    for data in ("auto", "real"):  # a given directory is not passed over
        with pytest.raises(zoo.ZooError, match=expected):
            load(tmp_path, data=data)


def test_real_is_never_the_sample():
    with pytest.raises(zoo.ZooError, match=r"nothing is downloaded .*raw/flickr8k with .*Give --data-dir"):
        captions.flickr8k(zoo.RunConfig(data="real"))


@pytest.fixture
def small_sample(monkeypatch):
    """Fewer scenes, to save time."""
    full = drawn_scenes.drawn_scenes
    monkeypatch.setattr(drawn_scenes, "drawn_scenes", lambda: full(train=6, validation=2, test=2))


@pytest.mark.parametrize("data", ("auto", "sample"))
@pytest.mark.parametrize("loader", ("flickr8k", "coco_captions"))
def test_the_sample_stands_in_and_says_so(small_sample, monkeypatch, tmp_path, capsys, loader, data):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    splits = getattr(captions, loader)(zoo.RunConfig(data=data))
    assert (splits.loader, splits.source) == (loader, "sample")
    assert splits.sizes == {"train": 6, "validation": 2, "test": 2}
    assert splits.description == drawn_scenes.DESCRIPTION
    assert splits.train.element_spec == (tf.TensorSpec([], tf.string), tf.TensorSpec([5], tf.string))
    said = capsys.readouterr().out
    assert "SAMPLE, not on" in said
    assert ("nothing is downloaded" in said) == (data == "auto")


def test_coco_as_karpathy_split_it(monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    def prepared(name, *, split, data_dir, download, decoders, batch_size):
        assert (name, data_dir, download, batch_size) == ("coco_captions", tmp_path / "tfds", False, None)
        assert isinstance(decoders["image"], type(tfds.decode.SkipDecoding()))  # files, not pixels

        def one(part):
            texts = tf.constant([f" {part} {k} " for k in range(6)])
            return tf.data.Dataset.from_tensors({"image": part.encode(), "captions": {"text": texts}, "objects": 1})

        return [one(part) for part in split]

    (tmp_path / "tfds").mkdir()
    monkeypatch.setattr(tfds, "load", prepared)
    data = captions.coco_captions(zoo.RunConfig(data_dir=tmp_path))
    assert data.source == "real"
    for part, official in (("train", "train+restval"), ("validation", "val"), ("test", "test")):
        assert getattr(data, part).element_spec == (tf.TensorSpec([], tf.string), tf.TensorSpec([5], tf.string))
        assert read(getattr(data, part)) == [(official.encode(), [f"{official} {k}" for k in range(5)])]


def test_coco_that_is_not_prepared_is_said(tmp_path: Path):
    with pytest.raises(zoo.ZooError, match=r"coco_captions is not prepared in .*`tfds build coco_captions`"):
        captions.coco_captions(zoo.RunConfig(data_dir=tmp_path))
