"""A server for a laptop and for tests that speaks TensorFlow Serving's REST and gRPC protocols; see docs/serving.md."""

import asyncio
import contextlib
import functools
import logging
import signal
import socket

import tensorflow as tf
import uvicorn

from zoo.errors import ZooError
from zoo.serving import rpc
from zoo.serving.models import Models
from zoo.serving.options import Options
from zoo.serving.protocol import LARGEST_HEADERS, Protocol
from zoo.serving.rest import Rest
from zoo.serving.service import Service

BACKLOG = 1024  # connections that wait to be accepted

log = logging.getLogger("zoo.serving")


class Server:
    """A server that can be started and stopped within a running event loop.

    Attributes:
        port, grpc_port: those that it listens at, once started.
    """

    def __init__(self, options: Options):
        self.options = options
        make = functools.partial(Models, list(options.models), options.batching)
        self.service = Service(make, timeout=options.timeout, max_bytes=max(options.max_bytes, 4 * options.max_body))
        self.port = self.grpc_port = None
        self._app = self._rest = self._grpc = self._poll = None
        self._tasks = []

    async def start(self):
        """Loads the models, then listens.

        Raises:
            ZooError: if no model can be loaded or a port is taken.
        """
        options, models = self.options, self.service.models
        await models.refresh()
        failed = []
        for name, config in models.configs.items():
            if not models.serves(name):
                states = [f"version {version}: {message}" for version, _, message in models.known(name)]
                failed.append(
                    f"{name} cannot be served: {'; '.join(states) or f'there is no version below {config.base_path}'}"
                )
        if len(failed) == len(models.configs):
            raise ZooError("\n".join(failed))
        for message in failed:  # one bad model does not take the others down
            log.error(message)
        if options.port is not None:
            self._app = Rest(self.service, max_body=options.max_body, body_timeout=options.body_timeout)
            config = uvicorn.Config(
                self._app,
                http=Protocol.limited(options.max_connections),
                ws="none",
                h11_max_incomplete_event_size=LARGEST_HEADERS,
                timeout_graceful_shutdown=int(options.grace),
                access_log=False,
                log_config=None,
                lifespan="off",
                server_header=False,
            )
            try:
                family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
                listening = socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
            except OSError as error:
                where = options.address(options.port)
                raise ZooError(f"Cannot listen at {where}: {error.strerror}. Give another --port.") from error
            # asyncio sets it for sockets that name their protocol, which those of `create_server` do not; else the body of
            # an answer, written after its headers, waits 40 ms for the client to acknowledge those
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.port = listening.getsockname()[1]
            self._rest = _Uvicorn(config)
            self._tasks.append(asyncio.ensure_future(self._rest.serve(sockets=[listening])))
        if options.grpc_port is not None:
            self._grpc = rpc.server(self.service, max_message=options.max_body, max_calls=options.max_connections)
            try:
                self.grpc_port = self._grpc.add_insecure_port(options.address(options.grpc_port))
            except RuntimeError as error:
                await self.stop()
                where = options.address(options.grpc_port)
                raise ZooError(f"Cannot listen at {where}: is another server there? Give another --grpc-port.") from error
            await self._grpc.start()
        if options.poll_seconds:
            self._poll = asyncio.ensure_future(self._watch())

    async def _watch(self):
        while True:
            await asyncio.sleep(self.options.poll_seconds)
            try:
                await self.service.models.refresh()
            except Exception:
                log.exception("Cannot look for new versions")

    async def stop(self):
        """Answers what has arrived, refuses what comes, and stops listening."""
        self.service.closing = True
        if self._poll:
            self._poll.cancel()
        if self._rest:
            self._rest.should_exit = True
        if self._grpc:
            await rpc.stop(self._grpc, self.service, self.options.grace)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.service.models.close()
        if self._app:
            self._app.close()


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to `run`."""

    @contextlib.contextmanager
    def capture_signals(self):
        """Captures none."""
        yield


async def run(options: Options, started=lambda server: None):
    """Serves until SIGTERM or SIGINT.

    Args:
        options: see `Options`.
        started: called with the `Server` when it listens.
    """
    with contextlib.suppress(RuntimeError):  # TensorFlow is in use, and has its threads
        # one for each core as usual, and a few long calls have them all, whatever threads they were called from
        tf.config.threading.set_inter_op_parallelism_threads(4 * options.batching.num_batch_threads)
    server, ended = Server(options), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    starting, ending = asyncio.ensure_future(server.start()), asyncio.ensure_future(ended.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await starting
        started(server)
        await ending
    else:
        starting.cancel()
    await server.stop()
