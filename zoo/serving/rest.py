"""TensorFlow Serving's REST API.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import asyncio
import json
import logging
import re

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import get_model_metadata_pb2

from zoo.serving import codec, rpc
from zoo.serving.errors import InvalidArgument, NotFound, RequestTimeout, ServingError, TooLarge

WHICH = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
ANSWER = re.compile(WHICH + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
DESCRIBE = re.compile(WHICH + r"(?P<metadata>/metadata)?", re.IGNORECASE)
METRICS = ("/metrics", "/monitoring/prometheus/metrics")  # usual, and TensorFlow Serving's usual

log = logging.getLogger("zoo.serving")


class Rest:
    """The ASGI application.

    Args:
        service: a `Service`.
        max_body: bytes of a request, at most.
        body_timeout: seconds within which a request's body arrives.
    """

    def __init__(self, service, *, max_body: int, body_timeout: float):
        self._service, self._max_body, self._body_timeout = service, max_body, body_timeout
        every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
        routes = [Route(path, self._metrics) for path in METRICS]
        self.app = Starlette(routes=[*routes, Route("/{path:path}", self._any, methods=every)])

    async def _metrics(self, _request):
        return Response(self._service.metrics(), media_type="text/plain; version=0.0.4")

    async def _any(self, request: Request):
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except ServingError as error:
            # what was not read of a request would be taken for the next one
            headers = {"Connection": "close"} if isinstance(error, (TooLarge, RequestTimeout)) else {}
            if error.http in (429, 503):
                headers["Retry-After"] = "1"
            return _json({"error": str(error)}, error.http, headers)
        except Exception as error:  # no request may get anything but JSON
            log.exception("%s %s", request.method, request.scope["path"])
            return _json({"error": f"{type(error).__name__}: {error}"[:500]}, 500)

    async def _answer(self, request):
        path, service = request.scope["path"], self._service
        if request.method == "POST" and (asked := ANSWER.fullmatch(path)):
            with service.counted("Predict", "REST", asked["name"]):
                return await self._predict(request, asked)
        if request.method == "GET" and (asked := DESCRIBE.fullmatch(path)):
            if asked["metadata"]:
                return self._describe(asked)
            response = rpc.status_response(service.models, asked["name"], *_which(asked))
            return _json(_message(response))
        if not path.lower().startswith("/v1/"):
            raise NotFound(f"Not found: {request.method} {path}; the API is at /v1/models/NAME")
        raise InvalidArgument(f"Malformed request: {request.method} {path}")

    async def _predict(self, request, asked):
        deadline = self._service.deadline()
        servable = self._service.models.find(asked["name"], *_which(asked))
        if asked["method"].lower() != "predict":
            raise InvalidArgument(
                f"Expected {asked['method']} signature method_name to be tensorflow/serving/{asked['method']}. "
                "Was: tensorflow/serving/predict"
            )
        length = request.headers.get("content-length", "")
        expected = int(length) if length.isdigit() else None
        if expected is not None and expected > self._max_body:
            raise self._too_large()
        # a body of unknown length may become as long as any
        with self._service.admitted(self._max_body if expected is None else expected), servable.in_use():
            body = codec.parse(await self._body(request))
            signature = codec.signature_name(body)
            inputs, in_rows = codec.arrays(body, servable.specs(signature))
            del body
            outputs = await servable.predict(signature, inputs, deadline)
            return Response(codec.reply(outputs, in_rows), media_type="application/json")

    async def _body(self, request):
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._body_timeout):
                async for part in request.stream():
                    size += len(part)
                    if size > self._max_body:
                        raise self._too_large()
                    parts.append(part)
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
