"""What a SavedModel could do is looked at before TensorFlow loads it: a graph is a program, and ops can read and write files.

Only what computes is taken (`zoo.artefacts.ops`). Three things in every SavedModel name files, and are taken where they are
what TensorFlow's own exporter writes: the functions that save and restore its variables, tables that are read from its own
assets, and its list of assets. `zoo.load`, as all Python, runs what the object graph reaches; TensorFlow Serving runs the
main graph.
Both are looked at.
"""

import collections
import os
from pathlib import Path

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from zoo.artefacts import ops
from zoo.errors import ZooError
from zoo.names import printable

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Python objects that TensorFlow makes of a stored object: containers, tables, constants. Others import or run more.
OBJECTS = {
    "",
    "_generic_user_object",
    "signature_map",
    "trackable_dict_wrapper",
    "trackable_list_wrapper",
    "trackable_tuple_wrapper",
}
CLASSES = {"", "tf.StaticHashTable", "tf.TrackableConstant"}


def check(directory: Path) -> None:
    """Looks at a SavedModel whose maker is not known.

    Args:
        directory: of the SavedModel.

    Raises:
        ZooError: if it could do more than compute, or is laid out as TensorFlow 2 does not write one; it names the ops.
        OSError, google.protobuf.message.DecodeError: if `saved_model.pb` cannot be read.
    """
    directory = Path(directory)
    others = {name for name in os.listdir(directory) if name.startswith("saved_model.")} - {"saved_model.pb"}
    if others:  # which one is loaded depends on the TensorFlow that loads it
        raise _refusal(directory, f"holds {min(others)} beside saved_model.pb")
    stored = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    if len(stored.meta_graphs) != 1 or not stored.meta_graphs[0].HasField("object_graph_def"):
        raise _refusal(directory, "is not a SavedModel of TensorFlow 2 with one graph")
    try:
        found = _Graph(stored.meta_graphs[0]).findings()
    except LookupError:  # a node without its inputs, a reference to nothing
        found = "is not laid out as TensorFlow writes a SavedModel"
    if found:
        raise _refusal(directory, found)


def _refusal(directory, what):
    return ZooError(
        f"{directory} {printable(what)}. Who made it could have it read or write files or run programs, so it was not "
        "loaded. If you know that it is harmless, say so: trusted=True in Python, --trusted on the command line (SECURITY.md)."
    )


class _Graph:
    """A stored graph with its functions and Python objects: a `MetaGraphDef`."""

    def __init__(self, meta):
        self.meta, self.objects = meta, meta.object_graph_def
        self.main = {node.name: node for node in meta.graph_def.node}
        library = meta.graph_def.library.function
        self.functions = {function.signature.name: function for function in library}
        self.doubled = len(self.functions) < len(library) or len(self.main) < len(meta.graph_def.node)
        self.bodies = [("", meta.graph_def.node), *((function.signature.name, function.node_def) for function in library)]
        self.calls = collections.defaultdict(list)  # function → (function that calls it, "" for the main graph; node)
        for owner, nodes in self.bodies:
            for node in nodes:
                for name in _called(node, self.functions):
                    self.calls[name].append((owner, node))
        # functions that Python can call, and those that stand for a gradient
        self.exposed = {name for item in self.objects.nodes for name in item.function.concrete_functions}
        self.exposed |= {item.bare_concrete_function.concrete_function_name for item in self.objects.nodes}
        self.exposed |= set(self.objects.concrete_functions)
        gradients = [*meta.graph_def.library.gradient, *meta.graph_def.library.registered_gradients]
        self.gradients = {name for one in gradients for name in (one.gradient_func, getattr(one, "function_name", ""))}
        signatures = meta.signature_def.values()
        self.asked = {_node(tensor.name) for signature in signatures for tensor in signature.inputs.values()}
        self.answers = {_node(tensor.name) for signature in signatures for tensor in signature.outputs.values()}
        self.paths = {_node(asset.tensor_info.name) for asset in meta.asset_file_def}  # nodes that hold the path of an asset

    def findings(self) -> str:
        """What must not be, in words; empty where there is nothing."""
        import tensorflow as tf

        if self.doubled:
            return "names two functions or two nodes alike"
        if alike := [name for name in self.functions if hasattr(tf.raw_ops, name)]:
            return f"has a function with the name of an op, {alike[0]}"
        if missing := sorted(self.calls.keys() - self.functions.keys()):
            return f"calls a function that it does not hold, {missing[0]}"
        for asset in self.meta.asset_file_def:
            if asset.filename in ("", ".", "..") or {"/", "\\"} & set(asset.filename):
                return f"reads an asset that is not its own, {asset.filename!r}"
        for item in self.objects.nodes:
            kinds = {item.user_object.identifier} - OBJECTS | {item.registered_name} - CLASSES | {item.registered_saver} - {""}
            if kinds:
                return f"stores a Python object of a kind that is not known, {min(kinds)!r}"
        save, restore = self._saver(self.meta.saver_def.save_tensor_name), self._saver(self.meta.saver_def.restore_op_name)
        refused = set()
        for owner, nodes in self.bodies:
            for node in nodes:
                if node.op in ops.COMPUTING:
                    fine = node.op != "Const" or node.attr["dtype"].type != types_pb2.DT_RESOURCE  # of another model, maybe
                elif node.op in ops.SAVING:
                    fine = owner == save != restore
                elif node.op in ops.RESTORING:
                    fine = owner == restore and self._is_filename(owner, node.input[0])
                elif node.op in ops.READING_ASSETS:
                    fine = self._is_asset(owner, node.input[1])
                else:
                    fine = node.op in self.functions
                if not fine:
                    refused.add(node.op)
        return f"holds ops that do more than compute, or are not known: {', '.join(sorted(refused))}" if refused else ""

    def _saver(self, name: str) -> str | None:
        """The function that a node calls to save or restore variables, if nothing else does, and nothing uses the node."""
        node = self.main.get(_node(name))
        if node is None or node.op not in CALLS:
            return None
        function = node.attr["f"].func.name
        used = any(_node(tensor) == node.name for other in self.meta.graph_def.node for tensor in other.input)
        alone = self.calls[function] == [("", node)] and function not in self.exposed | self.gradients
        return function if alone and not used and node.name not in self.answers and self._is_plain(function) else None

    def _is_plain(self, function: str) -> bool:
        """Whether a function stands for itself alone, and an argument for one tensor."""
        arguments = self.functions[function].signature.input_arg
        several = any(argument.number_attr or argument.type_list_attr for argument in arguments)
        return not several and "api_implements" not in self.functions[function].attr

    def _is_filename(self, owner: str, tensor: str) -> bool:
        """Whether a tensor of the function that restores is the place of the variables, which the loader gives."""
        arguments = [argument.name for argument in self.functions[owner].signature.input_arg]
        if tensor not in arguments:
            return False
        given = self.calls[owner][0][1].input[arguments.index(tensor)]
        return given == _node(self.meta.saver_def.filename_tensor_name) and self._is_given(given)

    def _is_asset(self, owner: str, tensor: str) -> bool:
        """Whether a tensor of a function is the path of an asset, for each way to call that function."""
        arguments = [argument.name for argument in self.functions[owner].signature.input_arg] if owner else []
        if tensor not in arguments or owner in self.gradients or owner not in self.objects.concrete_functions:
            return False
        position = arguments.index(tensor)
        bound = self.objects.concrete_functions[owner].bound_inputs  # of the last arguments: nobody can give those
        index = position - len(arguments) + len(bound)
        if index < 0 or not self._is_plain(owner):
            return False
        item = self.objects.nodes[bound[index]]
        return (item.WhichOneof("kind"), item.registered_name) == ("asset", "") and all(
            not caller and node.op in CALLS and self._leads_to_asset(node.input[position]) for caller, node in self.calls[owner]
        )

    def _leads_to_asset(self, tensor: str) -> bool:
        """Whether a tensor of the main graph is the path of an asset, kept in a variable that holds nothing else."""
        node = self.main.get(_node(tensor))
        if node is None or node.op != "ReadVariableOp":
            return node is not None and node.name in self.paths and self._is_given(node.name)
        variable = self.main.get(node.input[0])
        if variable is None or variable.op != "VarHandleOp":
            return False
        same = [
            other
            for _, nodes in self.bodies
            for other in nodes
            if other.op == "VarHandleOp" and other.attr["shared_name"].s == variable.attr["shared_name"].s
        ]
        users = [other for other in self.main.values() if variable.name in map(_node, other.input)]
        writers = [other for other in users if other.op == "AssignVariableOp"]
        return (
            len(same) == 1
            and all(other.op in ("AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp") for other in users)
            and bool(writers)
            and all(_node(writer.input[1]) in self.paths and self._is_given(_node(writer.input[1])) for writer in writers)
        )

    def _is_given(self, name: str) -> bool:
        """Whether a node of the main graph is a placeholder that the loader alone fills, no request."""
        return name in self.main and self.main[name].op == "Placeholder" and name not in self.asked


def _node(tensor: str) -> str:
    """The name of the node that a tensor of the main graph comes from: of "name", "name:0" and "^name"."""
    return tensor.removeprefix("^").partition(":")[0]


def _called(node, functions) -> list[str]:
    """The functions that a node names: as its op, or in its attributes at any depth."""
    found = [node.op] if node.op in functions else []
    attributes = list(node.attr.values())
    while attributes:
        value = attributes.pop()
        for function in [value.func, *value.list.func] if value.WhichOneof("value") in ("func", "list") else ():
            if function.name:
                found.append(function.name)
            attributes += function.attr.values()
    return found
