"""`fit`: runs, progress, the best weights kept, early stopping, resume."""

from zoo.training.fit import Run, fit

__all__ = ["Run", "fit"]
