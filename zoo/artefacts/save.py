"""A task becomes files: one SavedModel for any device, the assets beside it, the requests that warm it up."""

import collections
import contextlib
from pathlib import Path

import keras
import tensorflow as tf

from zoo import files, kernels, names

# Ops that the census of a card counts: the recurrent kernels of each device.
KERNELS = ("CudnnRNNV3", "BlockLSTMV2", "While", "StatelessWhile")


def save(task, directory: Path) -> dict:
    """Writes SavedModel, assets and warm-up records of a task into an empty directory; no scores, no card.

    Returns:
        The facts about the SavedModel that go into the card.
    """
    task = for_export(task)
    module = tf.Module()
    module.weights = {weight.path: weight.value for weight in task.model.weights}
    module.resources = list(task.resources)
    with files.written_by_tensorflow(directory) as place:
        with kernels.export_scope(), _quiet():  # around the save: it traces anew
            tf.saved_model.save(module, str(place), signatures=task.signatures())
        _write_warmup(task, place)
        loaded = tf.saved_model.load(str(place)).signatures
    for name, lines in task.assets.items():  # those that a table reads are there already
        names.check_name(name, "The file of an asset")
        (directory / "assets" / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return {
        "signatures": {name: _describe(function) for name, function in loaded.items()},
        "kernels": {op: count for op, count in census(directory).items() if op in KERNELS},
        "parameters": task.model.count_params(),
        "bytes": size,
    }


def census(directory: Path) -> dict[str, int]:
    """How often each op occurs in a SavedModel, functions included, most frequent first."""
    from tensorflow.core.protobuf import saved_model_pb2

    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((Path(directory) / "saved_model.pb").read_bytes())
    graph = stored.meta_graphs[0].graph_def
    counts = collections.Counter(node.op for node in graph.node)
    for function in graph.library.function:
        counts.update(node.op for node in function.node_def)
    return dict(counts.most_common())


def for_export(task):
    """The same task anew, computing in float32 whatever it was trained in, its tables or all its weights stored in float16.

    Tables are embeddings and layers whose class says `is_table`: they are read by row, and a row is widened after. All weights
    are, where the task says `stored_in_float16`: a weight is then widened as it is read.
    """

    def clone(layer):
        if not isinstance(layer, keras.layers.Embedding) and not getattr(layer, "is_table", False):
            return layer
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float16"})

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_Float16Storage("float32") if task.stored_in_float16 else "float32")
    try:
        model = task.model.built_by.build()
        if not task.stored_in_float16:
            model = keras.models.clone_model(model, clone_function=clone)
    finally:
        keras.config.set_dtype_policy(policy)
    model.built_by = task.model.built_by
    model.set_weights(task.model.get_weights())
    return type(task).from_config(task.config(), task.assets, task.examples, model=model)


@keras.saving.register_keras_serializable("zoo")
class _Float16Storage(keras.DTypePolicy):
    """Variables in float16, arithmetic in float32: Keras widens a variable as a layer reads it."""

    @property
    def variable_dtype(self):
        """See `keras.DTypePolicy`."""
        return "float16"


def _describe(function) -> dict:
    """Names, dtypes and shapes of a loaded signature, as text."""

    def words(spec):
        shape = ", ".join(["N", *("?" if size is None else str(size) for size in spec.shape[1:])])
        return f"{spec.dtype.name} [{shape}]"

    return {
        "inputs": {name: words(spec) for name, spec in function.structured_input_signature[1].items()},
        "outputs": {name: words(spec) for name, spec in function.structured_outputs.items()},
    }


def _write_warmup(task, directory: Path) -> None:
    """Requests that TensorFlow Serving replays at load, so that the first user does not wait for the graph's optimisation."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    (directory / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(directory / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for name, signature in task.signatures().items():
            for rows in (1, len(task.examples)):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = task.model.built_by.name
                request.model_spec.signature_name = name
                values = task.requests(name)
                for spec in signature.input_signature:
                    request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(values[spec.name][:rows], spec.dtype))
                log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
                writer.write(log.SerializeToString())


@contextlib.contextmanager
def _quiet():
    """Silences the notice that a module without call functions was saved: there are signatures in their place."""
    level = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")
    try:
        yield
    finally:
        tf.get_logger().setLevel(level)
