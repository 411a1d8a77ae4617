"""What happens as TensorFlow is imported, by whomever: its chatter is kept from users, and a recipe's settings are made."""

import contextlib
import functools
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
        sys.meta_path.insert(0, _Finder(_quietly, "tensorflow"))


@contextlib.contextmanager
def after_tensorflow(action):
    """Within it `action()` is called as soon as TensorFlow and Keras have been imported: at once where that was before."""
    if "tensorflow" in sys.modules:
        action()
        yield
        return

    def execute_and_act(execute, module):
        execute(module)
        action()

    finder = _Finder(execute_and_act, "tensorflow", "keras")  # each imports the other: the one that is asked for ends last
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


def _quietly(execute, module):
    with filtered_stderr():
        execute(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the first of some modules to be imported as the other finders do; `around(execute, module)` executes it."""

    def __init__(self, around, *names):
        self._around, self._names = around, names

    def find_spec(self, name, path=None, target=None):
        if name not in self._names:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        spec.loader.exec_module = functools.partial(self._around, spec.loader.exec_module)
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
