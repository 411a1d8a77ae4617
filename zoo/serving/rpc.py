"""TensorFlow Serving's gRPC API, on its official protos.

Source: tensorflow_serving/apis/prediction_service.proto and model_service.proto
"""

import asyncio
import contextlib

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from zoo.serving import tensors
from zoo.serving.errors import InvalidArgument, ServingError, told
from zoo.serving.servable import require

EXPANDED = 4  # bytes of an input, at most, for each that a message may have: one value may stand for any number
STRING = 64  # bytes of an empty string in an array
DRAIN = 0.1  # seconds in which a call that was sent reaches its handler
LONGEST = 1000  # characters of an error: they travel in a header


@contextlib.asynccontextmanager
async def _status(context, service):
    """A call of a service; a `ServingError` inside it becomes its status."""
    call = asyncio.current_task()
    service.calls.add(call)
    call.add_done_callback(service.calls.discard)
    try:
        yield
    except asyncio.CancelledError:
        if not service.closing:  # the client cancelled it
            raise
        await context.abort(grpc.StatusCode.UNAVAILABLE, "The server is shutting down")
    except ServingError as error:
        await context.abort(getattr(grpc.StatusCode, error.code), str(error)[:LONGEST])
    except (grpc.aio.AbortError, grpc.aio.BaseError):
        raise
    except Exception as error:
        await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {told(error)}")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; the others answer UNIMPLEMENTED, since no artefact has a signature for them."""

    def __init__(self, service, largest):
        self._service, self._largest = service, largest

    async def Predict(self, request, context):
        spec = request.model_spec
        async with _status(context, self._service):
            with self._service.counted("Predict", "GRPC", spec.name), self._service.admitted(request.ByteSize()):
                deadline = self._service.deadline(context.time_remaining())
                servable = self._service.models.find(spec.name, *_which(spec))
                specs = servable.specs(spec.signature_name)
                require(specs, {name: tensors.dtype_name(proto) for name, proto in request.inputs.items()})
                largest = {name: self._largest // _item(spec) for name, spec in specs.items()}
                sizes = {name: tensors.size(name, proto, largest[name]) for name, proto in request.inputs.items()}
                shapes = {name: [dim.size for dim in proto.tensor_shape.dim] for name, proto in request.inputs.items()}
                servable.require_sizes(spec.signature_name, shapes)
                size = sum(elements * _item(specs[name]) for name, elements in sizes.items())
                with servable.in_use(), self._service.admitted(size):
                    inputs = {name: tensors.to_array(name, proto, largest[name]) for name, proto in request.inputs.items()}
                    outputs = await servable.predict(spec.signature_name, inputs, deadline)
                if wrong := set(request.output_filter) - set(outputs):
                    raise InvalidArgument(f"output tensor alias not found in signature: {min(wrong)}")
                response = predict_pb2.PredictResponse()
                _fill(response.model_spec, servable, spec.signature_name or "serving_default")
                for name, value in outputs.items():
                    if not request.output_filter or name in request.output_filter:
                        response.outputs[name].CopyFrom(tensors.to_proto(value))
                return response

    async def GetModelMetadata(self, request, context):
        spec = request.model_spec
        async with _status(context, self._service):
            with self._service.counted("GetModelMetadata", "GRPC", spec.name):
                if not request.metadata_field:
                    raise InvalidArgument("GetModelMetadataRequest must specify at least one metadata_field")
                for name in request.metadata_field:
                    if name != "signature_def":
                        raise InvalidArgument(f"Metadata field {name} is not supported")
                servable = self._service.models.find(spec.name, *_which(spec))
                response = get_model_metadata_pb2.GetModelMetadataResponse()
                _fill(response.model_spec, servable, "")
                signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signatures)
                response.metadata["signature_def"].Pack(signatures)
                return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`GetModelStatus`; to change the configuration by a call is not offered: whoever reaches the port could."""

    def __init__(self, service):
        self._service = service

    async def GetModelStatus(self, request, context):
        async with _status(context, self._service):
            return status_response(self._service.models, request.model_spec.name, *_which(request.model_spec))


def status_response(models, name, version=None, label=None) -> get_model_status_pb2.GetModelStatusResponse:
    """The state of a model's versions; see `Models.statuses`."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, state, message in models.statuses(name, version, label):
        one = response.model_version_status.add(version=number, state=state)
        one.status.error_code, one.status.error_message = 2 if message else 0, message  # UNKNOWN, OK
    return response


def server(service, *, max_message: int, max_calls: int) -> grpc.aio.Server:
    """A server of both services, not yet started; of more calls at once the last are refused as RESOURCE_EXHAUSTED."""
    options = [("grpc.max_receive_message_length", max_message), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    made = grpc.aio.server(options=[*options, ("grpc.max_concurrent_streams", max_calls)], maximum_concurrent_rpcs=max_calls)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(service, EXPANDED * max_message), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(service), made)
    return made


async def stop(made: grpc.aio.Server, service, grace: float) -> None:
    """Ends a server whose service is closing: what has arrived is answered within the grace, or ends as UNAVAILABLE.

    The server's own `stop` would end as CANCELLED, which clients do not retry, what is on its way to a handler.
    """
    end = asyncio.get_running_loop().time() + grace
    await asyncio.sleep(DRAIN)
    while service.calls and (left := end - asyncio.get_running_loop().time()) > 0:
        await asyncio.wait(set(service.calls), timeout=left)
    for call in set(service.calls):
        call.cancel()
    await asyncio.sleep(DRAIN)  # clients that were answered ask again at once
    await made.stop(DRAIN)


def _which(spec):
    """Version and label of a `ModelSpec`."""
    choice = spec.WhichOneof("version_choice")
    return spec.version.value if choice == "version" else None, spec.version_label if choice == "version_label" else None


def _item(spec):
    """Bytes of an element."""
    return STRING if spec.dtype.name == "string" else spec.dtype.size


def _fill(spec, servable, signature):
    spec.name, spec.signature_name = servable.name, signature
    spec.version.value = servable.version
