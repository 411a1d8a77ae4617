"""Captioned pictures: Flickr8k, COCO, and the drawn scenes that stand in for them."""

import tarfile
from pathlib import Path

import tensorflow as tf

from zoo.data import drawn_scenes
from zoo.data.found import load_tfds, raw_directory, sample_splits
from zoo.data.splits import Splits, loader
from zoo.errors import ZooError

CAPTIONS = 5  # of a picture

FLICKR8K_CAPTIONS = "Flickr8k.token.txt"
FLICKR8K_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
FLICKR8K_PICTURES = ("images_128.tar", "Flicker8k_Dataset", "Images")  # the first one there is taken


@loader
def flickr8k(config) -> Splits:
    """Photos of people and animals from Flickr with five captions each: 6,000 to train, 1,000 each to validate and test.

    It has no download to rely on. `raw/flickr8k/` below the data directory holds the official captions and lists
    (`Flickr8k.token.txt`, `Flickr_8k.trainImages.txt`, `Flickr_8k.devImages.txt`, `Flickr_8k.testImages.txt`), and the
    pictures as `images_128.tar` or in one of the folders `Flicker8k_Dataset/` and `Images/`; these are read as they are used.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (content of a JPEG file, captions): string scalar and string [5]. Where the data set cannot be had,
        those of the sample, whose files are PNG.

    Raises:
        ZooError: see `raw_directory`; or if the files are incomplete.

    Source: Hodosh et al. 2013, "Framing Image Description as a Ranking Task".
    """
    files = (FLICKR8K_CAPTIONS, *FLICKR8K_LISTS.values(), FLICKR8K_PICTURES)
    directory = raw_directory("flickr8k", config, files=files, archive=None)
    if directory is None:
        return _sample("Flickr8k")
    captions = {}
    for line in (directory / FLICKR8K_CAPTIONS).read_text(encoding="utf-8").splitlines():
        identifier, _, caption = line.partition("\t")  # picture.jpg#number
        captions.setdefault(identifier.partition("#")[0], []).append(caption.strip())
    lists = {part: (directory / name).read_text(encoding="utf-8").split() for part, name in FLICKR8K_LISTS.items()}
    listed = {picture for names in lists.values() for picture in names}
    if odd := sorted(picture for picture in listed if len(captions.get(picture, ())) != CAPTIONS):
        path = directory / FLICKR8K_CAPTIONS
        raise ZooError(f"{path} should have {CAPTIONS} captions a picture, and has not for {_share(odd, listed)}")
    pictures = next(directory / name for name in FLICKR8K_PICTURES if (directory / name).exists())
    in_folder = pictures.is_dir()
    files = {path.name: str(path) for path in pictures.iterdir()} if in_folder else _read_tar(pictures, listed)
    if missing := sorted(listed - files.keys()):
        raise ZooError(f"{pictures} lacks {_share(missing, listed)}")

    def dataset(names):
        columns = [files[name] for name in names], [captions[name] for name in names]
        examples = tf.data.Dataset.from_tensor_slices(columns)
        return examples.map(lambda path, texts: (tf.io.read_file(path), texts)) if in_folder else examples

    sizes = " / ".join(f"{len(names):,}" for names in lists.values())
    return Splits(
        source="real",
        **{part: dataset(names) for part, names in lists.items()},
        description=f"Flickr8k, official split of {sizes} photos with {CAPTIONS} captions each; photos from {pictures.name}",
        terms="licence not stated by the authors, who ask for a citation of Hodosh et al. 2013; photos belong to their"
        " photographers: for non-commercial research and teaching",
    )


@loader
def coco_captions(config) -> Splits:
    """Photos of everyday scenes with five captions each: 113,287 to train, 5,000 each to validate and test.

    Read only where it is prepared (`tfds build coco_captions`; the download is some 40 GB); nothing is downloaded here.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (content of a JPEG file, captions): string scalar and string [5], the first five where there are more.
        Where the data set is not prepared, those of the sample, whose files are PNG.

    Raises:
        ZooError: see `load_tfds`.

    Source: Chen et al. 2015, "Microsoft COCO Captions"; split by Karpathy & Fei-Fei 2015, train with restval; through tfds
    `coco_captions/2014`.
    """
    splits = {"train": "train+restval", "validation": "val", "test": "test"}
    data = load_tfds("coco_captions", config, splits=splits, probe=None, encoded=("image",), whole=False)
    if data is None:
        return _sample("COCO")

    def example(fields):
        captions = tf.strings.strip(fields["captions"]["text"][:CAPTIONS])
        return fields["image"], tf.ensure_shape(captions, [CAPTIONS])

    return Splits(
        source="real",
        **{name: part.map(example) for name, part in data.items()},
        description="COCO captions, split by Karpathy & Fei-Fei 2015, train with restval (tfds coco_captions/2014)",
        terms="captions CC BY 4.0; photos under the licences that their owners chose on Flickr",
    )


def _read_tar(path: Path, listed: set[str]) -> dict[str, bytes]:
    """Name → content of the listed pictures, in whatever folder they are."""
    try:
        with tarfile.open(path) as tar:
            named = ((Path(member.name).name, member) for member in tar if member.isfile())
            return {name: tar.extractfile(member).read() for name, member in named if name in listed}
    except (OSError, tarfile.TarError) as error:
        raise ZooError(f"{path} cannot be read as a tar archive: {error}.") from error


def _share(pictures: list[str], listed: set[str]) -> str:
    shown = ", ".join(pictures[:3]) + (", ..." if len(pictures) > 3 else "")
    return f"{len(pictures):,} of the {len(listed):,} listed pictures: {shown}"


def _sample(name: str) -> Splits:
    scenes = drawn_scenes.drawn_scenes().items()
    parts = {part: tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*pairs, strict=True)))) for part, pairs in scenes}
    return sample_splits(name, drawn_scenes.DESCRIPTION, parts)
