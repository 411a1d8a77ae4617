"""Dynamic batching, with a function in place of a model."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zoo.serving.batching import Batcher, Batching
from zoo.serving.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted


class Doubling:
    """Doubles its inputs, remembers the batches, and refuses negative numbers. It waits while `held`."""

    def __init__(self):
        self.batches, self.held = [], threading.Event()
        self.held.set()

    def __call__(self, inputs):
        self.batches.append(inputs["x"].shape)
        self.held.wait(10)
        if (inputs["x"] < 0).any():
            raise InvalidArgument("negative")
        return {"y": 2 * inputs["x"]}


def submit_all(function, arrays, *, seconds=10.0, before=None, **batching):
    """Answers or errors of requests that are all there before the first batch is done."""

    async def run():
        with ThreadPoolExecutor(4) as executor:
            batcher = Batcher(function, executor, Batching(**batching))
            function.held.clear()
            requests = []
            for array in arrays:
                requests.append(asyncio.ensure_future(batcher.submit({"x": np.asarray(array)}, time.monotonic() + seconds)))
                await asyncio.sleep(0.01)
            if before:
                await before(requests)
            function.held.set()
            answers = await asyncio.gather(*requests, return_exceptions=True)
            return [answer if isinstance(answer, BaseException) else answer["y"].tolist() for answer in answers]

    return asyncio.run(run())


def test_what_waits_is_computed_together_and_each_gets_its_own():
    function = Doubling()
    answers = submit_all(function, [[1], [2, 3], [4]], num_batch_threads=1)
    assert answers == [[2], [4, 6], [8]]
    assert function.batches == [(1,), (3,)]  # the first did not wait for the others


def test_a_batch_is_no_larger_than_it_may_be():
    function = Doubling()
    submit_all(function, [[1]] * 8, num_batch_threads=1, max_batch_size=3)
    assert function.batches == [(1,), (3,), (3,), (1,)]


def test_a_batch_of_one_is_no_batching():
    function = Doubling()
    submit_all(function, [[1]] * 3, num_batch_threads=1, max_batch_size=1)
    assert function.batches == [(1,)] * 3


def test_a_bad_request_fails_alone():
    function = Doubling()
    answers = submit_all(function, [[0], [1], [-1], [3]], num_batch_threads=1)
    assert answers[:2] == [[0], [2]]
    assert isinstance(answers[2], InvalidArgument)
    assert answers[3] == [6]


def test_requests_of_other_shapes_are_not_mixed_and_keep_their_turn():
    function = Doubling()
    answers = submit_all(function, [[[0]], [[1, 2]], [[3]], [[4, 5]]], num_batch_threads=1)
    assert answers == [[[0]], [[2, 4]], [[6]], [[8, 10]]]
    assert function.batches == [(1, 1), (2, 2), (1, 1)]


def test_too_many_rows_are_refused_at_once():
    function = Doubling()
    answers = submit_all(function, [[1], [2, 3], [4], [5, 6, 7, 8]], num_batch_threads=1, max_enqueued_rows=3)
    assert answers[:3] == [[2], [4, 6], [8]]
    assert isinstance(answers[3], InvalidArgument)  # it could never be taken
    answers = submit_all(function, [[1], [2, 3], [4, 5]], num_batch_threads=1, max_enqueued_rows=3)
    assert isinstance(answers[2], ResourceExhausted)


def test_a_deadline_that_passes_frees_the_place():
    function = Doubling()

    async def until_late(requests):
        await asyncio.wait(requests)

    answers = submit_all(function, [[1], [2]], seconds=0.2, before=until_late, num_batch_threads=1)
    assert all(isinstance(answer, DeadlineExceeded) for answer in answers)
    assert function.batches == [(1,)]  # the second was not computed any more


def test_a_time_out_waits_for_company():
    function = Doubling()

    async def run():
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(function, executor, Batching(batch_timeout=0.5))
            pause, end = asyncio.sleep(0.05), time.monotonic() + 10
            first = asyncio.ensure_future(batcher.submit({"x": np.array([1])}, end))
            await pause
            return await asyncio.gather(first, batcher.submit({"x": np.array([2])}, end))

    asyncio.run(run())
    assert function.batches == [(2,)]


def test_an_output_without_rows_is_not_cut():
    def mean(inputs):
        if len(inputs["x"]) > 1:
            held.wait(10)
        return {"y": np.float32(inputs["x"].mean())}

    held = threading.Event()
    held.set()

    async def run():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(mean, executor, Batching(num_batch_threads=1))
            end = time.monotonic() + 10
            return await asyncio.gather(*(batcher.submit({"x": np.array([x])}, end) for x in (1.0, 2.0, 3.0)))

    assert [float(answer["y"]) for answer in asyncio.run(run())] == [1, 2, 3]


@pytest.mark.parametrize("count", [1, 40])
def test_nothing_is_lost_under_load(count):
    function = Doubling()

    async def run():
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(function, executor, Batching(max_batch_size=5))
            end = time.monotonic() + 30
            requests = [batcher.submit({"x": np.array([x])}, end) for x in range(10 * count)]
            return [answer["y"].item() for answer in await asyncio.gather(*requests)]

    assert asyncio.run(run()) == [2 * x for x in range(10 * count)]
