"""What `fit` says while it trains, and what ends an epoch early."""

import time

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class NotANumber(Exception):
    """The loss stopped being a number, after so many steps."""


class Watch(keras.callbacks.Callback):
    """Shows an epoch's steps in a terminal as they are made; stops at a loss that is not a number and at the last step of all.

    Args:
        epoch: which one, in words.
        steps: that this epoch will make.
        last: the step of the run to stop at.
        estimate: whether to say, early on, how long the run will take.
    """

    AFTER = 20  # steps before the estimate; the first ones include tracing

    def __init__(self, epoch: str, *, steps: int, last: int, estimate: bool):
        super().__init__()
        self.epoch, self.steps, self.last, self.estimate = epoch, steps, last, estimate
        self.full, self.seen = False, 0

    def on_train_begin(self, logs=None):
        """Opens the bar, where there is a terminal to draw it in."""
        console = Console()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.shown = self.bar.add_task(self.epoch, total=self.steps)
        self.bar.start()

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        done = int(self.model.optimizer.iterations)
        if not tf.math.is_finite(logs["loss"]):
            raise NotANumber(done)
        self.seen += 1
        self.bar.update(self.shown, advance=1, description=f"{self.epoch}, loss {logs['loss']:.4f}")
        if self.seen == self.AFTER // 2:
            self.started = time.monotonic()
        if self.estimate and self.seen == self.AFTER:
            pace = (time.monotonic() - self.started) / (self.AFTER - self.AFTER // 2)
            minutes = max(1, round(pace * self.last / 60))
            self.bar.console.print(f"About {minutes} min for {self.last:,} steps.", highlight=False)
        if done >= self.last:
            self.full = self.model.stop_training = True

    def close(self):
        """Takes the bar away; also after what Keras ends no callback for."""
        if hasattr(self, "bar"):
            self.bar.stop()


def words(logs: dict) -> str:
    """Losses and metrics as text."""
    return ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
