"""What is trained, scored and exported: a builder's model with the codecs around it."""

from zoo.tasks.base import Monitor, Task, weights_read_once
from zoo.tasks.classifier import Classifier
from zoo.tasks.signatures import shared, signature
from zoo.tasks.text_to_text import TextToText
from zoo.tasks.writer import Writer

__all__ = ["Classifier", "Monitor", "Task", "TextToText", "Writer", "shared", "signature", "weights_read_once"]
