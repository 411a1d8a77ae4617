"""What a terminal shows of a training: the steps of an epoch as they are made, and how long it will take."""

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar(keras.callbacks.Callback):
    """Draws a bar for each epoch and, early in the first, says how long the training will take.

    Args:
        steps: of an epoch.
        last: the last step of all.
        made: steps that an earlier process made.
    """

    AFTER = 20  # steps before the estimate; the first ones include tracing

    def __init__(self, *, steps: int, last: int, made: int = 0):
        super().__init__()
        self.steps, self.last, self.made = steps, last, made

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar, where there is a terminal to draw it in."""
        self.title, self.seen, self.estimate = epoch_title(epoch, self.steps, self.last), 0, epoch == 0
        console = Console()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.shown = self.bar.add_task(self.title, total=min(self.steps, self.last - self.made))
        self.bar.start()

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        self.made += 1
        self.seen += 1
        self.bar.update(self.shown, advance=1, description=f"{self.title}, loss {logs['loss']:.4f}")
        if self.seen == self.AFTER // 2:
            self.started = time.monotonic()
        if self.estimate and self.seen == self.AFTER:
            pace = (time.monotonic() - self.started) / (self.AFTER - self.AFTER // 2)
            minutes = max(1, round(pace * self.last / 60))
            self.bar.console.print(f"About {minutes} min for {self.last:,} steps.", highlight=False)

    def close(self):
        """Takes the bar away."""
        if hasattr(self, "bar"):
            self.bar.stop()


def epoch_title(epoch: int, steps: int, last: int) -> str:
    """Which epoch it is, of how many, in words."""
    return f"Epoch {epoch + 1} of {-(-last // steps)}"
