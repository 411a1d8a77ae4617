"""What the SavedModel of a stranger cannot do: it computes, and does nothing else."""

import pytest
import small_cards
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

import zoo
from zoo.artefacts import card as cards
from zoo.artefacts import ops, trust


def read(text):
    return tf.io.read_file(text[0])[tf.newaxis]


def write(text):
    with tf.control_dependencies([tf.io.write_file(text[0], "written")]):
        return tf.identity(text)


def read_in_a_loop(text):
    (content,) = tf.while_loop(lambda _: True, lambda _: [tf.io.read_file(text[0])], [tf.constant("")], maximum_iterations=1)
    return content[tf.newaxis]


def read_in_a_data_set(text):
    return tf.data.Dataset.from_tensor_slices(text).map(tf.io.read_file).take(1).get_single_element()[tf.newaxis]


def run_python(text):
    return tf.reshape(tf.py_function(lambda value: value, [text], tf.string), [-1])


def print_into_a_file(text):
    tf.print(text, output_stream="file:///tmp/printed_by_a_model")
    return tf.identity(text)


HOSTILE = {
    read: "ReadFile",
    write: "WriteFile",
    read_in_a_loop: "ReadFile",
    read_in_a_data_set: "ReadFile",
    lambda text: tf.io.matching_files(text[0]): "MatchingFiles",
    run_python: "EagerPyFunc",
    print_into_a_file: "PrintV2",
    lambda text: tf.io.decode_proto(text, "x", ["a"], [tf.string], descriptor_source="/etc/passwd")[1][0][
        :, 0
    ]: "DecodeProtoV2",
    lambda text: tf.raw_ops.RestoreV2(prefix=text[0], tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string])[
        0
    ]: "RestoreV2",
    lambda text: tf.data.TextLineDataset(text).take(1).get_single_element()[tf.newaxis]: "FlatMapDataset, TextLineDataset",
}


@pytest.fixture(scope="module", params=HOSTILE, ids=lambda function: f"{HOSTILE[function]} {function.__name__.strip('<>')}")
def hostile(request, tmp_path_factory):
    """An artefact, whole by its card, whose signature does more than compute; and the op that does."""
    directory = tmp_path_factory.mktemp("hostile") / "1"
    spec = [tf.TensorSpec([None], tf.string, name="text")]
    function = tf.function(lambda text: {"label": request.param(text)}, input_signature=spec)
    tf.saved_model.save(tf.Module(), str(directory), signatures=function)
    return small_cards.write(directory), HOSTILE[request.param]


def test_a_graph_that_does_more_than_compute_is_not_loaded(hostile):
    directory, op = hostile
    for use in (zoo.load, zoo.load_task):
        with pytest.raises(zoo.ZooError, match=rf"ops that do more than compute, or are not known: {op}\. .*trusted=True"):
            use(directory)


def test_it_is_loaded_at_the_users_word(tmp_path):
    (tmp_path / "file").write_text("content")
    spec = [tf.TensorSpec([None], tf.string, name="text")]
    function = tf.function(lambda text: {"label": read(text)}, input_signature=spec)
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), signatures=function)
    model = zoo.load(small_cards.write(tmp_path / "1"), trusted=True)
    assert model.predict([str(tmp_path / "file")]) == [{"label": "content"}]


@pytest.fixture(scope="module")
def fair(export_of):
    """The SavedModel of a classifier, which reads a table from its assets."""
    return export_of("classifier gru").directory


def function_of(graph, part):
    return next(function for function in graph.graph_def.library.function if part in function.signature.name)


def node_of(nodes, op):
    return next(node for node in nodes if node.op == op)


def caller_of(graph, part):
    return next(node for node in graph.graph_def.node if part in node.attr["f"].func.name)


def constant(nodes, path="/etc/passwd"):
    """Adds a constant string; gives its name."""
    node = nodes.add(name="stranger", op="Const")
    node.attr["dtype"].type = types_pb2.DT_STRING
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(path))
    return node.name


def restores_from_elsewhere(graph):
    function = function_of(graph, "traced_restore")
    node_of(function.node_def, "RestoreV2").input[0] = f"{constant(function.node_def)}:output:0"


def is_told_to_restore_from_elsewhere(graph):
    caller_of(graph, "traced_restore").input[0] = constant(graph.graph_def.node)


def restores_what_a_request_says(graph):
    graph.signature_def["serving_default"].inputs["path"].name = "saver_filename:0"


def saves_in_answer(graph):
    graph.signature_def["serving_default"].outputs["path"].name = graph.saver_def.save_tensor_name


def saves_as_it_restores(graph):
    graph.saver_def.restore_op_name = graph.saver_def.save_tensor_name.partition(":")[0]


def python_restores(graph):
    graph.object_graph_def.concrete_functions[function_of(graph, "traced_restore").signature.name].bound_inputs.append(0)


def python_saves(graph):
    part = next(item for item in graph.object_graph_def.nodes if item.WhichOneof("kind") == "bare_concrete_function")
    part.bare_concrete_function.concrete_function_name = function_of(graph, "traced_save").signature.name


def a_signature_restores(graph):
    node = node_of(function_of(graph, "signature_wrapper").node_def, "StatefulPartitionedCall")
    node.attr["f"].func.name = function_of(graph, "traced_restore").signature.name


def a_branch_restores(graph):
    node = node_of(function_of(graph, "signature_wrapper").node_def, "StatefulPartitionedCall")
    node.attr["config"].func.attr["nested"].list.func.add(name=function_of(graph, "traced_restore").signature.name)


def reads_a_table_elsewhere(graph):
    function = function_of(graph, "_initializer")
    node_of(function.node_def, "InitializeTableFromTextFileV2").input[1] = f"{constant(function.node_def)}:output:0"


def reads_a_table_from_a_constant(graph):
    bound = graph.object_graph_def.concrete_functions[function_of(graph, "_initializer").signature.name].bound_inputs
    bound[0] = next(index for index, item in enumerate(graph.object_graph_def.nodes) if item.WhichOneof("kind") == "constant")


def reads_a_table_that_is_asked_for(graph):
    del graph.object_graph_def.concrete_functions[function_of(graph, "_initializer").signature.name].bound_inputs[:]


def reads_a_table_elsewhere_when_served(graph):
    caller_of(graph, "_initializer").input[0] = constant(graph.graph_def.node)


def writes_the_path_of_a_table(graph):
    node = graph.graph_def.node.add(name="writer", op="AssignVariableOp")
    node.input.extend([node_of(graph.graph_def.node, "VarHandleOp").name, constant(graph.graph_def.node)])
    read_from = node_of(graph.graph_def.node, "ReadVariableOp").input[0]
    node.input[0] = (
        next(n.input[0] for n in graph.graph_def.node if n.name == caller_of(graph, "_initializer").input[0]) or read_from
    )


def shares_the_path_of_a_table(graph):
    path = next(n for n in graph.graph_def.node if n.name == caller_of(graph, "_initializer").input[0]).input[0]
    variable = next(node for node in graph.graph_def.node if node.name == path)
    graph.graph_def.node.add(name="alias", op="VarHandleOp").attr["shared_name"].s = variable.attr["shared_name"].s


def asset(filename):
    def change(graph):
        graph.asset_file_def[0].filename = filename

    return change


def an_op(name):
    def change(graph):
        graph.graph_def.node.add(name="stranger", op=name)

    return change


def a_handle_of_another_model(graph):
    graph.graph_def.node.add(name="stranger", op="Const").attr["dtype"].type = types_pb2.DT_RESOURCE


def an_op_as_a_function(graph):
    graph.graph_def.library.function.add().signature.name = "ReadFile"


def a_function_of_the_process(graph):
    node = graph.graph_def.node.add(name="stranger", op="StatefulPartitionedCall")
    node.attr["f"].func.name = "__inference_py_function_of_the_user_12"


def a_function_twice(graph):
    graph.graph_def.library.function.add().CopyFrom(graph.graph_def.library.function[0])


def an_optimizer(graph):
    graph.object_graph_def.nodes[0].user_object.identifier = "optimizer"


def a_registered_class(graph):
    graph.object_graph_def.nodes[0].registered_name = "Custom.Payload"


def a_node_without_inputs(graph):
    del node_of(function_of(graph, "_initializer").node_def, "InitializeTableFromTextFileV2").input[:]


def of_tensorflow_1(graph):
    graph.ClearField("object_graph_def")


REDIRECTED = {
    restores_from_elsewhere: "RestoreV2",
    is_told_to_restore_from_elsewhere: "RestoreV2",
    restores_what_a_request_says: "RestoreV2",
    saves_in_answer: "MergeV2Checkpoints, SaveV2, ShardedFilename",
    saves_as_it_restores: "MergeV2Checkpoints, RestoreV2, SaveV2, ShardedFilename",
    python_restores: "RestoreV2",
    python_saves: "MergeV2Checkpoints, SaveV2, ShardedFilename",
    a_signature_restores: "RestoreV2",
    a_branch_restores: "RestoreV2",
    reads_a_table_elsewhere: "InitializeTableFromTextFileV2",
    reads_a_table_from_a_constant: "InitializeTableFromTextFileV2",
    reads_a_table_that_is_asked_for: "InitializeTableFromTextFileV2",
    reads_a_table_elsewhere_when_served: "InitializeTableFromTextFileV2",
    writes_the_path_of_a_table: "InitializeTableFromTextFileV2",
    shares_the_path_of_a_table: "InitializeTableFromTextFileV2",
    asset("../../../etc/passwd"): "an asset that is not its own, '../../../etc/passwd'",
    asset("/etc/passwd"): "an asset that is not its own, '/etc/passwd'",
    asset(".."): "an asset that is not its own",
    asset(""): "an asset that is not its own",
    an_op("SomeOpOfTheFuture"): "or are not known: SomeOpOfTheFuture",
    an_op("_Send"): "or are not known: _Send",
    an_op("RemoteCall"): "RemoteCall",
    a_handle_of_another_model: "Const",
    an_op_as_a_function: "a function with the name of an op, ReadFile",
    a_function_of_the_process: "calls a function that it does not hold, __inference_py_function",
    a_function_twice: "two functions or two nodes alike",
    an_optimizer: "a kind that is not known, 'optimizer'",
    a_registered_class: "a kind that is not known, 'Custom.Payload'",
    a_node_without_inputs: "is not laid out as TensorFlow writes",
    of_tensorflow_1: "is not a SavedModel of TensorFlow 2",
}


@pytest.mark.parametrize("change", REDIRECTED, ids=lambda change: change.__qualname__.partition(".")[0])
def test_what_names_files_in_every_graph_cannot_be_turned_elsewhere(fair, change, tmp_path):
    trust.check(fair)
    stored = saved_model_pb2.SavedModel.FromString((fair / "saved_model.pb").read_bytes())
    change(stored.meta_graphs[0])
    (tmp_path / "saved_model.pb").write_bytes(stored.SerializeToString())
    with pytest.raises(zoo.ZooError, match=REDIRECTED[change]):
        trust.check(tmp_path)


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_second_graph_is_refused_even_if_it_is_listed(copy, name):
    (copy / name).touch()
    small_cards.change(copy, lambda card: card.update(files=cards.hashes(copy)))
    with pytest.raises(zoo.ZooError, match=f"holds {name} beside saved_model.pb"):
        zoo.load(copy)


def test_the_list_holds_ops_of_tensorflow_and_none_that_touch_files():
    known = ops.COMPUTING | ops.SAVING | ops.RESTORING | ops.READING_ASSETS
    assert [name for name in known if not hasattr(tf.raw_ops, name)] == []
    words = (
        "File",
        "Py",
        "Save",
        "Restore",
        "Checkpoint",
        "Summary",
        "Print",
        "Debug",
        "Dump",
        "Remote",
        "Send",
        "Recv",
        "Rpc",
    )
    assert [name for name in ops.COMPUTING for word in words if word in name] == []
