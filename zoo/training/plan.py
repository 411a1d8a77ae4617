"""How long a run takes, which of its epochs is the best, and when it has waited long enough for a better one."""

import math
from dataclasses import dataclass

from zoo.tasks import Monitor

FEW = 100  # validation examples: of fewer, a share of right answers is too coarse to choose by


@dataclass(frozen=True)
class Plan:
    """Epochs and steps of a run.

    Attributes:
        steps: of an epoch.
        epochs: at most.
        last: the last step of all.
        warmup: steps in which the learning rate rises.
        earliest: the step from which on a lack of progress counts.
        patience: steps without progress, after that, which end a run.
    """

    steps: int
    epochs: int
    last: int
    warmup: int
    earliest: int
    patience: int

    @classmethod
    def make(cls, config, steps: int, least_steps: int) -> "Plan":
        """The plan of a configuration for epochs of so many steps.

        Args:
            config: a `RunConfig`. Where it does not say how many epochs, they are the recipe's usual ones, and more on small
                data: as many as make the least steps.
            steps: of an epoch.
            least_steps: see `Task.least_steps`.
        """
        epochs = config.epochs or max(config.usual_epochs, math.ceil(least_steps / steps))
        last = min(steps * epochs, config.max_steps or 2**31)
        warmup = min(last // 20, last - 1)
        patience = config.patience or max(last // 2, 1)
        return cls(steps, epochs, last, warmup, earliest=max(warmup, min(least_steps, last)), patience=patience)

    def describe(self, examples: int) -> str:
        """In words, for the start of a run."""
        steps = f"{self.steps:,} step{'s' * (self.steps != 1)}"
        if self.last < self.steps * self.epochs:
            return f"{examples:,} examples: {self.last:,} steps, {self.steps:,} an epoch."
        return f"{examples:,} examples: at most {self.epochs:,} epoch{'s' * (self.epochs != 1)} of {steps}."


class Choice:
    """Which epoch is the best so far, and how long ago there was progress.

    The monitor decides, and of two that are equal by it the lower loss of validation. Progress is a better epoch, or a loss
    that is lower than ever.

    Args:
        monitor: of the task.
        examples: of validation; of few, the loss decides alone.

    Attributes:
        monitor: what decides.
    """

    def __init__(self, monitor: Monitor, examples: int):
        self.monitor = monitor if examples >= FEW else Monitor(monitor.loss, "min", monitor.loss)
        self._best = self._lowest = None
        self._progress = 0

    def better(self, scores: dict[str, float], step: int) -> bool:
        """Whether the scores of validation after a step are the best so far; they count from then on."""
        loss = scores[self.monitor.loss]
        rank = [self.monitor.sign * scores[self.monitor.name], -loss]
        rank = [-math.inf if math.isnan(part) else part for part in rank]
        better = self._best is None or rank > self._best
        if better:
            self._best = rank
        lowest = not math.isnan(loss) and (self._lowest is None or loss < self._lowest)
        if lowest:
            self._lowest = loss
        if better or lowest:
            self._progress = step
        return better

    def waited(self, step: int, plan: Plan) -> bool:
        """Whether a run has gone on for long enough without progress."""
        return step - max(self._progress, plan.earliest) >= plan.patience

    def state(self) -> dict:
        """As JSON, for `resume`."""
        return {"best": self._best, "lowest": self._lowest, "progress": self._progress}

    def resume(self, state: dict) -> None:
        """Goes on from a state."""
        self._best, self._lowest, self._progress = state["best"], state["lowest"], state["progress"]
