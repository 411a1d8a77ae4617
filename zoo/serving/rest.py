"""TensorFlow Serving's REST API, as an ASGI application.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import asyncio
import contextlib
import json
import logging
import re
from urllib.parse import urlsplit

from google.protobuf import json_format
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from tensorflow_serving.apis import get_model_metadata_pb2

from zoo.serving import codec, errors, rpc
from zoo.serving.compression import unpacker
from zoo.serving.errors import InvalidArgument, NotFound, RequestTimeout, ServingError, TooLarge, UnsupportedEncoding
from zoo.serving.reader import Reader, Signatures

WHICH = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
ANSWER = re.compile(WHICH + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
DESCRIBE = re.compile(WHICH + r"(?P<metadata>/metadata)?", re.IGNORECASE)
METRICS = ("/metrics", "/monitoring/prometheus/metrics")  # usual, and TensorFlow Serving's usual
LARGE = 64 * 1024  # bytes of a body or an answer that another process reads or writes, so that all others go on

log = logging.getLogger("zoo.serving")


class Rest:
    """The application.

    Args:
        service: a `Service`.
        max_body: bytes of a request, at most.
        body_timeout: seconds within which a request's body arrives.
    """

    def __init__(self, service, *, max_body: int, body_timeout: float):
        self._service, self._max_body, self._body_timeout = service, max_body, body_timeout
        self._reader = Reader()

    async def __call__(self, scope, receive, send):
        """See ASGI."""
        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):  # nobody reads the answer
            response = await self._any(request)
            await response(scope, receive, send)

    async def _any(self, request):
        try:
            return await self._answer(request)
        except ServingError as error:
            headers = {"Connection": "close"} if isinstance(error, (TooLarge, RequestTimeout, UnsupportedEncoding)) else {}
            if error.http in (429, 503):
                headers["Retry-After"] = "1"
            return _json({"error": str(error)}, error.http, headers)
        except asyncio.CancelledError:  # the server ends, and its grace is over
            return _json({"error": "The server is shutting down"}, 503)
        except ClientDisconnect:
            raise
        except Exception as error:  # no request may get anything but JSON
            log.exception("%s %s", request.method, request.scope["path"])
            return _json({"error": f"{type(error).__name__}: {errors.told(error)}"}, 500)

    async def _answer(self, request):
        path, service = request.scope["path"], self._service
        if not path.startswith("/"):  # http://HOST/PATH, as a proxy is asked; or *
            path = urlsplit(path).path
        if {"transfer-encoding", "content-length"} <= set(request.headers):  # what is behind it may be a request or not
            error = "Content-Length and Transfer-Encoding exclude each other"
            return _json({"error": error}, 400, {"Connection": "close"})
        if request.method == "POST" and (asked := ANSWER.fullmatch(path)):
            with service.counted(asked["method"].lower(), "REST", asked["name"]):
                return await self._predict(request, asked)
        if (is_get := request.method in ("GET", "HEAD")) and (asked := DESCRIBE.fullmatch(path)):
            if asked["metadata"]:
                return self._describe(asked)
            response = rpc.status_response(service.models, asked["name"], *_which(asked))
            return _json(_message(response))
        if is_get and path in METRICS:
            return Response(service.metrics(), media_type="text/plain; version=0.0.4")
        if not path.lower().startswith("/v1/"):
            raise NotFound(f"Not found: {request.method} {path}; the API is at /v1/models/NAME")
        raise InvalidArgument(f"Malformed request: {request.method} {path}")

    async def _predict(self, request, asked):
        deadline = self._service.deadline()
        servable = self._service.models.find(asked["name"], *_which(asked))
        if (method := asked["method"].lower()) != "predict":
            raise servable.refusal(method)
        with servable.in_use(), contextlib.ExitStack() as admitted:
            body = await self._body(request, admitted)
            if len(body) > LARGE:
                signatures = Signatures({key: servable.specs(key) for key in servable.signatures})
                signature, inputs, in_rows = await self._reader(deadline, codec.decode, body, signatures)
            else:
                signature, inputs, in_rows = codec.decode(body, servable.specs)
            del body
            outputs = await servable.predict(signature, inputs, deadline)
            if sum(value.nbytes for value in outputs.values()) > LARGE:
                reply = await self._reader(deadline, codec.reply, outputs, in_rows)
            else:
                reply = codec.reply(outputs, in_rows)
            return Response(reply, media_type="application/json")

    async def _body(self, request, admitted):
        """The body; what has arrived of it counts until `admitted` ends."""
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_body:
            raise self._too_large()
        parts, size = [], 0
        unpack = unpacker(request.headers.get("content-encoding", ""))
        try:
            async with asyncio.timeout(self._body_timeout):
                async for part in request.stream():
                    if unpack:
                        part = unpack(part, self._max_body + 1 - size)
                    size += len(part)
                    if size > self._max_body:
                        raise self._too_large()
                    admitted.enter_context(self._service.admitted(len(part)))
                    parts.append(part)
            if unpack:
                unpack.end()
        except TimeoutError as error:
            raise RequestTimeout(f"The request's body did not arrive within {self._body_timeout:g} s") from error
        return b"".join(parts)

    def _too_large(self):
        return TooLarge(f"The request's body is larger than {self._max_body / 2**20:g} MiB")

    def _describe(self, asked):
        servable = self._service.models.find(asked["name"], *_which(asked))
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signatures)
        spec = {"name": servable.name, "signature_name": "", "version": str(servable.version)}
        return _json({"model_spec": spec, "metadata": {"signature_def": _message(signatures)}})

    def close(self):
        """Ends the process that reads."""
        self._reader.close()


def _which(asked):
    """Version and label of a path."""
    try:
        return int(asked["version"]) if asked["version"] else None, asked["label"]
    except ValueError as error:  # of more digits than Python converts
        raise InvalidArgument(f"Failed to convert version: {asked['version'][:40]}... to numeric.") from error


def _message(message):
    """A proto as TensorFlow Serving writes it: names as in the .proto file, fields that are not set too."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _json(value, status=200, headers=None):
    content = json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", errors="replace")
    return Response(content, status, headers, media_type="application/json")
