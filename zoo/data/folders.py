"""Folders with a person's own images, one for each class. Nothing here needs TensorFlow."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.data.report import Report, clean_label
from zoo.errors import ZooError
from zoo.names import quoted

# What a name of a folder says where a tree is split already.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# What systems and programs leave behind; nobody means it as data.
LEFT_BEHIND = {
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
}
# Kinds of image by their first bytes: a name says little.
READ = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff", re.DOTALL)
OTHERS = {
    "WebP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8"),
    "BMP": re.compile(rb"BM....\0\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "AVIF": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "HEIC": re.compile(rb"....ftyp(hei[cx]|hevc|mif1)", re.DOTALL),
}


class Found(NamedTuple):
    """An image file that begins like one, and where it lies."""

    file: str
    label: str
    split: str | None  # where the tree is split already


def find_images(path: Path, report: Report) -> list[Found]:
    """The PNG and JPEG files, by their content, below a folder with one sub-folder for each class.

    A tree that is split already, with the folders of the classes in `train` and `test` or `val`, is taken as it is. Hidden
    files and what systems leave behind are passed over; links are followed. What is no image is left out, and counted.

    Args:
        path: the folder.
        report: gets what is left out, by the ending or the kind of the file.

    Raises:
        ZooError: if it cannot be read, has fewer than two classes, or a class has no image.
    """
    folders, files = _entries(path, report, path)
    named = {name: SPLITS[name.lower()] for name in folders if name.lower() in SPLITS}
    is_split = len(set(named.values())) > 1 and "train" in named.values()
    if not is_split and len(folders) < 2:
        raise ZooError(_too_few(path, folders))
    for name in files:
        report.leave_out("beside the folders", name)
    if not is_split:
        return _of_classes(path, folders, None, path, report)
    for name in sorted(set(folders) - set(named)):
        report.remark("folder beside those of the splits, not read", name)
    found = []
    for name, split in named.items():
        classes, files = _entries(path / name, report, path)
        if not classes:
            raise ZooError(
                f"{path} looks split already, with the folders {', '.join(map(quoted, named))}; then {path / name} has to hold"
                " a folder for each class, and it has none. If they are classes, rename them."
            )
        for file in files:
            report.leave_out("beside the folders", f"{name}/{file}")
        found += _of_classes(path / name, classes, split, path, report)
    if unknown := sorted({one.label for one in found} - {one.label for one in found if one.split == "train"}):
        raise ZooError(
            f"{path} has no folder in train for {', '.join(map(quoted, unknown))}, which is to be tested or validated."
        )
    return found


def _of_classes(folder: Path, classes: list[str], split: str | None, root: Path, report: Report) -> list[Found]:
    found = []
    for name in classes:
        try:
            label = clean_label(os.fsencode(name).decode())
        except UnicodeDecodeError:
            raise ZooError(f"The name of the folder {quoted(name)} is a class, and it is not in UTF-8; rename it.") from None
        before = report.left_out
        images = [Found(str(file), label, split) for file in _images(folder / name, root, report)]
        if not images:
            seen = f"; {report.summary(len(found))}" if report.left_out > before else ""
            raise ZooError(f"{folder / name} has no images: there is no PNG or JPEG file below it{seen}.")
        found += images
    return found


def _images(folder: Path, root: Path, report: Report) -> Iterator[Path]:
    """The images below a folder; each folder once, though links lead to it twice or in a circle."""
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop(0)
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders, files = _entries(here, report, root)
        waiting += [here / name for name in folders]
        for name in files:
            if why := _no_image(here / name):
                report.leave_out(why, os.path.relpath(here / name, root))
            else:
                yield here / name


def _entries(folder: Path, report: Report, root: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder, sorted, without what nobody means as data."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except (OSError, ValueError) as error:
        raise ZooError(f"{folder} cannot be read as a folder: {getattr(error, 'strerror', None) or error}.") from error
    meant = []
    for name, is_folder in found:
        if name.startswith(".") or name.lower() in LEFT_BEHIND:
            report.remark("hidden, or left behind by a system, not read", os.path.relpath(folder / name, root))
        else:
            meant.append((name, is_folder))
    return [name for name, is_folder in meant if is_folder], [name for name, is_folder in meant if not is_folder]


def _no_image(file: Path) -> str | None:
    """Why a file is not taken for an image, or None: `Images` reads PNG and JPEG, whatever their names."""
    ending = file.suffix.lower() or "without an ending"
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return "pipe or device"  # to open a pipe is to wait for ever
        with open(file, "rb") as opened:
            start = opened.read(16)
    except OSError as error:
        return f"not readable ({error.strerror})"
    if READ.match(start):
        return None
    if not start:
        return "empty"
    kind = next((name for name, pattern in OTHERS.items() if pattern.match(start)), None)
    if ending in (".png", ".jpg", ".jpeg", ".jfif"):
        return f"{ending} with {kind or 'no image'} inside"
    return ending


def _too_few(path: Path, folders: list[str]) -> str:
    message = f"{path} has {len(folders)} sub-folder(s); a classifier needs two or more, one for each class"
    if folders:
        inner = [entry for entry in os.scandir(path / folders[0]) if entry.is_dir() and not entry.name.startswith(".")]
        if len(inner) > 1:
            return f"{message}. {path / folders[0]} has {len(inner)}: is it meant?"
    return message + "."
