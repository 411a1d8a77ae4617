"""Dynamic batching: requests that wait at the same time are computed together, and each gets its own answer."""

import asyncio
import collections
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from zoo.serving.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted
from zoo.serving.options import Batching

LONG = 0.1  # seconds after which a batch gives its thread's place to other models' and goes on beside them
TIMES_USUAL = 5  # and how many times the usual, at least, until it does so to those of its own model
RECENT = 100  # batches; the usual time is that which nine tenths of them exceed


class Threads:
    """Calls functions in threads, so many at a time; one that takes long lets others start, so that twice as many run at most.

    Args:
        count: how many.
    """

    def __init__(self, count: int):
        self._executor, self._places = ThreadPoolExecutor(2 * count, "compute"), asyncio.Semaphore(count)
        self._long, self._most = 0, count

    async def run(self, function, *args):
        """What a function gives."""
        async with self._places:
            running = asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
            await asyncio.wait([running], timeout=LONG)
            while self._long == self._most and not running.done():
                await asyncio.wait([running], timeout=LONG)
            if running.done():
                return running.result()
            self._long += 1
        try:
            return await running
        finally:
            self._long -= 1

    def close(self):
        """Ends the threads; one that still computes is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Stop:
    """How a computation is told that nobody waits for its answer; this one cannot be."""

    def start_cancel(self):
        """Nobody waits."""


@dataclass(eq=False)
class _Request:
    """A request that waits. Those of one `kind` fit into one batch: the same inputs, of the same shape but for the rows."""

    inputs: dict[str, np.ndarray]
    rows: int
    kind: object
    arrived: float
    answer: asyncio.Future
    batch: "_Batch | None" = None  # in which it is computed now


@dataclass(eq=False)
class _Batch:
    """Requests that are computed together."""

    requests: list[_Request]
    stop: Stop

    def leave(self):
        """One of its requests waits no longer; when none does, the computation ends."""
        if all(request.answer.done() for request in self.requests):
            self.stop.start_cancel()


class Batcher:
    """Puts together the requests to one function.

    Args:
        function: (name → array [N, ...], stop) to name → array [N, ...]. Called in threads; what it raises is the answer.
        threads: a `Threads`.
        batching: a `Batching`.
        observe: called with the number of rows of each batch and the seconds that it took.
        stop: makes what the function is given to be stopped by: a `Stop`, or TensorFlow's `CancellationManager`.
    """

    def __init__(self, function, threads: Threads, batching: Batching, observe=lambda rows, seconds: None, stop=Stop):
        self._function, self._threads, self._batching, self._observe, self._stop = function, threads, batching, observe, stop
        self._recent = collections.deque([0.0], RECENT)
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
        if self._rows + rows > most:
            raise ResourceExhausted(f"{self._rows} rows wait already; try again later, or raise max_enqueued_rows")
        request = _Request(inputs, rows, kind, now, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._count(rows)
        self._start()
        try:
            return await asyncio.wait_for(request.answer, max(deadline - now, 0))
        except TimeoutError as error:
            raise DeadlineExceeded("There was no answer in time") from error
        finally:
            if request in self._waiting:  # nobody waits for its answer any more
                self._waiting.remove(request)
                self._count(-rows)
            if request.batch:
                request.batch.leave()

    def _start(self):
        """Starts a worker, if something waits and there may be one more."""
        if self._waiting and len(self._running) < self._batching.num_batch_threads:
            worker = asyncio.ensure_future(self._work())
            self._running.add(worker)
            worker.add_done_callback(self._running.discard)

    def _give_way(self, worker):
        """A worker's batch takes long: another takes its place."""
        self._running.discard(worker)
        self._start()

    def _count(self, rows):
        self._rows += rows
        if self._rows >= self._batching.max_batch_size:
            self._full.set()
        else:
            self._full.clear()

    async def _work(self):
        """Computes batch after batch until none waits or another worker has its place."""
        worker = asyncio.current_task()
        while self._waiting and worker in self._running:
            pause = self._waiting[0].arrived + self._batching.batch_timeout - time.monotonic()
            if self._batching.batch_timeout and pause > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), pause)
            if batch := self._take():
                await self._answer(batch, worker)

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

    async def _answer(self, batch, worker):
        """Computes a batch; if it fails, each half on its own, until a bad request is alone and harms no other."""
        batch = [request for request in batch if not request.answer.done()]
        if not batch:
            return
        rows, start = sum(request.rows for request in batch), time.perf_counter()
        running, usual = _Batch(batch, self._stop()), sorted(self._recent)[len(self._recent) // 10]
        long = asyncio.get_running_loop().call_later(max(LONG, TIMES_USUAL * usual), self._give_way, worker)
        for request in batch:
            request.batch = running
        try:
            inputs = batch[0].inputs
            if len(batch) > 1:
                inputs = {name: np.concatenate([request.inputs[name] for request in batch]) for name in inputs}
            outputs = await self._threads.run(self._function, inputs, running.stop)
            if len(batch) > 1 and any(value.shape[:1] != (rows,) for value in outputs.values()):
                raise InvalidArgument("An output of the model has not one row for each of the inputs'")
        except Exception as error:  # whatever it is, it must not end the worker
            if len(batch) > 1:
                await self._answer(batch[: len(batch) // 2], worker)
                await self._answer(batch[len(batch) // 2 :], worker)
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        finally:
            long.cancel()
            for request in batch:
                request.batch = None
        seconds = time.perf_counter() - start
        self._recent.append(seconds)
        self._observe(rows, seconds)
        start = 0
        for request in batch:
            own = outputs if len(batch) == 1 else {name: value[start : start + request.rows] for name, value in outputs.items()}
            start += request.rows
            if not request.answer.done():
                request.answer.set_result(own)
