"""Dynamic batching: requests that wait at the same time are computed together, and each gets its own answer."""

import asyncio
import collections
import time
from dataclasses import dataclass, field

import numpy as np

from zoo.serving.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted, ServingError


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
    """A request that waits."""

    inputs: dict[str, np.ndarray]
    rows: int
    answer: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def kind(self):
        """Requests of one kind fit into one batch: the same inputs, of the same shape but for the rows."""
        return tuple((name, value.shape[1:]) for name, value in sorted(self.inputs.items()))


class Batcher:
    """Puts together the requests to one function.

    Args:
        function: name → array [N, ...] to name → array [N, ...]; may raise `ServingError`. Called in threads.
        executor: its threads.
        batching: a `Batching`.
        observe: called with the number of rows of each batch and the seconds that it took.
    """

    def __init__(self, function, executor, batching: Batching, observe=lambda rows, seconds: None):
        self._function, self._executor, self._batching, self._observe = function, executor, batching, observe
        self._waiting = collections.deque()
        self._rows = 0
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
            ServingError: as the function.
        """
        sizes = {value.shape[0] if value.shape else None for value in inputs.values()}
        if len(sizes) > 1 or None in sizes or sizes == {0}:
            return await self._in_time(asyncio.ensure_future(self._compute(inputs)), deadline)  # not by rows: on its own
        request = _Request(inputs, sizes.pop())
        if request.rows > self._batching.max_enqueued_rows:
            raise InvalidArgument(f"A request has {request.rows} rows; at most {self._batching.max_enqueued_rows} are taken")
        if self._rows + request.rows > self._batching.max_enqueued_rows:
            raise ResourceExhausted(f"{self._rows} rows wait already; try again later, or raise max_enqueued_rows")
        self._waiting.append(request)
        self._rows += request.rows
        if len(self._running) < self._batching.num_batch_threads:
            worker = asyncio.ensure_future(self._work())
            self._running.add(worker)
            worker.add_done_callback(self._running.discard)
        return await self._in_time(request.answer, deadline)

    async def drain(self):
        """Returns when nothing waits and nothing is computed any more."""
        while self._running:
            await asyncio.wait(self._running)

    @staticmethod
    async def _in_time(answer, deadline):
        try:
            return await asyncio.wait_for(answer, max(deadline - time.monotonic(), 0))
        except TimeoutError as error:
            raise DeadlineExceeded("There was no answer in time") from error

    async def _work(self):
        """Computes batch after batch until none waits."""
        while self._waiting:
            if self._batching.batch_timeout and self._rows < self._batching.max_batch_size:
                await asyncio.sleep(self._batching.batch_timeout)
            if batch := self._take():
                await self._answer(batch)

    def _take(self):
        """The next batch: the first that waits and those of its kind that still fit."""
        batch, rows, others = [], 0, collections.deque()
        while self._waiting and rows < self._batching.max_batch_size:
            request = self._waiting.popleft()
            if request.answer.done():  # its deadline has passed, or its client is gone
                self._rows -= request.rows
            elif not batch or (request.kind == batch[0].kind and rows + request.rows <= self._batching.max_batch_size):
                batch.append(request)
                rows += request.rows
            else:
                others.append(request)
        self._waiting.extendleft(reversed(others))
        self._rows -= rows
        return batch

    async def _answer(self, batch):
        """Computes a batch; if it fails, each request on its own: a bad one harms no other."""
        inputs = batch[0].inputs
        if len(batch) > 1:
            inputs = {name: np.concatenate([request.inputs[name] for request in batch]) for name in inputs}
        rows = sum(request.rows for request in batch)
        try:
            outputs = await self._compute(inputs)
            if len(batch) > 1 and any(value.shape[:1] != (rows,) for value in outputs.values()):
                raise InvalidArgument("An output of the model has not one row for each of the inputs'")
        except ServingError as error:
            if len(batch) > 1:
                for request in batch:
                    await self._answer([request])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        start = 0
        for request in batch:
            own = outputs if len(batch) == 1 else {name: value[start : start + request.rows] for name, value in outputs.items()}
            start += request.rows
            if not request.answer.done():
                request.answer.set_result(own)

    async def _compute(self, inputs):
        start = time.perf_counter()
        outputs = await asyncio.get_running_loop().run_in_executor(self._executor, self._function, inputs)
        self._observe(next((len(value) for value in inputs.values() if value.shape), 1), time.perf_counter() - start)
        return outputs
