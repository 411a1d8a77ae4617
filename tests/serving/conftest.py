"""A server to ask: the local one over the shipped artefacts, or a real TensorFlow Serving at --serving-url."""

import asyncio
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason='needs pip install -e ".[serve]"')

from served import save
from waiting import wait_for

from zoo.serving import server as serving
from zoo.serving.models import ModelConfig

SAVED_MODELS = Path(__file__).parents[2] / "saved_models"
SERVED = ("imdb_sentiment", "mnist_digits", "spanish_to_english", "vanishing_gradients")


class Running:
    """A server in a thread of its own, with its own event loop."""

    def __init__(self, options):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self(self._made(options))
        try:
            self(self.server.start())
        except BaseException:
            self.close()
            raise
        self.rest, self.grpc = f"127.0.0.1:{self.server.port}", f"127.0.0.1:{self.server.grpc_port}"

    @staticmethod
    async def _made(options):
        return serving.Server(options)

    def __call__(self, coroutine):
        """Runs a coroutine in the server's loop: as long as that takes on a busy machine, while the loop is there."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        wait_for(future.done, alive=self._thread.is_alive)
        return future.result()

    def stop(self):
        self(self.server.stop())
        self.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def _serve():
    """Starts servers: serve({name: base path} or configs, **options) → `Running`; they are stopped at the end."""
    started = []

    def start(models, **options):
        if isinstance(models, dict):
            models = [ModelConfig(name, Path(path)) for name, path in models.items()]
        options = {"port": 0, "grpc_port": 0, "poll_seconds": 0, **options}
        started.append(Running(serving.Options(tuple(models), **options)))
        return started[-1]

    yield start
    for running in started:
        if running.loop.is_running():
            running.stop()


serve = pytest.fixture(_serve, name="serve")
module_serve = pytest.fixture(_serve, name="module_serve", scope="module")


@dataclass(frozen=True)
class Address:
    """Where a server listens, and whether it is ours."""

    rest: str
    grpc: str
    local: bool


@pytest.fixture(scope="session")
def address(request):
    """Of the server that the conformance tests ask."""
    url = request.config.getoption("--serving-url")
    if url:
        host = url.removeprefix("http://").rstrip("/")
        yield Address(host, request.config.getoption("--serving-grpc") or f"{host.rpartition(':')[0]}:8500", local=False)
        return
    configs = tuple(ModelConfig(name, SAVED_MODELS / name) for name in SERVED)
    running = Running(serving.Options(configs, port=0, grpc_port=0, poll_seconds=0))
    yield Address(running.rest, running.grpc, local=True)
    running.stop()


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Factors → SavedModels."""
    root = tmp_path_factory.mktemp("saved")
    for factor in (1, 2):
        save(root / str(factor), float(factor))
    return root


@pytest.fixture
def base(saved, tmp_path):
    """A base path with version 1, which multiplies by 1."""
    shutil.copytree(saved / "1", tmp_path / "model" / "1")
    return tmp_path / "model"
