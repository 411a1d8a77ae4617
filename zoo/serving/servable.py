"""One version of a model, ready to be called: a SavedModel, its signatures, its warm-up."""

import asyncio
import contextlib
import functools
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from zoo import card as cards
from zoo import trust
from zoo.serving.batching import Batcher
from zoo.serving.errors import Internal, InvalidArgument

WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
# What a model may say of a request that is wrong, and would be wrong again.
WRONG = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.FailedPreconditionError)


class Servable:
    """A loaded version of a model. Loading takes a while: make it in a thread.

    Args:
        name, version: of the model.
        directory: of the SavedModel.
        trusted: load whatever ops it holds.

    Attributes:
        name, version: of the model.
        signatures: name → `SignatureDef`, as stored.

    Raises:
        ZooError: if its files are not those of its card, or it could do more than compute and is not trusted.
        Exception: whatever TensorFlow raises for a directory that is not a SavedModel.
    """

    def __init__(self, name: str, version: int, directory: Path, *, trusted: bool = False):
        self.name, self.version = name, version
        if (directory / cards.FILE).is_file():  # other SavedModels have none
            cards.verify(directory, cards.read(directory))
        if not trusted:
            trust.check(directory)
        self._loaded = tf.saved_model.load(str(directory))
        graph = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes()).meta_graphs[0]
        self._functions = dict(self._loaded.signatures)
        self.signatures = {key: graph.signature_def[key] for key in self._functions}
        self._specs = {key: function.structured_input_signature[1] for key, function in self._functions.items()}
        self._batchers, self._using, self._unused = {}, 0, asyncio.Event()
        self._warm_up(directory / WARM_UP)

    def _warm_up(self, path: Path):
        """Plays the recorded requests, so that the first real one finds everything traced, allocated and compiled."""
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            key = request.model_spec.signature_name or "serving_default"
            self._call(key, {name: tf.make_ndarray(value) for name, value in request.inputs.items()})

    def start(self, executor, batching, observe):
        """Takes requests from now on; see `Batcher`."""
        for key in self._functions:
            self._batchers[key] = Batcher(functools.partial(self._call, key), executor, batching, observe)

    @contextlib.contextmanager
    def in_use(self):
        """Inside it the version is not unloaded."""
        self._using += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._using -= 1
            if not self._using:
                self._unused.set()

    def is_used(self) -> bool:
        """Whether a request is being answered."""
        return self._using > 0

    async def end(self):
        """Returns when no request uses the version any more; it is then of no more use."""
        if self._using:
            await self._unused.wait()
        self._batchers.clear()  # they refer to this, and its weights would be freed late

    def specs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """Inputs of a signature, `serving_default` if it is "".

        Raises:
            InvalidArgument: if there is none.
        """
        key = signature or "serving_default"
        if key not in self._specs:
            raise InvalidArgument(f'Serving signature name: "{key}" not found in signature def')
        return self._specs[key]

    async def predict(self, signature: str, inputs: dict[str, np.ndarray], deadline: float) -> dict[str, np.ndarray]:
        """Answers a request; see `Batcher.submit`.

        Raises:
            InvalidArgument: if the inputs are not those of the signature.
            ServingError: as `Batcher.submit`.
        """
        kinds = {name: ("string" if value.dtype == object else value.dtype.name, value.shape) for name, value in inputs.items()}
        require(self.specs(signature), kinds)
        with self.in_use():
            return await self._batchers[signature or "serving_default"].submit(inputs, deadline)

    def _call(self, key, inputs):
        """Calls a signature: name → array to name → array."""
        specs = self._specs[key]
        try:
            outputs = self._functions[key](**{name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()})
            return {name: np.asarray(value.numpy()) for name, value in outputs.items()}
        except WRONG as error:
            raise InvalidArgument(_first_line(error)) from error
        except Exception as error:
            raise Internal(_first_line(error)) from error


def require(specs, kinds) -> None:
    """Refuses inputs that are not those of a signature.

    Args:
        specs: input name → `tf.TensorSpec`.
        kinds: input name → (name of the dtype, shape).

    Raises:
        InvalidArgument: if names, dtypes or shapes differ.
    """
    if set(kinds) != set(specs):
        given = ", ".join(sorted(kinds)) or "none"
        raise InvalidArgument(
            f"input size does not match signature: the request has {given}; the signature takes {', '.join(sorted(specs))}"
        )
    for name, spec in specs.items():
        dtype, shape = kinds[name]
        if dtype != spec.dtype.name:
            raise InvalidArgument(f"input {name} has the type {dtype}; the signature takes {spec.dtype.name}")
        if not all(size >= 0 for size in shape) or not spec.shape.is_compatible_with(shape):
            raise InvalidArgument(f"input {name} has the shape {list(shape)}; the signature takes {spec.shape}")


def _first_line(error):
    """What TensorFlow says of an error, without the graph's call stack."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Graph execution error", "Detected at node", "<stack"))]
    return lines[0][:500] if lines else type(error).__name__
