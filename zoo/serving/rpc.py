"""TensorFlow Serving's gRPC API, on its official protos.

Source: tensorflow_serving/apis/prediction_service.proto and model_service.proto
"""

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

LONGEST = 1000  # characters of an error: they travel in a header


@contextlib.asynccontextmanager
async def _status(context):
    """A `ServingError` inside it becomes the call's status."""
    try:
        yield
    except ServingError as error:
        await context.abort(getattr(grpc.StatusCode, error.code), str(error)[:LONGEST])
    except (grpc.aio.AbortError, grpc.aio.BaseError):
        raise
    except Exception as error:
        await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {told(error)}")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; the others answer UNIMPLEMENTED, since no artefact has a signature for them."""

    def __init__(self, service):
        self._service = service

    async def Predict(self, request, context):
        spec = request.model_spec
        async with _status(context):
            with self._service.counted("Predict", "GRPC", spec.name), self._service.admitted(request.ByteSize()):
                deadline = self._service.deadline(context.time_remaining())
                servable = self._service.models.find(spec.name, *_which(spec))
                specs = servable.specs(spec.signature_name)
                require(specs, {name: tensors.dtype_name(proto) for name, proto in request.inputs.items()})
                size = sum(tensors.size(name, proto) * specs[name].dtype.size for name, proto in request.inputs.items())
                with servable.in_use(), self._service.admitted(size):
                    inputs = {name: tensors.to_array(name, proto) for name, proto in request.inputs.items()}
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
        async with _status(context):
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
        async with _status(context):
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
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(service), made)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(service), made)
    return made


def _which(spec):
    """Version and label of a `ModelSpec`."""
    choice = spec.WhichOneof("version_choice")
    return spec.version.value if choice == "version" else None, spec.version_label if choice == "version_label" else None


def _fill(spec, servable, signature):
    spec.name, spec.signature_name = servable.name, signature
    spec.version.value = servable.version
