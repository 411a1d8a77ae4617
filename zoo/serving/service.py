"""What both protocols do with a request: admit it, answer it in time, count it."""

import asyncio
import contextlib
import re
import time

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from starlette.requests import ClientDisconnect

from zoo.serving.errors import ResourceExhausted, ServingError, Unavailable

COUNT = ":tensorflow:serving:request_count"
# Microseconds: TensorFlow Serving's buckets, to the six digits that it writes, since dashboards name them.
BUCKETS = tuple(float(f"{10 * 1.8**power:.6g}") for power in range(33))
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Service:
    """A server's requests, whatever protocol they come by.

    Args:
        models: a function that makes the `Models`, given what it calls after each batch.
        timeout: seconds within which a request is answered, if it does not say less.
        max_bytes: of all requests together that are being read and answered.

    Attributes:
        closing: set when the server shuts down: what is there is answered, what comes is refused.
        calls: tasks of the gRPC calls that are being answered.
    """

    def __init__(self, models, *, timeout: float, max_bytes: int):
        # TensorFlow Serving's names and labels, so that one dashboard shows both; see its servables/tensorflow/util.cc
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._requests = Counter(COUNT, "Requests by status.", ["model_name", "status"], registry=self._registry)
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from a request's arrival to its answer.",
            ["model_name", "API", "entrypoint"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._runtime = Histogram(
            ":tensorflow:serving:runtime_latency",
            "Microseconds that a batch took to compute.",
            ["model_name", "API", "runtime"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._rows = Histogram(
            "zoo_serving_batch_rows", "Rows of a batch.", ["model_name"], buckets=ROWS, registry=self._registry
        )
        self.models = models(self._observe)
        self.timeout, self._max_bytes, self._bytes = timeout, max_bytes, 0
        self.closing, self.calls = False, set()

    def _observe(self, name, rows, seconds):
        self._rows.labels(name).observe(rows)
        self._runtime.labels(name, "Predict", "TF1").observe(1e6 * seconds)

    @contextlib.contextmanager
    def admitted(self, size: int):
        """Inside it a request of so many bytes is in memory.

        Raises:
            ResourceExhausted: if too much is.
        """
        if self._bytes + size > self._max_bytes:
            raise ResourceExhausted("Too many bytes of requests are waiting; try again later")
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    @contextlib.contextmanager
    def counted(self, api: str, entrypoint: str, name: str):
        """Inside it a request to a model is answered. Its end is counted, and its time if it is answered well.

        Args:
            api: "Predict" by gRPC, "predict" by REST; or "GetModelMetadata".
            entrypoint: "GRPC" or "REST".
            name: of the model.
        """
        start, status = time.perf_counter(), "OK"
        predicts = api != "GetModelMetadata"  # which TensorFlow Serving does not count
        name = name if name in self.models.configs else "(unknown)"  # else anyone could make any number of time series
        try:
            if self.closing:
                raise Unavailable("The server is shutting down")
            yield
            if predicts:
                self._latency.labels(name, api, entrypoint).observe(1e6 * (time.perf_counter() - start))
        except ServingError as error:
            status = error.code
            raise
        except (asyncio.CancelledError, ClientDisconnect):
            status = "CANCELLED"
            raise
        except BaseException:
            status = "INTERNAL"
            raise
        finally:
            if predicts:
                self._requests.labels(name, status).inc()

    def deadline(self, seconds: float | None = None) -> float:
        """Until when a request that arrives now is answered, by the clock of `time.monotonic`."""
        return time.monotonic() + min(seconds if seconds is not None else self.timeout, self.timeout)

    def metrics(self) -> bytes:
        """The counts, in the text format of Prometheus, spelt as by TensorFlow Serving: no `_total`, limits without `.0`."""
        page = generate_latest(self._registry).decode().replace(f"{COUNT}_total", COUNT)
        return re.sub(r'(le="\d+)\.0"', r'\1"', page).encode()
