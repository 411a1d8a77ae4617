"""The same recurrent stack in each library, with the same weights: what `recurrent.py` compares.

A peer is made for one `Architecture` and for inference or training, and is then called with batches of any shape:

    peer = Torch(architecture, weights, training=False)
    outputs = peer(peer.tensor(x))         # inference: all outputs; training: the loss of one step. Returns when computed.
    peer.reset(weights, rate)              # of a training peer
    peer.weights()                         # in Keras's layout

A step of training is the mean of squares of all outputs, its gradients with respect to all weights, and `weight -= rate *
gradient`.
"""

import contextlib
import importlib
import importlib.util
import tempfile

import keras
import numpy as np
import tensorflow as tf
from architecture import CELLS, RATE, VOCABULARY, Architecture, reordered, triples
from torch_peer import Torch

import zoo

# Keras's gates in ONNX's order. Keras: z r h and i f c o; ONNX: z r h and i o f c.
ONNX_ORDER = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}

__all__ = ["CELLS", "PEERS", "RATE", "Architecture", "available", "initial_weights", "save", "stack"]


def stack(layers, architecture, **options) -> keras.Model:
    """The model out of the layers of a module, `keras.layers` or `zoo.layers`, each made with the options."""
    if architecture.inputs == "tokens":
        inputs = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(VOCABULARY, architecture.units, mask_zero=True)(inputs)
    else:
        inputs = x = keras.Input((None, architecture.units))
    for _ in range(architecture.layers):
        layer = getattr(layers, CELLS[architecture.cell])(architecture.units, return_sequences=True, **options)
        x = (keras.layers.Bidirectional(layer) if architecture.directions == 2 else layer)(x)
    return keras.Model(inputs, x)


def initial_weights(architecture) -> list[np.ndarray]:
    """Keras's initial weights, but for the biases: zeros would hide one that is in the wrong place.

    Returns:
        The embedding, if there is one, then kernel, recurrent kernel and bias of each layer and direction, as
        `keras.Model.get_weights`.
    """
    keras.utils.set_random_seed(0)
    weights = stack(keras.layers, architecture).get_weights()
    random = np.random.default_rng(0)
    for *_, bias in triples(weights):
        bias[:] = random.normal(0, 0.1, bias.shape)
    return weights


def spec_of(model) -> tf.TensorSpec:
    """What a model reads, in batches of any size, named x."""
    return tf.TensorSpec([None, *model.input.shape[1:]], model.input.dtype, name="x")


def save(model, directory, *, mask: bool = False) -> None:
    """Saves a model with a signature over x, and with `mask` over mask, bool [N, T], too; its answer is y."""
    signature = [spec_of(model), *([tf.TensorSpec([None, None], tf.bool, name="mask")] if mask else [])]
    serve = tf.function(
        lambda x, mask=None: {"y": model(x, mask=mask, training=False)}, input_signature=signature, autograph=False
    )
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(directory), signatures=serve)


class Keras:
    """Stock Keras: as a SavedModel whose signature is called for inference, a `tf.function` for training."""

    cells = tuple(CELLS)
    trains = True
    layers = keras.layers
    export_scope = contextlib.nullcontext

    def __init__(self, architecture, weights, training):
        self.on_gpu = bool(tf.config.list_logical_devices("GPU"))
        self.model = stack(self.layers, architecture)
        self.rate = tf.Variable(RATE)
        self.reset(weights)
        if training:
            self.run = tf.function(self.step, input_signature=[spec_of(self.model)], autograph=False)
        else:
            self.export()

    def export(self):
        """Saves the model and takes the signature of what is loaded."""
        with tempfile.TemporaryDirectory() as directory:
            with self.export_scope():
                save(self.model, directory)
            self.loaded = tf.saved_model.load(directory)  # kept: it owns the variables of its signatures
        signature = self.loaded.signatures["serving_default"]
        self.run = lambda x: signature(x=x)["y"]

    def step(self, x):
        """One step of training."""
        variables = [weight.value for weight in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.model(x, training=True)))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(self.rate * gradient)
        return loss

    def __call__(self, x):
        outputs = self.run(x)
        if self.on_gpu:
            tf.test.experimental.sync_devices()
        return outputs

    def reset(self, weights, rate=RATE):
        """Starts anew from weights in Keras's layout."""
        self.model.set_weights(weights)
        self.rate.assign(rate)

    def weights(self):
        """Weights in Keras's layout."""
        return self.model.get_weights()

    tensor = staticmethod(tf.constant)
    numpy = staticmethod(np.array)


class Zoo(Keras):
    """The zoo's layers, exported as the zoo does."""

    layers = zoo.layers
    export_scope = staticmethod(zoo.kernels.export_scope)


class KerasXLA(Keras):
    """Stock Keras, compiled by XLA for each shape."""

    def __init__(self, architecture, weights, training):
        self.on_gpu = bool(tf.config.list_logical_devices("GPU"))
        options = {} if architecture.cell == "rnn" else {"use_cudnn": False}  # XLA has no cuDNN recurrence
        self.model = stack(self.layers, architecture, **options)
        self.rate = tf.Variable(RATE)
        self.reset(weights)
        run = self.step if training else lambda x: self.model(x, training=False)
        self.run = tf.function(run, jit_compile=True, autograph=False)


class ONNXRuntime:
    """ONNX Runtime on a CPU, with a graph of ONNX's own recurrent operators."""

    cells = tuple(CELLS)
    trains = False

    def __init__(self, architecture, weights, training):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(onnx_model(architecture, weights), providers=["CPUExecutionProvider"])

    def __call__(self, x):
        return self.session.run(["y"], {"x": x})[0]

    tensor = staticmethod(np.asarray)
    numpy = staticmethod(np.asarray)


PEERS = {"keras": Keras, "zoo": Zoo, "keras_xla": KerasXLA, "torch": Torch, "onnxruntime": ONNXRuntime}


def available(on_gpu: bool) -> dict[str, type]:
    """The peers that can be compared on this machine, the reference first; says of each other one why not."""
    missing = {}
    for name, modules in {"torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime")}.items():
        if not all(importlib.util.find_spec(module) for module in modules):
            missing[name] = 'it is not installed; pip install -e ".[benchmark]" brings it'
    if on_gpu:
        if "torch" not in missing and not importlib.import_module("torch").cuda.is_available():
            missing["torch"] = "the installed build does not see the GPU"
        missing["onnxruntime"] = "it is compared on a CPU only"
    for name, reason in missing.items():
        print(f"Without {name}: {reason}.")
    return {name: peer for name, peer in PEERS.items() if name not in missing}


def onnx_model(architecture, weights) -> bytes:
    """The stack in ONNX: x float [N, T, F] → y [N, T, U * directions], N and T dynamic."""
    from onnx import TensorProto, checker, helper, numpy_helper

    cell, directions, units = architecture.cell, architecture.directions, architecture.units
    options = {"hidden_size": units, "direction": "bidirectional" if directions == 2 else "forward"}
    if cell == "gru":
        options["linear_before_reset"] = 1
    # ONNX reads [T, N, F] and writes [T, directions, N, U]
    tokens = architecture.inputs == "tokens"
    nodes = [helper.make_node("Transpose", ["vectors" if tokens else "x"], ["read_0"], perm=[1, 0, 2])]
    constants = [numpy_helper.from_array(np.array([0, 0, -1]), "joined")]
    if tokens:
        nodes.insert(0, helper.make_node("Gather", ["embedding", "x"], ["vectors"]))
        constants.append(numpy_helper.from_array(weights[0], "embedding"))
    for layer in range(architecture.layers):
        both = [
            reordered(ONNX_ORDER[cell], *triple) for triple in triples(weights)[layer * directions : (layer + 1) * directions]
        ]
        both = [(kernel, recurrent, np.concatenate(biases)) for kernel, recurrent, *biases in both]
        names = [f"W_{layer}", f"R_{layer}", f"B_{layer}"]
        constants += [
            numpy_helper.from_array(np.stack(part), name) for part, name in zip(zip(*both, strict=True), names, strict=True)
        ]
        nodes += [
            helper.make_node(cell.upper(), [f"read_{layer}", *names], [f"apart_{layer}"], **options),
            helper.make_node("Transpose", [f"apart_{layer}"], [f"beside_{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"beside_{layer}", "joined"], [f"read_{layer + 1}"]),
        ]
    nodes.append(helper.make_node("Transpose", [f"read_{architecture.layers}"], ["y"], perm=[1, 0, 2]))
    x = helper.make_tensor_value_info("x", TensorProto.INT32, ["N", "T"])
    if not tokens:
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", units])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "T", units * directions])
    graph = helper.make_graph(nodes, "recurrent", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
