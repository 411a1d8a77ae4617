"""The numbers of each epoch on disk: `log.csv`, and events for TensorBoard."""

import csv
import importlib.util
import io
from pathlib import Path

import tensorflow as tf

from zoo import files


def write(path: Path, log: list[dict]) -> None:
    """Renews `log.csv` of a run, and adds the files of TensorBoard that are not there yet, one an epoch.

    Args:
        path: directory of the run.
        log: one row an epoch, as `Run.log`.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=log[0])
    writer.writeheader()
    writer.writerows(log)
    files.write(path / "log.csv", text.getvalue())
    if importlib.util.find_spec("tensorboard"):
        for row in log:
            events = path / "tensorboard" / f"events.out.tfevents.{row['epoch']:06}"
            if not events.exists():
                _write_events(events, row)


def _write_events(path: Path, row: dict) -> None:
    with files.replacing(path) as temporary:
        with files.written_by_tensorflow(temporary.parent) as directory:
            writer = tf.summary.create_file_writer(str(directory))
            with writer.as_default():
                for key, value in row.items():
                    if key not in ("epoch", "step"):
                        tf.summary.scalar(key, value, step=row["step"])
            writer.close()
        (written,) = temporary.parent.glob("events.*")
        written.rename(temporary)


def words(logs: dict) -> str:
    """Losses and metrics as text."""
    return ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
