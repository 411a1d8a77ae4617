"""Large JSON, read and written in a process of its own.

A parser holds Python's lock from the first byte to the last: 15 MB of numbers take 0.1 to 1 second, and no thread of the
server would run meanwhile. The process takes 35 MB, imports no TensorFlow, and starts with the first large body.
"""

import asyncio
import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zoo.serving.errors import DeadlineExceeded, InvalidArgument, Unavailable


@dataclass(frozen=True)
class _Type:
    """Of a `tf.DType` what `codec` asks."""

    name: str
    as_numpy_dtype: type
    is_bool: bool
    is_floating: bool


@dataclass(frozen=True)
class _Spec:
    """Of a `tf.TensorSpec` what `codec` asks."""

    dtype: _Type


class Signatures:
    """The inputs of a model's signatures as `codec.decode` asks for them, for a process without TensorFlow.

    Args:
        specs: signature → input name → `tf.TensorSpec`.
    """

    def __init__(self, specs):
        def plain(dtype):
            return _Type(dtype.name, dtype.as_numpy_dtype, dtype.is_bool, dtype.is_floating)

        self._specs = {key: {name: _Spec(plain(spec.dtype)) for name, spec in one.items()} for key, one in specs.items()}

    def __call__(self, signature: str):
        """As `Servable.specs`."""
        key = signature or "serving_default"
        if key not in self._specs:
            raise InvalidArgument(f'Serving signature name: "{key}" not found in signature def')
        return self._specs[key]


class Reader:
    """Calls functions in another process, one at a time: a large body's lists take ten times its bytes."""

    def __init__(self):
        self._thread, self._process = ThreadPoolExecutor(1, "read"), None

    async def __call__(self, deadline: float, function, *args):
        """What a function of the package gives; it and all that it is given are pickled.

        Args:
            deadline: by the clock of the event loop.

        Raises:
            DeadlineExceeded: if it is not done in time.
            Unavailable: if the process ended, as for want of memory.
            Exception: as the function.
        """
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, function, args)
        except TimeoutError as error:
            raise DeadlineExceeded("The request was not read in time") from error

    def _ask(self, function, args):
        if self._process is None:
            # not multiprocessing: its processes outlive a server that is killed; this one's input ends with it
            command = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
            path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
            )
        try:
            pickle.dump((function, args), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            error, result = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as trouble:
            self._end()
            raise Unavailable("The process that reads large requests ended; try again later") from trouble
        if error is not None:
            raise error
        return result

    def _end(self):
        """Ends the process; the next call starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):  # what was not written is lost
                process.stdin.close()
            process.stdout.close()
            process.wait()

    def close(self):
        """Ends the process, whatever it does, and the thread."""
        if self._process is not None:
            self._process.kill()  # the thread finds it ended
        self._thread.shutdown(cancel_futures=True)
        self._end()


def serve() -> None:
    """The other process: answers until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the server decides
    gc.disable()  # lists of lists of numbers hold no circles, and there are millions
    requests, answers, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr
    while True:
        try:
            function, args = pickle.load(requests)
        except EOFError:
            return
        try:
            answer = None, function(*args)
        except Exception as error:
            answer = error.with_traceback(None), None
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
        del function, args, answer
