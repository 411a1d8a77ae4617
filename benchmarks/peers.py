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
import os
import tempfile
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

import zoo

RATE = 0.01
VOCABULARY = 20_000  # embedded where the inputs are tokens; 0 is padding
CELLS = {"rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}  # Keras's names; PyTorch and ONNX say RNN
# Keras's gates in the order of the others. Keras: z r h and i f c o; PyTorch: r z n and i f g o; ONNX: z r h and i o f c.
TORCH_ORDER = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}
ONNX_ORDER = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}


@dataclass(frozen=True)
class Architecture:
    """A stack of recurrent layers: vectors, float32 [N, T, units] → all outputs [N, T, units * directions].

    Or of tokens, int32 [N, T]: each is embedded, and where the library masks padding, the layers take the mask.
    """

    inputs: Literal["vectors", "tokens"]
    cell: str
    directions: int
    layers: int
    units: int

    @property
    def products(self) -> list[tuple[int, int]]:
        """Of each layer: how many weights its inputs are multiplied by at each step, and how many the states are."""
        width = self.directions * self.units * {"rnn": 1, "gru": 3, "lstm": 4}[self.cell]
        return [((self.directions if layer else 1) * self.units * width, self.units * width) for layer in range(self.layers)]

    def batch(self, size, steps) -> np.ndarray:
        """Inputs, without padding."""
        random = np.random.default_rng(size)
        if self.inputs == "tokens":
            return random.integers(1, VOCABULARY, (size, steps), dtype=np.int32)
        return random.normal(size=(size, steps, self.units)).astype(np.float32)


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
    for *_, bias in _triples(weights):
        bias[:] = random.normal(0, 0.1, bias.shape)
    return weights


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
        spec = tf.TensorSpec([None, *self.model.input.shape[1:]], self.model.input.dtype, name="x")
        if training:
            self.run = tf.function(self.step, input_signature=[spec], autograph=False)
        else:
            self.export(spec)

    def export(self, spec):
        """Saves the model and takes the signature of what is loaded."""
        serve = tf.function(lambda x: {"y": self.model(x, training=False)}, input_signature=[spec], autograph=False)
        module = tf.Module()
        module.weights = [weight.value for weight in self.model.weights]
        with tempfile.TemporaryDirectory() as directory:
            with self.export_scope():
                tf.saved_model.save(module, directory, signatures=serve)
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


class Torch:
    """PyTorch's module."""

    cells = tuple(CELLS)
    trains = True

    def __init__(self, architecture, weights, training):
        import torch

        self.torch, self.cell, self.training = torch, architecture.cell, training
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.backends.cudnn.allow_tf32 = False
        self.module = getattr(torch.nn, self.cell.upper())(
            architecture.units,
            architecture.units,
            num_layers=architecture.layers,
            bidirectional=architecture.directions == 2,
            batch_first=True,
            device=self.device,
        )
        self.module.train(training)
        self.embedding = torch.from_numpy(weights[0]).to(self.device) if architecture.inputs == "tokens" else None
        self.reset(weights)

    def __call__(self, x):
        if self.embedding is not None:
            x = self.torch.nn.functional.embedding(x, self.embedding)
        if self.training:
            outputs = self.module(x)[0].square().mean()
            parameters = list(self.module.parameters())
            gradients = self.torch.autograd.grad(outputs, parameters)
            with self.torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.sub_(gradient, alpha=self.rate)
        else:
            with self.torch.inference_mode():
                outputs = self.module(x)[0]
        if self.device == "cuda":
            self.torch.cuda.synchronize()
        return outputs

    def reset(self, weights, rate=RATE):
        """See `Keras.reset`."""
        self.rate = rate
        with self.torch.no_grad():
            for parameters, triple in zip(self.module.all_weights, _triples(weights), strict=True):
                for parameter, value in zip(parameters, to_torch(self.cell, *triple), strict=True):
                    parameter.copy_(self.torch.from_numpy(value))

    def weights(self):
        """See `Keras.weights`."""
        parameters = [[self.numpy(parameter) for parameter in layer] for layer in self.module.all_weights]
        return [weight for layer in parameters for weight in from_torch(self.cell, *layer)]

    def tensor(self, x):
        """An array as this library's tensor, on its device."""
        return self.torch.from_numpy(x).to(self.device)

    def numpy(self, x):
        """A tensor as an array."""
        return x.detach().cpu().numpy()


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


class Jax:
    """JAX's LSTM, which is cuDNN's."""

    cells = ("lstm",)
    trains = True

    def __init__(self, architecture, weights, training):
        import jax
        from jax.experimental import rnn

        jnp = jax.numpy
        sizes = {"input_size": architecture.units, "hidden_size": architecture.units, "num_layers": architecture.layers}
        sizes |= {"bidirectional": architecture.directions == 2}

        def forward(flat, x):
            state = jnp.zeros((architecture.layers * architecture.directions, len(x), architecture.units))
            lengths = jnp.full(len(x), x.shape[1], jnp.int32)
            return rnn.lstm(x, state, state, flat, lengths, **sizes, dropout=0.0, precision=jax.lax.Precision.HIGHEST)[0]

        def step(flat, x, rate):
            loss, gradient = jax.value_and_grad(lambda flat: jnp.mean(forward(flat, x) ** 2))(flat)
            return loss, flat - rate * gradient

        self.unpack = lambda: rnn.unpack_lstm_weights(self.flat, **sizes)
        self.forward, self.step = jax.jit(forward), jax.jit(step, donate_argnums=0)
        self.tensor, self.training = jnp.asarray, training
        self.reset(weights)

    def __call__(self, x):
        if self.training:
            outputs, self.flat = self.step(self.flat, x, self.rate)
            self.flat.block_until_ready()
        else:
            outputs = self.forward(self.flat, x)
        return outputs.block_until_ready()

    def reset(self, weights, rate=RATE):
        """See `Keras.reset`."""
        layers = [to_torch("lstm", *triple) for triple in _triples(weights)]
        parts = [part for layer in layers for part in layer[:2]] + [part for layer in layers for part in layer[2:]]
        self.flat, self.rate = self.tensor(np.concatenate([part.ravel() for part in parts])), rate

    def weights(self):
        """See `Keras.weights`."""
        parts = [[np.array(part) for part in parts.values()] for parts in self.unpack()]
        return [weight for layer in zip(*parts, strict=True) for weight in from_torch("lstm", *layer)]

    numpy = staticmethod(np.asarray)


PEERS = {"keras": Keras, "zoo": Zoo, "keras_xla": KerasXLA, "torch": Torch, "onnxruntime": ONNXRuntime, "jax": Jax}


def available(on_gpu: bool) -> dict[str, type]:
    """The peers that can be compared on this machine, the reference first; says of each other one why not."""
    missing = {}
    for name, modules in {"torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime"), "jax": ("jax",)}.items():
        if not all(importlib.util.find_spec(module) for module in modules):
            wanted = '"jax[cuda12]"' if name == "jax" else '-e ".[benchmark]"'
            missing[name] = f"it is not installed; pip install {wanted} brings it"
    if on_gpu:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take three quarters of the memory
        blind = "the installed build does not see the GPU"
        if "torch" not in missing and not importlib.import_module("torch").cuda.is_available():
            missing["torch"] = blind
        if "jax" not in missing and importlib.import_module("jax").default_backend() != "gpu":
            missing["jax"] = blind
        missing["onnxruntime"] = "it is compared on a CPU only"
    else:
        missing["jax"] = "its recurrent layers are cuDNN's, and there is no GPU"
    for name, reason in missing.items():
        print(f"Without {name}: {reason}.")
    return {name: peer for name, peer in PEERS.items() if name not in missing}


def to_torch(cell, kernel, recurrent_kernel, bias):
    """Kernel [F, G*U], recurrent kernel [U, G*U], bias of Keras → [G*U, F], [G*U, U] and two biases [G*U] of PyTorch."""
    return _reordered(TORCH_ORDER[cell], kernel, recurrent_kernel, bias)


def from_torch(cell, kernel, recurrent_kernel, bias, recurrent_bias):
    """The inverse of `to_torch`; where Keras has one bias it is the first."""
    parts = (kernel, recurrent_kernel, bias, recurrent_bias)
    kernel, recurrent_kernel, *biases = (_gates(TORCH_ORDER[cell], part.T) for part in parts)  # each order is its own inverse
    return kernel, recurrent_kernel, np.stack(biases) if cell == "gru" else biases[0]


def onnx_model(architecture, weights) -> bytes:
    """The stack in ONNX: x float [N, T, F] → y [N, T, U * directions], N and T dynamic."""
    from onnx import TensorProto, checker, helper, numpy_helper

    cell, directions, units = architecture.cell, architecture.directions, architecture.units
    options = {"hidden_size": units, "direction": "bidirectional" if directions == 2 else "forward"}
    if cell == "gru":
        options["linear_before_reset"] = 1
    triples = _triples(weights)
    # ONNX reads [T, N, F] and writes [T, directions, N, U]
    tokens = architecture.inputs == "tokens"
    nodes = [helper.make_node("Transpose", ["vectors" if tokens else "x"], ["read_0"], perm=[1, 0, 2])]
    constants = [numpy_helper.from_array(np.array([0, 0, -1]), "joined")]
    if tokens:
        nodes.insert(0, helper.make_node("Gather", ["embedding", "x"], ["vectors"]))
        constants.append(numpy_helper.from_array(weights[0], "embedding"))
    for layer in range(architecture.layers):
        both = [_reordered(ONNX_ORDER[cell], *triple) for triple in triples[layer * directions : (layer + 1) * directions]]
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


def _reordered(order, kernel, recurrent_kernel, bias):
    """Both kernels as [G*U, F] and both biases as [G*U], with the gates in another order; the second may be zeros."""
    bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    return tuple(np.ascontiguousarray(_gates(order, part).T) for part in (kernel, recurrent_kernel, bias, recurrent_bias))


def _gates(order, weight):
    """A weight [..., G*U] with its gates in another order."""
    gates = np.split(weight, len(order), axis=-1)
    return np.concatenate([gates[gate] for gate in order], axis=-1)


def _triples(weights):
    """Keras's flat list of weights as (kernel, recurrent kernel, bias) of each layer and direction, without an embedding."""
    weights = weights[len(weights) % 3 :]
    return list(zip(weights[::3], weights[1::3], weights[2::3], strict=True))
