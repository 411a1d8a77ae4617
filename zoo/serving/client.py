"""Clients for TensorFlow Serving, and for `zoo serve`, which speaks the same protocols.

zoo.Client("localhost:8501").predict("imdb_sentiment", ["A wonderful film."])
zoo.GrpcClient("localhost:8500").predict("imdb_sentiment", ["A wonderful film."])
"""

import json
import numbers
import random
import time
from urllib.parse import quote

from zoo.artefacts import streaming, values
from zoo.errors import ZooError
from zoo.serving import errors

UNLIMITED = 2**62  # elements of an output
RETRIED = (errors.Unavailable, errors.ResourceExhausted)  # an answer may follow later
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds
RECONNECT = {"initial": 100, "min": 100, "max": 2000}  # milliseconds; else gRPC would look for the server ever more rarely


class _Client:
    """What both clients share: how a prediction is asked for and retried."""

    def __init__(self, address: str, *, timeout: float = 30.0, retry_for: float = 30.0):
        if "//" in address and not address.startswith(("http://", "https://")):
            raise ZooError(f"The address of a server is HOST:PORT or http(s)://HOST:PORT, not {address!r}.")
        self.address, self.timeout, self.retry_for = address.rstrip("/"), timeout, retry_for

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def predict(self, name, inputs, *, version=None, label=None, signature="serving_default", batch_size=32) -> list[dict]:
        """Answers raw inputs, as the `predict` of `zoo.load` does.

        Args:
            name: of the model on the server.
            inputs: a list or array with one item per example: a string or bytes for text; bytes (content) or a `Path` (read)
                for media; a nested list, array or tensor for a series, not all of one length if need be; a dict
                {input name: value} where the signature has several inputs.
            version: of the model, the newest if None; or
            label: of a version.
            signature: one of the model's.
            batch_size: examples in one request.

        Returns:
            One dict per example: output name → Python string, number, or list; bytes where the name ends in "_bytes".

        Raises:
            ServingError: what the server says, by kind: `InvalidArgument`, `NotFound`, `ResourceExhausted`, ..., each with its
                `code` and `http`; or that what answers is no TensorFlow Serving.
            Unavailable, DeadlineExceeded: if there was no answer, after retries.
            ZooError: if the inputs are not such a list.
        """
        inputs = values.items(inputs)
        if version is not None and label is not None:
            raise ZooError("Give a version or a label, not both.")
        if not isinstance(name, str) or not name:
            raise ZooError(f"The name of a model is a string, not {name!r}.")
        if version is not None and (not isinstance(version, numbers.Integral) or not 0 <= version < 2**63):
            raise ZooError(f"A version is a whole number from 0 on, not {version!r}.")
        if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
            raise ZooError(f"batch_size is a whole number above 0, not {batch_size!r}.")
        groups = {}
        for index, item in enumerate(inputs):  # rows of other shapes do not fit into one tensor
            groups.setdefault(values.shape(item), []).append(index)
        parts = [group[start : start + batch_size] for group in groups.values() for start in range(0, len(group), batch_size)]
        answers = []
        for part in parts:
            items = [inputs[index] for index in part]
            answers.append(self._retried(self._request(items, name, version, label, signature)))
        if any(len(part) != len(rows) for part, rows in zip(parts, answers, strict=True)):
            if len(groups) > 1:
                raise ZooError(f"{name} does not give one row for each input; ask for inputs of each shape on their own.")
            return [row for rows in answers for row in rows]
        found = dict(zip((index for part in parts for index in part), (row for rows in answers for row in rows), strict=True))
        return [found[index] for index in range(len(inputs))]

    def stream(self, name, prompt: str, *, version=None, label=None, **options):
        """Goes on from a prompt, and gives each piece of the text as soon as it is known: a request for each.

        Args:
            name: of a language model on the server.
            prompt: what to go on from.
            version: of the model, the newest if None, though another comes in between; or
            label: of a version.
            **options: length, temperature, top_k, top_p and seed, see `zoo.artefacts.streaming.stream`.

        Returns:
            An iterator of strings; as `predict` does, it raises what the server says.

        Raises:
            ZooError: if an option is out of range.
        """

        def ask(signature, inputs):
            item = inputs if len(inputs) > 1 else next(iter(inputs.values()))
            return self.predict(name, [item], version=version, label=label, signature=signature)[0]

        return streaming.stream(ask, prompt, **options)

    def _retried(self, request):
        """Calls until there is an answer, an error that would come again, or no time left. Asking twice does no harm."""
        end, pause = time.monotonic() + self.retry_for, FIRST_PAUSE
        while True:
            try:
                return request()
            except RETRIED:
                wait = pause * random.uniform(0.5, 1)  # so that clients which failed together do not come back together
                if time.monotonic() + wait > end:
                    raise
                time.sleep(wait)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _request(self, items, name, version, label, signature):
        """A function that asks once and gives the answers."""
        raise NotImplementedError

    def close(self):
        """Closes the connections."""
        raise NotImplementedError


class Client(_Client):
    """Predictions over REST.

    Args:
        address: "HOST:PORT" or "http(s)://HOST:PORT/PREFIX".
        timeout: seconds to wait for an answer.
        retry_for: seconds within which a request is repeated while the server is not there or overloaded; 0 for never.
    """

    def __init__(self, address: str, *, timeout: float = 30.0, retry_for: float = 30.0):
        super().__init__(address, timeout=timeout, retry_for=retry_for)
        import requests

        self._requests, self._session = requests, requests.Session()
        self._base = self.address if "//" in self.address else f"http://{self.address}"
        self._outputs = {}  # (model, signature) → the name of its one output, which a reply leaves out

    def _request(self, items, name, version, label, signature):
        path = f"{self._base}/v1/models/{quote(name, safe='')}" + (f"/versions/{version}" if version is not None else "")
        path += f"/labels/{quote(label, safe='')}" if label is not None else ""
        body = json.dumps({"signature_name": signature, "instances": [values.as_json(item) for item in items]})

        def ask():
            predictions = self._part(self._call("POST", f"{path}:predict", body), list, "predictions")
            named = all(isinstance(row, dict) and not values.is_base64(row) for row in predictions)
            if not named:
                predictions = [{self._only_output(path, signature): row} for row in predictions]
            return [values.from_json(row) for row in predictions]

        return ask

    def _only_output(self, path, signature):
        if (path, signature) not in self._outputs:
            keys = ("metadata", "signature_def", "signature_def", signature, "outputs")
            (self._outputs[path, signature],) = self._part(self._call("GET", f"{path}/metadata"), dict, *keys)
        return self._outputs[path, signature]

    def _part(self, reply, kind, *keys):
        """What stands in a reply below some keys."""
        for key in keys:
            reply = reply.get(key) if isinstance(reply, dict) else None
        if not isinstance(reply, kind):
            raise errors.ServingError(f"What answers at {self._base} is no TensorFlow Serving: its reply has no {keys[-1]!r}.")
        return reply

    def _call(self, method, url, body=None):
        """The JSON of a reply; a `ServingError` for anything else."""
        trouble = self._requests.exceptions
        try:
            reply = self._session.request(method, url, data=body, timeout=(self.timeout, self.timeout))
        except (trouble.ConnectionError, trouble.ChunkedEncodingError) as error:  # also in the middle of a reply
            raise errors.Unavailable(f"No answer from {self._base}: {_reason(error)}. Is the server running?") from error
        except trouble.Timeout as error:
            raise errors.DeadlineExceeded(f"No answer from {self._base} within {self.timeout:g} s.") from error
        except trouble.RequestException as error:
            raise ZooError(f"{url} cannot be asked: {error}") from error
        try:
            content = reply.json()
        except ValueError as error:
            raise errors.from_http(reply.status_code, f"{url} gave no JSON: {reply.text[:200]!r}") from error
        if reply.status_code != 200:
            message = content.get("error", content) if isinstance(content, dict) else content  # a proxy may send any JSON
            raise errors.from_http(reply.status_code, str(message))
        return content

    def close(self):
        """Closes the connections."""
        self._session.close()


class GrpcClient(_Client):
    """Predictions over gRPC: the inputs travel as they are, where REST writes each number as text and files in base64.

    Args:
        address: "HOST:PORT".
        timeout: seconds to wait for an answer.
        retry_for: seconds within which a request is repeated while the server is not there or overloaded; 0 for never.
    """

    def __init__(self, address: str, *, timeout: float = 30.0, retry_for: float = 30.0):
        super().__init__(address, timeout=timeout, retry_for=retry_for)
        if "//" in address:
            raise ZooError(f"The address of a gRPC server is HOST:PORT, not {address!r}.")
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._grpc = grpc
        options = [("grpc.max_receive_message_length", -1)]
        options += [(f"grpc.{which}_reconnect_backoff_ms", pause) for which, pause in RECONNECT.items()]
        self._channel = grpc.insecure_channel(self.address, options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._specs = {}  # (model, version, label) → signature → inputs, each a `TensorInfo`

    def _request(self, items, name, version, label, signature):
        from tensorflow_serving.apis import predict_pb2

        from zoo.serving import tensors

        def ask():
            request = predict_pb2.PredictRequest()
            self._address_to(request.model_spec, name, version, label)
            request.model_spec.signature_name = signature
            known = self._key(request.model_spec) in self._specs
            try:
                return once(request)
            except ZooError as error:
                if not known or not (type(error) is ZooError or isinstance(error, errors.InvalidArgument)):
                    raise
            del self._specs[self._key(request.model_spec)]  # a version that came since may take other inputs
            return once(request)

        def once(request):
            request.inputs.clear()
            for key, value in self._tensors(items, request.model_spec).items():
                request.inputs[key].CopyFrom(value)
            reply = self._call(self._stub.Predict, request)
            outputs = {key: tensors.to_array(key, value, UNLIMITED) for key, value in sorted(reply.outputs.items())}
            if len(counts := {array.shape[:1] for array in outputs.values()}) != 1 or () in counts:
                shapes = ", ".join(f"{key} {list(array.shape)}" for key, array in outputs.items()) or "none"
                raise ZooError(f"The outputs of {name} have not one row each for the inputs: {shapes}.")
            rows = range(len(next(iter(outputs.values()))))
            return [{key: values.as_python(array[row], key) for key, array in outputs.items()} for row in rows]

        return ask

    def _tensors(self, items, spec):
        """Input name → `TensorProto` of a request."""
        import numpy as np
        import tensorflow as tf

        specs = self._inputs(spec)
        rows = [values.named(item, specs, index) for index, item in enumerate(items)]
        found = {}
        for name, info in specs.items():
            dtype = tf.dtypes.as_dtype(info.dtype)
            try:
                column = np.stack([values.as_array(row[name], np.dtype(dtype.as_numpy_dtype)) for row in rows])
            except (ZooError, ValueError) as error:
                raise ZooError(f"The inputs are not what the signature takes: {name} is {dtype.name}; {error}") from error
            found[name] = tf.make_tensor_proto(column, dtype)
        return found

    def _inputs(self, spec):
        """Inputs of a signature; asks the server once for each model."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        key = self._key(spec)
        if key not in self._specs:
            request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
            request.model_spec.CopyFrom(spec)
            request.model_spec.signature_name = ""
            signatures = get_model_metadata_pb2.SignatureDefMap()
            self._call(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(signatures)
            self._specs[key] = {name: dict(signature.inputs) for name, signature in signatures.signature_def.items()}
        if spec.signature_name not in self._specs[key]:
            raise errors.InvalidArgument(f'Serving signature name: "{spec.signature_name}" not found in signature def')
        return self._specs[key][spec.signature_name]

    @staticmethod
    def _key(spec):
        return spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label

    @staticmethod
    def _address_to(spec, name, version, label):
        spec.name = name
        if version is not None:
            spec.version.value = version
        if label is not None:
            spec.version_label = label

    def _call(self, method, request):
        """The reply; a `ServingError` for anything else."""
        try:
            return method(request, timeout=self.timeout)
        except self._grpc.RpcError as error:
            raise errors.from_grpc(error.code().name, error.details()) from error
        except ValueError as error:  # gRPC's word for a client that was closed
            raise ZooError(f"{self.address} cannot be asked: {error}") from error

    def close(self):
        """Closes the connections."""
        self._channel.close()


def _reason(error):
    """The last cause of a connection's error, in a few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return getattr(error, "strerror", None) or type(error).__name__
