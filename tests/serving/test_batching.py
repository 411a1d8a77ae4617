"""Dynamic batching, with a function in place of a model."""

import asyncio
import contextlib
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from zoo.serving.batching import Batcher, Batching, Stop, Threads
from zoo.serving.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted


class Doubling:
    """Doubles its inputs, remembers the batches, and refuses negative numbers. It waits while `held`."""

    def __init__(self):
        self.batches, self.held = [], threading.Event()
        self.held.set()

    def __call__(self, inputs, stop):
        self.batches.append(inputs["x"].shape)
        self.held.wait(10)
        if (inputs["x"] < 0).any():
            raise InvalidArgument("negative")
        return {"y": 2 * inputs["x"]}


def submit_all(function, arrays, *, seconds=10.0, before=None, **batching):
    """Answers or errors of requests that are all there before the first batch is done."""

    async def run():
        with contextlib.closing(Threads(4)) as threads:
            batcher = Batcher(function, threads, Batching(**batching))
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
    answers = submit_all(function, [[1], [2, 3], [4, 5]], num_batch_threads=1, max_enqueued_rows=3)
    assert isinstance(answers[2], ResourceExhausted)


def test_a_deadline_that_passes_frees_the_place():
    function = Doubling()

    async def until_late(requests):
        await asyncio.wait(requests)

    answers = submit_all(function, [[1], [2], [3]], seconds=0.5, before=until_late, num_batch_threads=1)
    assert all(isinstance(answer, DeadlineExceeded) for answer in answers)
    assert function.batches in ([(1,)], [(1,), (1,)], [(1,), (2,)])  # [3] on its own was not computed any more


class Held(Stop):
    """Computes nothing until it is stopped, or for good."""

    made = ()

    def __init__(self):
        self.stopped = threading.Event()
        type(self).made = (*type(self).made, self)

    def start_cancel(self):
        self.stopped.set()


def test_a_computation_that_nobody_waits_for_is_stopped(monkeypatch):
    monkeypatch.setattr(Held, "made", ())

    def function(inputs, stop):
        if inputs["x"].sum() > 2:
            return {"y": inputs["x"]}
        assert stop.stopped.wait(60)
        raise InvalidArgument("stopped")

    async def run():
        with contextlib.closing(Threads(1)) as threads:
            batcher = Batcher(function, threads, Batching(num_batch_threads=1), stop=Held)
            end = time.monotonic() + 60
            late = asyncio.ensure_future(batcher.submit({"x": np.array([1])}, time.monotonic() + 0.1))
            await asyncio.wait([late])
            gone = asyncio.ensure_future(batcher.submit({"x": np.array([1])}, end))
            while not gone.done():
                await asyncio.sleep(0.01)
                if len(Held.made) == 2:
                    gone.cancel()  # as when its client goes
            first = asyncio.ensure_future(batcher.submit({"x": np.array([0])}, end))
            await asyncio.sleep(0.05)
            last = await batcher.submit({"x": np.array([3])}, end)
            first.cancel()
            await asyncio.wait([first])
            return late.exception(), gone.cancelled(), last["y"].tolist()

    late, gone, last = asyncio.run(run())
    assert isinstance(late, DeadlineExceeded)
    assert gone
    assert last == [3]
    assert all(stop.stopped.is_set() for stop in Held.made[:3])


def test_a_batch_is_not_stopped_while_one_waits_for_it(monkeypatch):
    monkeypatch.setattr(Held, "made", ())
    function = Doubling()

    async def run():
        with contextlib.closing(Threads(1)) as threads:
            batcher = Batcher(function, threads, Batching(num_batch_threads=1, batch_timeout=0.2, max_batch_size=2), stop=Held)
            function.held.clear()
            requests = [
                asyncio.ensure_future(batcher.submit({"x": np.array([x])}, time.monotonic() + seconds))
                for x, seconds in ((1, 0.3), (2, 60))
            ]
            await asyncio.wait(requests[:1])
            stopped = [stop.stopped.is_set() for stop in Held.made]
            function.held.set()
            return stopped, (await requests[1])["y"].tolist()

    assert asyncio.run(run()) == ([False], [4])


def test_long_computations_leave_threads_to_others():
    held = threading.Event()

    def slow(inputs, stop):
        assert held.wait(60)
        return inputs

    async def run():
        with contextlib.closing(Threads(2)) as threads:
            other, own = (Batcher(slow, threads, Batching()), Batcher(Doubling(), threads, Batching()))
            end = time.monotonic() + 60
            long = [asyncio.ensure_future(other.submit({"x": np.array([x])}, end)) for x in (1, 2)]
            await asyncio.sleep(0.01)
            answers = [(await own.submit({"x": np.array([x])}, end))["y"].item() for x in range(5)]
            held.set()
            await asyncio.gather(*long)
            return answers

    assert asyncio.run(run()) == [0, 2, 4, 6, 8]


def test_a_long_computation_leaves_a_thread_to_others_of_its_model():
    held = threading.Event()

    def function(inputs, stop):
        assert inputs["x"][0] >= 0 or held.wait(60)
        return inputs

    async def run():
        with contextlib.closing(Threads(1)) as threads:
            batcher, end = Batcher(function, threads, Batching(num_batch_threads=1)), time.monotonic() + 60
            long = asyncio.ensure_future(batcher.submit({"x": np.array([-1])}, end))
            await asyncio.sleep(0.01)
            answers = [(await batcher.submit({"x": np.array([x])}, end))["x"].item() for x in range(5)]
            held.set()
            await long
            return answers

    assert asyncio.run(run()) == list(range(5))


SERIES = tf.TensorSpec([None, None, 2])


@pytest.mark.parametrize(
    "spec, shape, message",
    [
        (SERIES, [1, 1_200_000, 2], "rows of 1,200,000 steps; at most 1,000 are taken"),
        (SERIES, [1, 1, 5000], "rows of 5,000 steps"),  # that the graph takes 2 is for the graph to say
        (SERIES, [9, 1000, 2], "has 9 rows; at most 8"),
        (SERIES, [1, 1001], "rows of 1,001 steps"),
        (tf.TensorSpec([None], tf.string), [1, 2000], "rows of 2,000 steps"),
        (tf.TensorSpec(None), [1, 2000], "rows of 2,000 steps"),
    ],
)
def test_a_value_is_refused_by_its_shape(spec, shape, message):
    with pytest.raises(InvalidArgument, match=message):
        Batching(max_enqueued_rows=8, max_steps=1000).require("x", spec, shape)


@pytest.mark.parametrize(
    "spec, shape", [(SERIES, [8, 1000, 2]), (tf.TensorSpec([None, 9, 5000]), [8, 9, 5000]), (tf.TensorSpec([]), [])]
)
def test_what_the_signature_fixes_is_no_step(spec, shape):
    Batching(max_enqueued_rows=8, max_steps=1000).require("x", spec, shape)


def test_a_time_out_waits_for_company():
    function = Doubling()

    async def run():
        with contextlib.closing(Threads(2)) as threads:
            batcher = Batcher(function, threads, Batching(batch_timeout=0.5))
            pause, end = asyncio.sleep(0.05), time.monotonic() + 10
            first = asyncio.ensure_future(batcher.submit({"x": np.array([1])}, end))
            await pause
            return await asyncio.gather(first, batcher.submit({"x": np.array([2])}, end))

    asyncio.run(run())
    assert function.batches == [(2,)]


def test_an_output_without_rows_is_not_cut():
    def mean(inputs, stop):
        if len(inputs["x"]) > 1:
            held.wait(10)
        return {"y": np.float32(inputs["x"].mean())}

    held = threading.Event()
    held.set()

    async def run():
        with contextlib.closing(Threads(1)) as threads:
            batcher = Batcher(mean, threads, Batching(num_batch_threads=1))
            end = time.monotonic() + 10
            return await asyncio.gather(*(batcher.submit({"x": np.array([x])}, end) for x in (1.0, 2.0, 3.0)))

    assert [float(answer["y"]) for answer in asyncio.run(run())] == [1, 2, 3]


@pytest.mark.parametrize("count", [1, 40])
def test_nothing_is_lost_under_load(count):
    function = Doubling()

    async def run():
        with contextlib.closing(Threads(2)) as threads:
            batcher = Batcher(function, threads, Batching(max_batch_size=5))
            end = time.monotonic() + 30
            requests = [batcher.submit({"x": np.array([x])}, end) for x in range(10 * count)]
            return [answer["y"].item() for answer in await asyncio.gather(*requests)]

    assert asyncio.run(run()) == [2 * x for x in range(10 * count)]
