"""Load on a server, by as many clients as are asked for; without TensorFlow, to take little of the machine that it measures.

    python benchmarks/serving/load.py URL BODIES --clients 64 --seconds 10   # closed loop: each client asks again when answered
    python benchmarks/serving/load.py URL BODIES --rate 50 --seconds 10      # open loop: requests arrive at random, 50 a second

BODIES is a file with one JSON body a line; they are sent in turn. Prints one JSON object.
"""

import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from pathlib import Path

import aiohttp
import tyro

LATE = 30  # seconds after which a request counts as failed
MOST = 512  # requests of an open loop at the same time; one beyond counts as failed


async def drive(
    url: tyro.conf.Positional[str],
    bodies: tyro.conf.Positional[Path],
    clients: int = 64,
    rate: float | None = None,
    seconds: float = 10.0,
    warm_up: float = 2.0,
    seed: int = 0,
) -> dict:
    """Sends requests; their number, latencies and failures.

    Args:
        url: Where to.
        bodies: File of JSON bodies, one a line.
        clients: Of a closed loop.
        rate: Requests a second of an open loop, in place of clients.
        seconds: How long.
        warm_up: Seconds before that, not counted.
        seed: Of the arrivals.
    """
    contents = itertools.cycle(bodies.read_text(encoding="utf-8").splitlines())
    start = time.perf_counter() + warm_up
    end = start + seconds
    latencies, answered, failures = [], [], []

    async def ask(session, arrived):
        try:
            async with session.post(url, data=next(contents)) as reply:
                content = await reply.read()
                failed = f"{reply.status}: {content[:200].decode(errors='replace')}" if reply.status != 200 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            failed = repr(error)
        now = time.perf_counter()
        if not failed:
            answered.append(now)
        if start <= arrived < end:
            failures.append(failed) if failed else latencies.append(now - arrived)

    async def client(session):
        while (arrived := time.perf_counter()) < end:
            await ask(session, arrived)

    async def arrivals(session):
        random_, asked, arrived = random.Random(seed), set(), time.perf_counter()
        while arrived < end:
            await asyncio.sleep(max(arrived - time.perf_counter(), 0))
            if len(asked) < MOST:
                task = asyncio.ensure_future(ask(session, arrived))  # late or not, its time runs from here
                asked.add(task)
                task.add_done_callback(asked.discard)
            else:
                failures.append("too many at once")
            arrived += random_.expovariate(rate)
        if asked:
            await asyncio.wait(asked)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=LATE)) as session:
        if rate:
            await arrivals(session)
        else:
            await asyncio.gather(*(client(session) for _ in range(clients)))
    within = sum(start <= when < end for when in answered)  # whenever they arrived, else those in flight at either end are lost
    quantiles = statistics.quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else [float("nan")] * 99
    return {
        "requests": len(latencies),
        "failed": len(failures),
        "requests_per_s": within / seconds,
        "p50_ms": 1e3 * quantiles[49],
        "p99_ms": 1e3 * quantiles[98],
        "first_failure": failures[0] if failures else None,
    }


if __name__ == "__main__":
    json.dump(asyncio.run(tyro.cli(drive)), sys.stdout)
