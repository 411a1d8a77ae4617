"""Folders of a person's own images: which files are taken, and what is said of the others."""

import os
from collections import Counter

import pytest

import zoo
from zoo.data.folders import find_images
from zoo.data.report import Report

PNG = b"\x89PNG\r\n\x1a\n..."
JPEG = b"\xff\xd8\xff..."
WEBP = b"RIFF....WEBPVP8 "
BMP = b"BM....\0\0\0\0"


@pytest.fixture
def find(tmp_path):
    """Path → content of its file; gives the images that are found, by class and split, and what is said."""

    def load(files, below=""):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        report = Report("photos", "files")
        found = find_images(tmp_path / below, report)
        report.print(len(found))
        return Counter((one.label, one.split) for one in found)

    return load


def test_the_content_decides(find, capsys):
    assert find(
        {
            "cat/1.png": PNG,
            "cat/2.jfif": JPEG,
            "cat/3": JPEG,
            "cat/4.webp": PNG,
            "cat/more/5.JPG": JPEG,
            "cat/6.webp": WEBP,
            "cat/7.jpg": WEBP,
            "dog/1.PNG": PNG,
            "dog/2.bmp": BMP,
            "dog/3.bmp": BMP,
            "dog/4.png": b"",
            "dog/5.jpeg": b"<html>",
            "dog/6.txt": b"text",
            "dog/7": b"text",
            "labels.csv": b"text",
        }
    ) == {("cat", None): 5, ("dog", None): 1}
    assert capsys.readouterr().out == (
        "photos: read 15 files, left out 9: 2 .bmp ('dog/2.bmp', 'dog/3.bmp'), 1 beside the folders ('labels.csv'),"
        " 1 .webp ('cat/6.webp'), 1 .jpg with WebP inside ('cat/7.jpg'), 1 empty ('dog/4.png'),"
        " 1 .jpeg with no image inside ('dog/5.jpeg'), 1 .txt ('dog/6.txt'), 1 without an ending ('dog/7').\n"
    )


def test_what_systems_leave_behind_is_no_class(find, capsys):
    left = ["__MACOSX/cat/._1.png", ".git/a.png", "@eaDir/1.png", "cat/.DS_Store", "cat/Thumbs.db", "dog/._1.png"]
    assert find({**dict.fromkeys(left, PNG), "cat/1.png": PNG, "dog/1.png": PNG}) == {("cat", None): 1, ("dog", None): 1}
    assert (
        "photos: hidden, or left behind by a system, not read: 6 ('.git', '@eaDir', '__MACOSX', ...).\n"
        in capsys.readouterr().out
    )


def test_links_and_pipes(find, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(PNG)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    os.symlink(tmp_path / "elsewhere", tmp_path / "photos" / "dog")
    os.symlink(tmp_path / "photos", tmp_path / "photos" / "cat" / "circle")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "photos" / "cat" / "gone.png")
    os.mkfifo(tmp_path / "photos" / "cat" / "pipe.png")
    assert find({"photos/cat/1.png": PNG}, "photos")["dog", None] == 1
    said = capsys.readouterr().out
    assert "1 not readable (No such file or directory) ('cat/gone.png')" in said
    assert "1 pipe or device ('cat/pipe.png')" in said


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "Test"), ("train", "dev", "testing")])
def test_a_tree_that_is_split_already(find, capsys, names):
    files = {f"{name}/{label}/{i}.png": PNG for i in range(2) for name in names for label in ("cat", "train")}
    found = find({**files, "more/cat/1.png": PNG, f"{names[0]}/notes.txt": b"x"})
    assert found == {(label, split): 2 for label in ("cat", "train") for split in ("train", "validation", "test")}
    said = capsys.readouterr().out
    assert f"1 beside the folders ('{names[0]}/notes.txt')" in said
    assert "photos: folder beside those of the splits, not read: 1 ('more')." in said


def test_classes_may_be_called_like_splits(find):
    assert find({"train/1.png": PNG, "tram/1.png": PNG}) == {("train", None): 1, ("tram", None): 1}


def test_labels_are_cleaned(find):
    assert find({"cafe\u0301  au lait/1.png": PNG, "tea/1.png": PNG}) == {("café au lait", None): 1, ("tea", None): 1}


# Files → what is said of them.
WRONG = {
    "one class": ({"cat/1.png": PNG}, r"has 1 sub-folder\(s\); a classifier needs two or more, one for each class.$"),
    "no class": ({"1.png": PNG}, r"has 0 sub-folder\(s\); a classifier needs two or more, one for each class.$"),
    "a folder round it": (
        {"photos/cat/1.png": PNG, "photos/dog/1.png": PNG, "__MACOSX/._photos": PNG},
        r"has 1 sub-folder\(s\); .* .*photos has 2: is it meant\?",
    ),
    "a class of another kind": ({"cat/1.webp": WEBP, "dog/1.png": PNG}, r"cat has no images: .* 1 .webp \('cat/1.webp'\)"),
    "an empty class": ({"cat/.keep": b"", "dog/1.png": PNG}, "cat has no images: there is no PNG or JPEG file below it.$"),
    "splits without classes": (
        {"train/1.png": PNG, "test/1.png": PNG},
        "looks split already, with the folders 'test', 'train'; then .*test has to hold a folder for each class",
    ),
    "a class to test only": (
        {"train/cat/1.png": PNG, "train/dog/1.png": PNG, "test/cow/1.png": PNG},
        "has no folder in train for 'cow', which is to be tested or validated",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_folder_is_said(find, what):
    files, message = WRONG[what]
    with pytest.raises(zoo.ZooError, match=message):
        find(files)


def test_what_is_no_folder(find):
    with pytest.raises(zoo.ZooError, match="none cannot be read as a folder: No such file"):
        find({}, "none")
    with pytest.raises(zoo.ZooError, match=r"1\.png cannot be read as a folder: Not a directory"):
        find({"1.png": PNG}, "1.png")
    with pytest.raises(zoo.ZooError, match=r"The name of the folder '\\udcff' is a class, and it is not in UTF-8"):
        find({"cat/1.png": PNG, os.fsdecode(b"\xff/1.png"): PNG})
