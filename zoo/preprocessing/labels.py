"""Names of classes: numbers to names."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.codec import Codec


class Names(tuple, Codec):
    """Names in the order of their numbers, in a file of their own; a tuple of strings.

    Args:
        names: texts of one line each.
        file: name of their file among the assets of a SavedModel.
    """

    FILE = "labels.txt"

    def __new__(cls, names, *, file: str | None = None):
        found = super().__new__(cls, names)
        found.file = file or cls.FILE
        return found

    @property
    def assets(self):
        """See `Codec.assets`."""
        return {self.file: list(self)}

    def config(self):
        """See `Codec.config`."""
        return {} if self.file == self.FILE else {"file": self.file}

    @classmethod
    def from_config(cls, config, assets):
        """See `Codec.from_config`."""
        return cls(assets[config.get("file", cls.FILE)], **config)


class Labels(Names):
    """Names of at least two classes, in the order of their numbers; a tuple of strings.

    Args:
        names: of the classes.
        file: name of their file among the assets of a SavedModel.

    Raises:
        ZooError: if there are too few, one twice, or one of several lines.
    """

    def __new__(cls, names, *, file: str | None = None):
        names = tuple(map(str, names)) if not isinstance(names, str) else (names,)
        if len(names) < 2 or len(set(names)) < len(names) or any("\n" in name for name in names):
            raise ZooError(f"Labels are the names of at least two classes, each once and on one line, not {_shown(names)}.")
        return super().__new__(cls, names, file=file)

    def check_count(self, count: int) -> None:
        """Raises `ZooError` if a model has another number of classes."""
        if count != len(self):
            raise ZooError(f"The model has {count} classes, and there are {len(self)} labels: {_shown(self)}.")

    def __call__(self, numbers):
        """Numbers of classes, int [...] → names, string [...]."""
        return tf.gather(tf.constant(list(self)), numbers)


def _shown(names) -> str:
    return ", ".join(map(repr, names)) or "none"
