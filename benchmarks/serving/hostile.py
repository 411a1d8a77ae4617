"""What clients of `zoo serve` notice of others that send too much: 15 MB of JSON, or a few bytes that stand for long rows.

    pip install -e ".[benchmark,serve]"
    python benchmarks/serving/hostile.py                    # 2 CPU cores: about 2 minutes

The clients that are measured ask imdb_sentiment, whose requests arrive at random, 20 a second. Beside them, two others send one
hostile request after the other: bodies of 15 MB to imdb_sentiment, or gRPC calls of 46 bytes, one value that stands for a
row of many steps, to vanishing_gradients. Writes results/hostile_cpu.csv.
"""

import collections
import contextlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import requests
import tyro
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from throughput import bodies, free_port, load, serving

import zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

MB = 15
RATE = 20  # requests a second


def repeated(item: str) -> bytes:
    """A body of one item again and again."""
    return ('{"instances": [' + ",".join([item] * (MB * 1_000_000 // (len(item) + 1))) + "]}").encode()


def by_rest(address, body):
    """A function that sends a body and gives the code of the reply."""
    return lambda: str(requests.post(f"{address}/zoo:predict", data=body, timeout=60).status_code)


def by_grpc(port, steps):
    """A function that asks for a row of so many steps in 46 bytes, and gives the code of the reply."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "series"
    value = request.inputs["series"]
    value.dtype = 1
    for size in (1, steps, 2):
        value.tensor_shape.dim.add(size=size)
    value.float_val.append(0.5)

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with contextlib.suppress(grpc.RpcError):
                stub.Predict(request, timeout=60)
                return "OK"
            return "refused"

    return ask


@contextlib.contextmanager
def hostile(ask, replies, clients=2):
    """Inside it clients ask all the time."""
    ended = threading.Event()

    def go():
        while not ended.is_set():
            replies[ask()] += 1

    threads = [threading.Thread(target=go) for _ in range(clients if ask else 0)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def main(seconds: float = 10.0, steps: tuple[int, ...] = (1_200_000, 10_000)):
    """Measures and writes.

    Args:
        seconds: Of each kind of hostile request.
        steps: Of a row by gRPC: beyond what is taken, and the most that is.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        root, port = Path(directory), free_port()
        for name, artefact in {"zoo": "imdb_sentiment", "series": "vanishing_gradients"}.items():
            (root / name).symlink_to(zoo.load(artefact).directory.parent)
        bodies("imdb_sentiment", root / "bodies")
        with serving(root, ["--grpc-port", str(port)]) as (_, address):
            kinds = {"nothing": None}
            kinds |= {f"{MB} MB of numbers": by_rest(address, repeated("0.8444218515250481"))}
            kinds |= {f"{MB} MB of ones": by_rest(address, repeated("1"))}
            kinds |= {f"{MB} MB of empty lists": by_rest(address, repeated("[]"))}
            kinds |= {f"{MB} MB of words": by_rest(address, repeated('"word"'))}
            kinds |= {
                f"{MB} MB of one text": by_rest(address, b'{"instances": ["' + b"a film " * (MB * 1_000_000 // 7) + b'"]}')
            }
            kinds |= {f"a row of {count:,} steps": by_grpc(port, count) for count in steps}
            for kind, ask in kinds.items():
                replies = collections.Counter()
                with hostile(ask, replies):
                    found = load(address, "zoo", root / "bodies", clients=1, seconds=seconds, rate=RATE)
                row = {"beside": kind, "replies": " ".join(f"{key}:{count}" for key, count in sorted(replies.items()))}
                row |= {"p50_ms": round(found["p50_ms"], 1), "p99_ms": round(found["p99_ms"], 1), "failed": found["failed"]}
                rows.append(row)
                print(row, flush=True)
                time.sleep(1)
    write("hostile_cpu", rows)


if __name__ == "__main__":
    tyro.cli(main)
