"""A `Task` becomes an artefact: one SavedModel for any device, scored as it is, hashed, described."""

import base64
import collections
import contextlib
import json
import math
import platform
import shlex
import shutil
import tempfile
import time
from pathlib import Path

import keras
import tensorflow as tf

from zoo import config as configs
from zoo import files, kernels, names
from zoo.artefacts import card as cards
from zoo.artefacts import find, lineage, trust
from zoo.artefacts import load as loading
from zoo.artefacts.publish import PUBLISHED, publish
from zoo.artefacts.rebuild import load_task
from zoo.data.labels import renumbered
from zoo.errors import ZooError
from zoo.training import state

# Ops that the census of a card counts: the recurrent kernels of each device.
KERNELS = ("CudnnRNNV3", "BlockLSTMV2", "While", "StatelessWhile")


def export(task, run, *, test, score, pictures=()):
    """Makes the artefact of a finished run, at RUN/artefact.

    Args:
        task: the trained `Task`.
        run: the `Run` that `zoo.fit` gave.
        test: the raw test split, its class numbers those of the data's labels.
        score: a function of `zoo.metrics`; it is given the loaded artefact, and the test split in the order of its labels.
        pictures: paths of more pictures for the card, of those that `zoo.artefacts.card.PICTURES` names.

    Returns:
        The loaded artefact, as `zoo.load` gives it.

    Raises:
        ZooError: if the data's classes are not the task's, the target cannot be written, or with `--publish` the artefact may
            not be published.
    """
    target = run.path / "artefact"
    with state.hold(run.path), files.making(target) as directory:
        test = renumbered(test, run.data.labels, task.labels)
        if run.data.source == "own" and isinstance(task.examples[0], (str, bytes)):
            task.examples = _own_examples(task, run.data.validation)
        facts = save(task, directory)
        facts |= _provenance(task, run, score)
        model = _scored(directory, facts, task, test, score)
        _draw(model, task, run, directory / "pictures")
        for picture in pictures:
            shutil.copy(picture, directory / "pictures")
        _write_card(directory, facts)
    first, value = next(iter(facts["scores"].items()))
    example, where = task.examples[0], files.shown(target)
    argument = {str: shlex.quote(str(example)), bytes: "FILE"}.get(type(example))
    predict = f"  zoo predict {where} {argument}\n" if argument else ""
    print(
        f"{first} on the {run.data.sizes['test']:,} test examples of the {run.data.source} data: "
        f"{cards.number(value['value'])} ({cards.interval(value)})\nArtefact: {where} ({facts['bytes'] / 1e6:.1f} MB)\n\n"
        f"Next:\n{predict}  zoo info {where}"
    )
    if run.data.source in PUBLISHED and not run.config.max_steps:
        print(f"  zoo publish {files.shown(run.path)}")
    try:
        trust.check(target)
    except ZooError as error:  # an op of a user's own family: better known now than by those who load it
        print(f"Others have to trust this artefact: {names.printable(str(error))}")
    if run.config.publish:
        try:
            publish(run.path)
        except ZooError as error:
            raise ZooError(f"{error} The artefact is whole: zoo publish {files.shown(run.path)}") from error
    return loading.load(target, trusted=True)


def _own_examples(task, split, count=3, among=300) -> tuple:
    """Raw inputs of a person's own data, in place of a family's texts or files: short ones, since the card shows them."""
    found = {example[0] for example in split.take(among).as_numpy_iterator() if example[0]}
    shortest = sorted(found, key=lambda value: (len(value), value))[:count]
    is_text = isinstance(task.examples[0], str)
    return tuple(value.decode("utf-8", errors="replace") if is_text else value for value in shortest) or task.examples


def renew(name, *, test, score, root: Path = Path("saved_models"), trusted: bool = False) -> Path:
    """Publishes the next version of an artefact: the same weights under the kernels and the export of today.

    Args:
        name: name or path of an artefact.
        test: the raw test split that its card speaks of.
        score: the function of `zoo.metrics` that its card names.
        root: where to.
        trusted: see `zoo.load`.

    Raises:
        ZooError: if a score moved by more than a tenth of its interval, or the artefact may not be published.
    """
    old = find.artefact(name)
    task, facts = load_task(old, trusted=trusted), cards.read(old)
    before = facts["scores"]
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        facts |= {**save(task, directory), "versions": _versions(), "scores": {}}
        _scored(directory, facts, task, test, score)
        for what, was in before.items():
            now = facts["scores"].get(what, {}).get("value", math.nan)
            print(f"{what}: {cards.number(now)}, was {cards.number(was['value'])}")
            if not abs(now - was["value"]) <= (was["high"] - was["low"]) / 10:
                raise ZooError(f"The {what} of {name} moved from {was['value']} to {now}; nothing was published.")
        if (old / "pictures").is_dir():
            shutil.copytree(old / "pictures", directory / "pictures")
        _write_card(directory, facts)
        return publish(directory, root)


def _scored(directory, facts, task, test, score):
    """Adds scores and answered examples to the card of an artefact; gives it loaded."""
    _write_card(directory, facts)
    model = loading.load(directory, trusted=True)
    facts["scores"] = score(model, test)
    facts["examples"] = [
        {"input": as_json(example), "output": answer}
        for example, answer in zip(task.examples, model.predict(list(task.examples)), strict=True)
    ]
    return model


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
        fresh = type(task).from_config(task.config(), task.assets, task.examples)
        if not task.stored_in_float16:
            fresh.model = keras.models.clone_model(fresh.model, clone_function=clone)
    finally:
        keras.config.set_dtype_policy(policy)
    fresh.model.built_by = task.model.built_by
    fresh.model.set_weights(task.model.get_weights())
    return fresh


@keras.saving.register_keras_serializable("zoo")
class _Float16Storage(keras.DTypePolicy):
    """Variables in float16, arithmetic in float32: Keras widens a variable as a layer reads it."""

    def _parse_name(self, name):
        return name, "float16"


def _provenance(task, run, score) -> dict:
    """The part of a card that says what was trained, how, on what."""
    from zoo.registry import model_info
    from zoo.training.fit import hardware

    config, data = run.config, run.data
    info = model_info(task.model.built_by.name)
    return {
        "name": run.name,
        "summary": info.summary,
        "mapping": info.mapping,
        "labels": list(map(str, task.labels or data.labels)),
        "metric": score.__name__,
        "task": {"module": type(task).__module__, "class": type(task).__name__, **task.config()},
        "data": {
            "loader": data.loader,
            "source": data.source,
            "description": data.description,
            "terms": lineage.joined(data.terms, task.terms, run.terms),
            "sizes": data.sizes,
            "test": f"the {data.sizes['test']:,} test examples of the {data.source} data",
            "arguments": data.arguments,
        },
        "run": {
            "command": configs.command(config, run.name),
            "config": configs.identity(config),
            "began_with": run.began_with,
            "seed": config.seed,
            "max_steps": config.max_steps,
            "epochs": len(run.log),
            "monitor": task.monitor,
            "best": run.best,
            "best_epoch": run.best_epoch,
            "seconds": round(run.seconds, 1),
            "hardware": hardware(),
            "date": time.strftime("%Y-%m-%d"),
        },
        "versions": _versions(),
        "scores": {},
        "examples": [],
    }


def _versions() -> dict:
    return {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()}


def _write_card(directory: Path, facts: dict) -> None:
    facts["files"] = cards.hashes(directory)
    files.write(directory / find.CARD, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    if facts["scores"]:
        files.write(directory / "README.md", cards.render(facts))


def _draw(model, task, run, directory: Path) -> None:
    """Pictures for the card: the training, and where the model looks; what cannot be drawn is left out, and that is said."""
    try:
        from zoo import plots

        directory.mkdir()
        plots.curves(run.log, directory / "curves.png", task.monitor)
        if "attention" in model.signatures:
            texts = [example for example in task.examples if isinstance(example, str)]
            plots.attention(model, max(texts, key=len, default=task.examples[0]), directory / "attention.png")
    except ZooError as error:
        if isinstance(error.__cause__, OSError):  # the disk is full: no artefact either
            raise
        print(f"Pictures left out: {names.printable(str(error))}")


def as_json(example):
    """A raw input as JSON can hold it; files as TensorFlow Serving takes them: {"b64": ...}."""
    return {"b64": base64.b64encode(example).decode()} if isinstance(example, bytes) else example


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
