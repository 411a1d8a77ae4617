"""What every artefact promises, whatever its family: its ops, files, signatures, and that no row harms another."""

import families
import numpy as np
import pytest
import tensorflow as tf
import tiny

from zoo.artefacts import trust
from zoo.artefacts.save import census
from zoo.kernels import rows
from zoo.layers.stack import CELLS

pytestmark = pytest.mark.parametrize("export", families.TASKS, indirect=True)


def test_the_graph_holds_the_kernels_of_both_devices_in_stock_ops(export):
    counts = census(export.directory)
    cell = export.task.model.built_by.arguments.get("cell")
    assert ("CudnnRNNV3" in counts) == (cell in CELLS)
    assert ("BlockLSTMV2" in counts) == (cell == "lstm")
    assert [op for op in counts if not hasattr(tf.raw_ops, op)] == []
    assert not counts.keys() & {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
    functions = export.stored.graph_def.library.function
    compiled = [part.signature.name for part in functions if part.attr["_XlaMustCompile"].b]
    assert compiled == []  # TF Serving refuses them by default


def test_its_ops_are_taken_from_strangers(export):
    trust.check(export.directory)


def test_the_task_is_rebuilt_and_answers_like_the_artefact(export, tmp_path):
    task = export.rebuilt(tmp_path / "artefact")
    assert task.config() == export.task.config()
    assert task.assets == export.task.assets
    for weight, expected in zip(task.model.weights, export.task.model.weights, strict=True):
        assert weight.path == expected.path
        assert weight.dtype == expected.dtype
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), err_msg=weight.path)
    answers = task.signatures()["serving_default"](**export.tensors("serving_default"))
    tiny.assert_same({name: value.numpy() for name, value in answers.items()}, export.answers["serving_default"])


def test_different_inputs_have_different_answers(export):
    """Else the other tests would show little."""
    for name, answers in export.answers.items():
        telling = max(len({str(value) for value in values}) for values in answers.values())
        assert telling >= 4, name


def test_no_row_is_harmed_by_its_batch_mates(export):
    for name, answers in export.answers.items():
        for row in range(len(next(iter(answers.values())))):
            tiny.assert_same_row(answers, row, export.ask(name, **export.row(row)))


def test_a_batch_too_large_for_the_fused_kernels_has_the_same_answers(export):
    answers = export.answers["serving_default"]
    count = rows.LARGEST_GROUP // len(next(iter(answers.values()))) + 1
    repeated = export.ask(**{name: values * count for name, values in export.inputs.items()})
    tiny.assert_same(repeated, {name: np.concatenate([value] * count) for name, value in answers.items()})


def test_the_same_inputs_have_the_same_answers(export):
    for name, answers in export.answers.items():
        again = export.ask(name)
        assert all(np.array_equal(again[output], value) for output, value in answers.items()), name


def test_no_inputs_have_no_answers(export):
    for name, signature in export.signatures.items():
        answers = export.ask(name, **{key: [] for key in export.inputs})
        for output, spec in signature.structured_outputs.items():
            assert len(answers[output]) == 0
            assert spec.shape.is_compatible_with(answers[output].shape)


def test_each_weight_is_stored_once(export):
    stored = tf.train.load_checkpoint(str(export.directory / "variables" / "variables"))
    dtypes = stored.get_variable_to_dtype_map()
    structure = stored.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    weights = {name: stored.get_tensor(name) for name, dtype in dtypes.items() if dtype != tf.string}
    assert sum(weight.size for weight in weights.values()) == export.task.model.count_params()
    (data,) = (export.directory / "variables").glob("variables.data-*")
    assert 0 <= data.stat().st_size - len(structure) - sum(weight.nbytes for weight in weights.values()) < 100
    others = {name for name in weights if dtypes[name] != tf.float16}
    if export.task.stored_in_float16:
        assert others == set()
    else:  # tables alone
        tables = weights.keys() - others
        paths = [weight.path for weight in export.task.model.weights if weight.dtype.startswith("float")]
        assert all("embedding" in name or "ngram_linear" in name for name in tables)
        assert len(tables) == sum("embedding" in path or "ngram_linear" in path for path in paths)


def test_the_files_are_those_of_a_saved_model_and_hold_the_vocabularies_once(export):
    files = {path.relative_to(export.directory).as_posix() for path in export.directory.rglob("*") if path.is_file()}
    assert files == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        *(f"assets/{name}" for name in export.task.assets),
        "assets.extra/tf_serving_warmup_requests",
    }
    graph = (export.directory / "saved_model.pb").read_bytes()
    for name, lines in export.task.assets.items():
        stored = (export.directory / "assets" / name).read_text(encoding="utf-8").split("\n")[:-1]
        assert stored == lines
        if not name.endswith("labels.txt"):
            assert max(stored, key=len).encode() not in graph


def test_the_warm_up_of_tf_serving_replays(export):
    from tensorflow_serving.apis import prediction_log_pb2

    replayed = []
    for record in tf.data.TFRecordDataset(str(export.directory / "assets.extra" / "tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answers = export.signatures[request.model_spec.signature_name](**inputs)
        replayed.append((request.model_spec.signature_name, *{len(value) for value in answers.values()}))
    assert sorted(replayed) == [(name, rows) for name in sorted(export.signatures) for rows in (1, 3)]


def test_signatures_are_the_promised_ones(export):
    from tensorflow.core.framework import types_pb2

    def described(tensors):
        def words(tensor):
            batch, *sizes = (dimension.size for dimension in tensor.tensor_shape.dim)
            assert batch == -1
            shape = ", ".join(["N", *("?" if size == -1 else str(size) for size in sizes)])
            return f"{types_pb2.DataType.Name(tensor.dtype).removeprefix('DT_').lower()} [{shape}]"

        return {name: words(tensor) for name, tensor in tensors.items()}

    found = {
        name: (described(signature.inputs), described(signature.outputs))
        for name, signature in export.stored.signature_def.items()
        if name != "__saved_model_init_op"
    }
    assert found == families.FAMILIES[export.task.model.built_by.name].signatures(export.task)
