"""What a run keeps on disk: its configuration, its progress, the weights to go on from and the best ones."""

import json
import os
import time
from pathlib import Path

import numpy as np

from zoo.errors import ZooError


def open_run(root: Path, name: str, identity: dict, *, fresh: bool) -> tuple[Path, bool]:
    """The directory of the newest unfinished run with an equal configuration, or a new one.

    A run is unfinished until its artefact is there.

    Args:
        root: where runs are kept.
        name: of the recipe.
        identity: what two runs must have in common, as JSON.
        fresh: always a new one.

    Returns:
        The directory, and whether it goes on with an earlier run.
    """
    try:
        (root / name).mkdir(parents=True, exist_ok=True)
        if not fresh:
            for path in sorted((root / name).iterdir(), reverse=True):
                if not (path / "artefact").exists() and _read(path / "config.json") == identity:
                    return path, True
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path, number = root / name / stamp, 1
        while path.exists():
            path, number = root / name / f"{stamp}-{number}", number + 1
        path.mkdir()
        write_json(path / "config.json", identity)
    except OSError as error:
        raise ZooError(f"Runs cannot be kept in {root}: {error.strerror}: {error.filename}. Give another --runs.") from error
    return path, False


def write_json(path: Path, value) -> None:
    """Writes JSON so that a killed process leaves the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def save_arrays(path: Path, variables, progress: dict) -> None:
    """Writes variables and a JSON value into one file, whole or not at all."""
    temporary = path.with_suffix(".tmp.npz")
    arrays = {f"v{index}": np.asarray(variable) for index, variable in enumerate(variables)}
    np.savez(temporary, progress=json.dumps(progress), **arrays)
    os.replace(temporary, path)


def load_arrays(path: Path, variables) -> dict:
    """Assigns what `save_arrays` wrote and returns the JSON value."""
    with np.load(path) as stored:
        values = [stored[f"v{index}"] for index in range(len(stored.files) - 1)]
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise ZooError(f"{path} was written by another version of this model; start anew with --fresh.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return json.loads(str(stored["progress"]))


def _read(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
