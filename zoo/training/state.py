"""What a run keeps on disk: its configuration, its progress, the weights to go on from and the best ones; who writes it."""

import json
import os
import shutil
import time
import weakref
from pathlib import Path

import numpy as np

from zoo import files, names
from zoo.errors import ZooError

# The file that is locked while a process writes a run; it says which process.
LOCK = "lock"
# Run → its lock, of those that this process holds: one process may train and export a run as often as it likes.
_held = weakref.WeakValueDictionary()


def open_run(root: Path, name: str, identity: dict, *, fresh: bool) -> tuple[Path, bool, files.Lock]:
    """The directory of the newest unfinished run with an equal configuration, or a new one.

    A run is unfinished until its artefact is there.

    Args:
        root: where runs are kept.
        name: of the recipe.
        identity: what two runs must have in common, as JSON.
        fresh: always a new one.

    Returns:
        The directory, whether it goes on with an earlier run, and the lock that keeps other processes out of it.

    Raises:
        ZooError: if another process writes that run, or nothing can be written there.
    """
    home = Path(root) / name
    try:
        home.mkdir(parents=True, exist_ok=True)
        with files.Lock(home / LOCK, wait=True):  # of two that start at once, the second sees the run of the first
            for path in [] if fresh else sorted(home.iterdir(), reverse=True):
                if _configuration(path) == identity and not (path / "artefact").exists():
                    lock = hold(path)
                    if not (path / "artefact").exists():  # else it was finished just before it was locked
                        files.sweep(path)
                        return path, True, lock
            path = _new_directory(home)
            try:
                lock = hold(path)
                write_json(path / "config.json", identity)
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise
            return path, False, lock
    except OSError as error:
        reason = f"{error.strerror}: {names.shown(error.filename or home)}"
        raise ZooError(f"Runs cannot be kept in {names.shown(root)}: {reason}. Give another --runs.") from error


def hold(path: Path) -> files.Lock:
    """Keeps other processes out of a run until the lock is released, or gone, or the process is.

    Raises:
        ZooError: if another process has it.
    """
    key = os.path.realpath(path)
    lock = _held.get(key)
    if lock is not None and lock.busy:  # in another thread
        raise ZooError(f"already running in this process: {names.shown(path)}.")
    if lock is None or not lock.held:
        try:
            lock = files.Lock(path / LOCK)
        except BlockingIOError:
            try:
                text = (path / LOCK).read_text(encoding="utf-8", errors="replace")[:200]
            except FileNotFoundError:  # it was released just now
                return hold(path)
            who = f" ({text})" if text else ""
            message = f"already running{who}: {names.shown(path)}. Wait for its end, or start another beside it with --fresh."
            raise ZooError(message) from None
        lock.note(f"pid {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        _held[key] = lock
    return lock


def write_json(path: Path, value) -> None:
    """Writes JSON so that a killed process leaves the old file or the new one."""
    files.write(path, json.dumps(value, indent=1))


def save_arrays(path: Path, variables, progress: dict) -> None:
    """Writes variables and a JSON value into one file, whole or not at all."""
    arrays = {f"v{index}": np.asarray(variable) for index, variable in enumerate(variables)}
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, progress=json.dumps(progress), **arrays)


def load_arrays(path: Path, variables) -> dict:
    """Assigns what `save_arrays` wrote and returns the JSON value.

    Raises:
        ZooError: if the file is damaged, or holds other variables; then nothing is assigned.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            values = [stored[f"v{index}"] for index in range(len(stored.files) - 1)]
            progress = json.loads(str(stored["progress"]))
    except Exception as error:  # of the file system, of zip, of npy or of JSON: of a damaged file anything may come
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ZooError(
            f"{names.shown(path)} is damaged or missing ({reason}), and without it this run cannot go on. "
            "Put a copy of it back, or start anew with --fresh; nothing was changed."
        ) from error
    expected = [np.asarray(variable) for variable in variables]
    if [(value.shape, value.dtype) for value in values] != [(value.shape, value.dtype) for value in expected]:
        raise ZooError(f"{names.shown(path)} was written by another version of this model; start anew with --fresh.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return progress


def _new_directory(home: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = home / stamp, 1
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            path, number = home / f"{stamp}-{number}", number + 1


def _configuration(path: Path):
    """What `config.json` of a run says; None if there is none that can be read."""
    try:
        return json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        print(f"Left out: {names.shown(path / 'config.json')} cannot be read ({error}); that run is not gone on with.")
        return None
