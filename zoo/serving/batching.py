"""Dynamic batching: requests that wait at the same time are computed together, and each gets its own answer."""

import asyncio
import collections
import contextlib
import time
from dataclasses import dataclass

import numpy as np

from zoo.serving.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted


@dataclass(frozen=True)
class Batching:
    """How requests are put together; the names are those of TensorFlow Serving's BatchingParameters."""

    # Rows in a batch, at most; 1 computes every request on its own. A request of more rows is never cut.
    max_batch_size: int = 32
    # Seconds that a batch which is not full waits for more; at 0 it takes what came while the one before was computed.
    batch_timeout: float = 0.0
    # Batches that are computed at the same time.
    num_batch_threads: int = 2
    # Rows that wait, at most, and rows of a request; one beyond is refused at once.
    max_enqueued_rows: int = 512


@dataclass(eq=False)
class _Request:
    """A request that waits. Those of one `kind` fit into one batch: the same inputs, of the same shape but for the rows."""

    inputs: dict[str, np.ndarray]
    rows: int
    kind: object
    arrived: float
    answer: asyncio.Future


class Batcher:
    """Puts together the requests to one function.

    Args:
        function: name → array [N, ...] to name → array [N, ...]. Called in threads; what it raises is the answer.
        executor: its threads.
        batching: a `Batching`.
        observe: called with the number of rows of each batch and the seconds that it took.
    """

    def __init__(self, function, executor, batching: Batching, observe=lambda rows, seconds: None):
        self._function, self._executor, self._batching, self._observe = function, executor, batching, observe
        self._waiting = collections.deque()
        self._rows = 0
        self._full = asyncio.Event()
        self._running = set()

    async def submit(self, inputs: dict[str, np.ndarray], deadline: float) -> dict[str, np.ndarray]:
        """Answers a request.

        Args:
            inputs: name → array [N, ...].
            deadline: by the clock of `time.monotonic`.

        Raises:
            InvalidArgument: if the request alone has more rows than may wait.
            ResourceExhausted: if too many rows wait.
            DeadlineExceeded: if the answer is not there in time.
            Exception: as the function.
        """
        now, sizes = time.monotonic(), {value.shape[:1] for value in inputs.values()}
        if len(sizes) == 1 and sizes not in ({()}, {(0,)}):
            rows, kind = sizes.pop()[0], tuple((name, value.shape[1:]) for name, value in sorted(inputs.items()))
        else:
            rows, kind = 1, object()  # it has no rows that could stand beside others
        most = self._batching.max_enqueued_rows
        if rows > most:
            raise InvalidArgument(f"A request has {rows} rows; at most {most} are taken")
        if self._rows + rows > most:
            raise ResourceExhausted(f"{self._rows} rows wait already; try again later, or raise max_enqueued_rows")
        request = _Request(inputs, rows, kind, now, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._count(rows)
        if len(self._running) < self._batching.num_batch_threads:
            worker = asyncio.ensure_future(self._work())
            self._running.add(worker)
            worker.add_done_callback(self._running.discard)
        try:
            return await asyncio.wait_for(request.answer, max(deadline - now, 0))
        except TimeoutError as error:
            raise DeadlineExceeded("There was no answer in time") from error
        finally:
            if request in self._waiting:  # nobody waits for its answer any more
                self._waiting.remove(request)
                self._count(-rows)

    def _count(self, rows):
        self._rows += rows
        if self._rows >= self._batching.max_batch_size:
            self._full.set()
        else:
            self._full.clear()

    async def _work(self):
        """Computes batch after batch until none waits."""
        while self._waiting:
            pause = self._waiting[0].arrived + self._batching.batch_timeout - time.monotonic()
            if self._batching.batch_timeout and pause > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), pause)
            if batch := self._take():
                await self._answer(batch)

    def _take(self):
        """The next batch: the first that waits and those of its kind that still fit."""
        batch, rows, others = [], 0, collections.deque()
        while self._waiting and rows < self._batching.max_batch_size:
            request = self._waiting.popleft()
            if not batch or (request.kind == batch[0].kind and rows + request.rows <= self._batching.max_batch_size):
                batch.append(request)
                rows += request.rows
            else:
                others.append(request)
        self._waiting.extendleft(reversed(others))
        self._count(-rows)
        return batch

    async def _answer(self, batch):
        """Computes a batch; if it fails, each half on its own, until a bad request is alone and harms no other."""
        batch = [request for request in batch if not request.answer.done()]
        if not batch:
            return
        rows, start = sum(request.rows for request in batch), time.perf_counter()
        try:
            inputs = batch[0].inputs
            if len(batch) > 1:
                inputs = {name: np.concatenate([request.inputs[name] for request in batch]) for name in inputs}
            outputs = await asyncio.get_running_loop().run_in_executor(self._executor, self._function, inputs)
            if len(batch) > 1 and any(value.shape[:1] != (rows,) for value in outputs.values()):
                raise InvalidArgument("An output of the model has not one row for each of the inputs'")
        except Exception as error:  # whatever it is, it must not end the worker
            if len(batch) > 1:
                await self._answer(batch[: len(batch) // 2])
                await self._answer(batch[len(batch) // 2 :])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        self._observe(rows, time.perf_counter() - start)
        start = 0
        for request in batch:
            own = outputs if len(batch) == 1 else {name: value[start : start + request.rows] for name, value in outputs.items()}
            start += request.rows
            if not request.answer.done():
                request.answer.set_result(own)
