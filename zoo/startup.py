"""Keeps TensorFlow's chatter at its start from users of the commands and recipes; warnings and errors pass."""

import contextlib
import importlib.abc
import importlib.util
import os
import re
import sys
import tempfile

# Its C++ libraries log three lines of information, twice, before any setting of theirs is read.
CHATTER = re.compile(rb"I\d{4} \d\d:\d\d:|WARNING: All log messages before absl::InitializeLog")


def quiet_tensorflow() -> None:
    """From here on an import of TensorFlow, whoever makes it, prints what matters alone; nothing is imported now.

    What its C++ code logs later is silenced too, since on a machine without a GPU it takes that for an error; a value that
    the user gave TF_CPP_MIN_LOG_LEVEL stays.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as the other finders do, and filters what is written while it is executed."""

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def quietly(module):
            with filtered_stderr():
                execute(module)

        spec.loader.exec_module = quietly
        return spec


@contextlib.contextmanager
def filtered_stderr():
    """Within it the process's standard error is kept; at its end all lines but chatter are written."""
    try:
        stderr, written = os.dup(2), tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    except OSError:  # it is closed, or nothing can be kept: then the chatter passes
        yield
        return
    with written:
        try:
            os.dup2(written.fileno(), 2)
            yield
        finally:
            if sys.stderr:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            written.seek(0)
            with os.fdopen(stderr, "wb") as file:
                file.writelines(line for line in written if not CHATTER.match(line))
