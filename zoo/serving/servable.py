"""One version of a model, ready to be called: a SavedModel, its signatures, its warm-up."""

import asyncio
import contextlib
import functools
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.eager import cancellation  # not public, but nothing public ends a function that runs
from tensorflow_serving.apis import prediction_log_pb2

from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find, trust
from zoo.errors import ZooError
from zoo.serving.batching import Batcher
from zoo.serving.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    ServingError,
    Unimplemented,
    told,
)
from zoo.serving.tensors import as_numpy

STORED = ("saved_model.pb", "saved_model.pbtxt")  # the files that make a directory a SavedModel
TAG = "serve"
WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
# What a model may say of a request → how it is passed on; all else is the model's own failure.
KINDS = {
    tf.errors.InvalidArgumentError: InvalidArgument,
    tf.errors.OutOfRangeError: InvalidArgument,
    tf.errors.FailedPreconditionError: FailedPrecondition,
    tf.errors.NotFoundError: NotFound,
    tf.errors.UnimplementedError: Unimplemented,
    tf.errors.ResourceExhaustedError: ResourceExhausted,
}


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
        if (directory / find.CARD).is_file():  # other SavedModels have none
            cards.verify(directory, cards.read(directory))
        if not trusted:
            trust.check(directory)
        graph = stored_graph(directory)
        with files.plain(directory) as place:
            self._loaded = tf.saved_model.load(str(place), [TAG])
        self._functions = dict(self._loaded.signatures)
        self.signatures = {key: graph.signature_def[key] for key in self._functions}
        self._specs = {key: _specs(signature) for key, signature in self.signatures.items()}
        self._batchers, self._using, self._unused = {}, 0, asyncio.Event()
        with files.plain(directory) as place:
            self._warm_up(place / WARM_UP)

    def _warm_up(self, path: Path):
        """Plays the recorded requests, so that the first real one finds everything traced, allocated and compiled."""
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            key = request.model_spec.signature_name or "serving_default"
            self._call(key, {name: tf.make_ndarray(value) for name, value in request.inputs.items()})

    def start(self, threads, batching, observe):
        """Takes requests from now on; see `Batcher`."""
        self._batching = batching
        for key in self._functions:
            call = functools.partial(self._call, key)
            self._batchers[key] = Batcher(call, threads, batching, observe, cancellation.CancellationManager)

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
            FailedPrecondition: if there is none.
        """
        key = signature or "serving_default"
        if key not in self._specs:
            raise FailedPrecondition(f'Serving signature name: "{key}" not found in signature def')
        return self._specs[key]

    def refusal(self, method: str) -> ServingError:
        """Why a request for `classify` or `regress` is not answered."""
        signature = self.signatures.get("serving_default")
        wanted = f"tensorflow/serving/{method}"
        if signature is None:
            return InvalidArgument("No signature was found with the name: serving_default")
        if signature.method_name != wanted:
            kind = {"classify": "classification", "regress": "regression"}[method]
            return InvalidArgument(f"Expected {kind} signature method_name to be {wanted}. Was: {signature.method_name}")
        return Unimplemented(f"zoo serve answers predict only; TensorFlow Serving has {method}")

    async def predict(self, signature: str, inputs: dict[str, np.ndarray], deadline: float) -> dict[str, np.ndarray]:
        """Answers a request; see `Batcher.submit`.

        Raises:
            InvalidArgument: if the inputs are not those of the signature.
            ServingError: as `Batcher.submit`.
        """
        dtypes = {name: "string" if value.dtype == object else value.dtype.name for name, value in inputs.items()}
        require(self.specs(signature), dtypes)
        self.require_sizes(signature, {name: value.shape for name, value in inputs.items()})
        with self.in_use():
            return await self._batchers[signature or "serving_default"].submit(inputs, deadline)

    def require_sizes(self, signature: str, shapes) -> None:
        """Refuses inputs that are too large, by their shapes; see `Batching.require`."""
        for name, spec in self.specs(signature).items():
            self._batching.require(name, spec, shapes[name])

    def _call(self, key, inputs, stop=None):
        """Calls a signature: name → array to name → array. `stop`, a `CancellationManager`, ends it between two ops."""
        specs = self._specs[key]
        try:
            tensors = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
            with cancellation.CancellationManagerContext(stop) if stop else contextlib.nullcontext():
                outputs = self._functions[key](**tensors)
            return {name: as_numpy(value) for name, value in outputs.items()}
        except Exception as error:
            odd = [
                f"input {name} has the shape {list(value.shape)}; the signature says {specs[name].shape}"
                for name, value in sorted(inputs.items())
                if not specs[name].shape.is_compatible_with(value.shape)
            ]
            kind = InvalidArgument if odd else KINDS.get(type(error), Internal)
            raise kind("; ".join([told(error), *odd])) from error


def _specs(signature):
    """Input name → `tf.TensorSpec` of a `SignatureDef`."""
    return {
        name: tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)
        for name, info in signature.inputs.items()
    }


def stored_graph(directory: Path) -> meta_graph_pb2.MetaGraphDef:
    """The graph for serving of a SavedModel, with its signatures.

    Raises:
        ZooError: if the directory has none.
    """
    model = saved_model_pb2.SavedModel()
    binary, text = (directory / name for name in STORED)
    if binary.is_file():
        model.ParseFromString(binary.read_bytes())
    elif text.is_file():
        text_format.Parse(text.read_text(encoding="utf-8"), model)
    else:
        raise ZooError(f"{directory} holds no SavedModel: there is neither {' nor '.join(STORED)} in it.")
    found = {frozenset(graph.meta_info_def.tags): graph for graph in model.meta_graphs}
    if frozenset([TAG]) not in found:
        tags = ", ".join(" ".join(sorted(tags)) or "none" for tags in found) or "nothing at all"
        raise ZooError(f"{directory} has no graph with the tag {TAG!r}; there is {tags}.")
    return found[frozenset([TAG])]


def require(specs, dtypes) -> None:
    """Refuses inputs that are not those of a signature. Shapes are for the graph to judge, as in TensorFlow Serving.

    Args:
        specs: input name → `tf.TensorSpec`.
        dtypes: input name → name of the dtype.

    Raises:
        InvalidArgument: if names or dtypes differ.
    """
    if extra_or_missing := set(dtypes) ^ set(specs):
        extra, missing = (", ".join(sorted(extra_or_missing & set(names))) for names in (dtypes, specs))
        raise InvalidArgument(
            f"input size does not match signature: {len(dtypes)}!={len(specs)} len({{{', '.join(sorted(dtypes))}}}) != "
            f"len({{{', '.join(sorted(specs))}}}). Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )
    for name, spec in specs.items():
        if dtypes[name] != spec.dtype.name:
            raise InvalidArgument(f"input {name} has the type {dtypes[name]}; the signature takes {spec.dtype.name}")
