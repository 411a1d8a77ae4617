"""Where artefacts are: the places of published ones, their versions, and the directory of a name."""

import os
from pathlib import Path

from zoo.errors import ZooError
from zoo.names import valid_name, version_number
from zoo.registry import did_you_mean, list_models

CARD = "card.json"  # a directory with this file is an artefact


def roots() -> list[tuple[str, Path]]:
    """Where published artefacts are looked for, in order, each with the words that name the place."""
    package = Path(__file__).parents[1]
    inside = package / "saved_models"  # where setup.py puts them in a wheel
    found = [("./saved_models", Path("saved_models"))]
    found.append(("the package", inside) if inside.is_dir() else ("the checkout", package.parent / "saved_models"))
    if os.environ.get("ZOO_MODELS"):
        found.insert(0, ("$ZOO_MODELS", Path(os.environ["ZOO_MODELS"])))
    else:
        found.insert(0, ("$ZOO_MODELS (not set)", None))
    return found


def artefacts() -> dict[str, Path]:
    """The newest version of every published artefact, name → directory; the first root that has a name wins."""
    found = {}
    for _, root in roots():
        if root is not None and os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK):
            for directory in sorted(root.iterdir()):
                if valid_name(directory.name) and directory.name not in found and (there := version_directories(directory)):
                    found[directory.name] = there[max(there)]
    return found


def bases(names=()) -> dict[str, Path]:
    """Name → the directory of its versions, of published artefacts: those named, or all.

    Raises:
        ZooError: if there is none of a name, or none at all.
    """
    found = {name: artefact(name).parent for name in names or artefacts()}
    if not found:
        raise ZooError("There is no published artefact; `zoo publish` makes one of a run.")
    return found


def versions(directory: Path) -> list[int]:
    """The versions below NAME/, ascending."""
    return sorted(version_directories(directory))


def version_directories(directory: Path) -> dict[int, Path]:
    """Version → its directory, of the artefacts below NAME/."""
    if not os.path.isdir(directory):
        return {}
    try:
        return {version: path for version, path in numbered(directory).items() if os.path.isfile(path / CARD)}
    except OSError:  # not ours to read
        return {}


def numbered(directory: Path) -> dict[int, Path]:
    """Version → directory, of the directories below another that are named as a version is; of "007" and "7" the plain one.

    Raises:
        OSError: if the directory cannot be read.
    """
    there = {path: version_number(path.name) for path in sorted(directory.iterdir()) if os.path.isdir(path)}
    return {version: path for path, version in there.items() if version is not None}


def artefact(name, version: int | None = None) -> Path:
    """The directory of an artefact.

    Args:
        name: a published name, or the path of an artefact's directory.
        version: a published version; the newest if None.

    Raises:
        ZooError: if there is none; it names the places looked at.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise ZooError(f"The name of an artefact is a string or a path, not {type(name).__name__}.")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise ZooError(f"The version of an artefact is a whole number, not {version!r}.")
    path = Path(name)
    if os.path.isfile(path / CARD):  # unlike that of a path it never raises, whatever the name
        return path.resolve()
    looked = []
    if valid_name(str(name)):  # a bare name, not a path
        for words, root in roots():
            if root is None:
                looked.append(words)
                continue
            looked.append(words if words.startswith(".") else f"{words} ({root})")
            if found := _version(root / name, version):
                return found
    elif found := _version(path, version):
        return found
    if not looked:
        raise ZooError(f"There is no artefact at {path}: it has no {CARD}.")
    known = artefacts()
    hint = f" {did_you_mean(str(name), known)}" if known else ""
    if name in list_models():
        hint = " It is a builder: zoo.create_model makes an untrained model of it."
    raise ZooError(f"There is no artefact {name!r}; looked in {', '.join(looked)}.{hint}")


def _version(directory: Path, version: int | None) -> Path | None:
    """One version below NAME/, the newest if None; None if there is not any."""
    there = version_directories(directory)
    if there and version not in (None, *there):
        known = ", ".join(map(str, sorted(there)))
        raise ZooError(f"{directory.name} has no version {version}; there is {known} in {directory}.")
    return there[max(there) if version is None else version].resolve() if there else None
