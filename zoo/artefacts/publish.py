"""An artefact is copied to `saved_models/` as its next version, verified there and named in the table."""

import shutil
from pathlib import Path

from zoo import files, names
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.errors import ZooError
from zoo.names import valid_name

# Sources of data whose models may be published; of a person's own those that have a name of their own.
PUBLISHED = ("real", "synthetic")


def publish(run: Path, root: Path = Path("saved_models")) -> Path:
    """Copies a run's artefact to ROOT/NAME/VERSION, the next version, and renews ROOT/README.md.

    Any number of processes may publish at once: each takes a version of its own.

    Raises:
        ZooError: if the run has no artefact, was trained on a sample or, without a `--name`, on data of one's own, stopped
            early by `--max-steps`, or is damaged; if what has its name in ROOT is of other data or another mapping; if ROOT
            cannot be written, or what was written there is not what was read.
    """
    source = Path(run) / "artefact" if (Path(run) / "artefact").is_dir() else Path(run)
    if not (source / find.CARD).is_file():
        raise ZooError(f"{run} holds no artefact; give the directory of a finished run (runs/NAME/RUN).")
    facts = cards.read(source)
    cards.verify(source, facts)
    check_publishable(run, facts["data"]["source"], facts["run"]["max_steps"], facts["run"]["config"].get("name"))
    versions = Path(root) / facts["name"]
    if there := find.version_directories(versions):
        _check_successor(there[max(there)], facts["mapping"], facts["data"]["loader"])
    with files.workspace(versions / "version") as room:
        try:
            target = _placed(_copied(source, room / "artefact", facts), versions)
        except OSError as error:
            raise files.unwritable(versions, error) from error
    print(f"Published: {names.shown(target)}", flush=True)
    write_index(Path(root))
    return target


def is_publishable(source: str, name: str | None) -> bool:
    """Whether a run on such data may be published; `name` is that of `--name`."""
    return source in PUBLISHED or (source == "own" and bool(name))


def check_publishable(run, source: str, max_steps: int | None, name: str | None) -> None:
    """Raises `ZooError` if a run on such data, or ended so early, is not to be published."""
    if not is_publishable(source, name):
        if source == "own":
            raise ZooError(f"{run}, trained on data of your own, is published under its own name only: train it with --name.")
        raise ZooError(f"{run}, trained on the {source} data, is not published: only runs on the real data are.")
    if max_steps:
        raise ZooError(f"{run} is a try-out (--max-steps {max_steps}) and is not published.")


def check_successor(name: str, mapping: str, loader: str) -> None:
    """Raises `ZooError` if the published artefact of a name is no earlier version of one that maps so, of data so loaded."""
    if found := find.artefacts().get(name):
        _check_successor(found, mapping, loader)


def _check_successor(directory: Path, mapping: str, loader: str) -> None:
    try:
        facts = cards.read(directory)
    except ZooError:  # of a damaged one nothing is known
        return
    if (facts["mapping"], facts["data"]["loader"]) != (mapping, loader):
        words = f"{facts['mapping']} of {facts['data']['loader']}, and this is {mapping} of {loader}".replace("_to_", "-to-")
        raise ZooError(f"{names.shown(directory)} is {words}, no next version of it: give another --name.")


def _copied(source: Path, directory: Path, facts: dict) -> Path:
    """Copies an artefact, and reads the copy again before anyone else can see it."""
    directory.mkdir()
    for path in sorted(source.rglob("*")):
        copy = directory / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copyfile(path, copy)
    try:
        if cards.read(directory) != facts:
            raise ZooError(f"{find.CARD} is not the same")
        cards.verify(directory, facts)
        (directory / "README.md").write_text(cards.render(facts), encoding="utf-8")  # from here on it is loaded by name
    except ZooError as error:
        raise ZooError(f"Nothing was published: the copy of {source} is not what was read from it ({error})") from error
    return directory


def _placed(directory: Path, versions: Path) -> Path:
    """Renames a directory to the next version: one above whatever has a number for a name, an artefact or not."""
    while True:
        taken = [path.name for path in versions.iterdir() if path.name.isascii() and path.name.isdigit()]
        # a version has 18 digits at most, so that TensorFlow Serving can hold it; a longer name is none
        target = versions / str(max((int(name) for name in taken if int(name) < 10**18 - 1), default=0) + 1)
        try:
            files.place(directory, target)
            return target
        except OSError as error:
            if error.errno not in files.TAKEN:  # by another process, since it was looked for
                raise


def write_index(root: Path) -> None:
    """Writes ROOT/README.md, the table of the newest version of every artefact below it, from their cards."""
    written = None
    while written != (newest := _newest(root)):  # another process may publish between the two
        files.write(root / "README.md", _index(newest))
        written = newest


def _newest(root: Path) -> list[Path]:
    there_are = sorted(path.name for path in root.iterdir() if valid_name(path.name))
    return [root / name / str(there[-1]) for name in there_are if (there := find.versions(root / name))]


def _index(newest: list[Path]) -> str:
    lines = [
        "# Trained models",
        "",
        "Generated by `zoo publish` from the cards. Each score is that of the artefact itself, on the test split.",
        "",
        "| artefact | mapping | score | 95 % interval | parameters | size | command |",
        "|---|---|---|---|---|---|---|",
    ]
    for directory, card in cards.readable(newest):
        name, value, interval = cards.first_score(card)
        command = cards.code(card["run"]["command"]).replace("|", "\\|")
        lines.append(
            f"| [`{card['name']}`]({directory.parent.name}/{directory.name}/README.md) | {card['mapping'].replace('_', '-')} "
            f"| {cards.prose(name)} {value} | {interval} | {card['parameters']:,} "
            f"| {card['bytes'] / 1e6:.1f} MB | {command} |"
        )
    return "\n".join([*lines, ""])
