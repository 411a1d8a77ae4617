"""What is trained, scored and exported: a builder's model with the codecs around it."""

from zoo.tasks.base import LABELS, Task, checked_labels, not_texts, weights_read_once, with_labels

__all__ = ["LABELS", "Task", "checked_labels", "not_texts", "weights_read_once", "with_labels"]
