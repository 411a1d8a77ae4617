"""What vocabularies share: their lines, and the file that lookup tables read them from."""

import shutil
import tempfile
import weakref
from pathlib import Path

import tensorflow as tf

from zoo.preprocessing.codec import Codec

LINE = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE)
NUMBER = (tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)


class Vocabulary(Codec):
    """A codec of learnt entries, whose ids follow some reserved ones.

    Args:
        vocabulary: the entries, without the reserved ones.
        limit: how many ids a text has at most.
        file: name of the vocabulary's file among the assets of a SavedModel.
    """

    RESERVED: int

    def __init__(self, vocabulary, *, limit: int, file: str):
        self.vocabulary, self.limit, self.file = list(vocabulary), limit, file
        # From a file, not from a constant: in a SavedModel it becomes the asset of this name, and is there once.
        directory = tempfile.mkdtemp(prefix="zoo-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self._path = Path(directory, file)
        lines = "".join(f"{entry}\n" for entry in self.vocabulary)
        self._path.write_text(lines, encoding="utf-8", newline="\n")

    def lookup_table(self, key, value, default) -> tf.lookup.StaticHashTable:
        """A table over the entries: `LINE` to `NUMBER`, from 0, or the other way round; the default for all others."""
        return tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(str(self._path), *key, *value), default_value=default)

    @property
    def size(self) -> int:
        """Number of ids, the reserved ones included."""
        return len(self.vocabulary) + self.RESERVED

    @property
    def assets(self):
        """See `Codec.assets`."""
        return {self.file: self.vocabulary}

    def config(self):
        """See `Codec.config`."""
        return {"limit": self.limit, "file": self.file}

    @classmethod
    def from_config(cls, config, assets):
        """See `Codec.from_config`."""
        return cls(assets[config["file"]], **config)
