"""What every library of `peers.py` is told: a recurrent stack, and its weights in Keras's layout. NumPy alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

RATE = 0.01
VOCABULARY = 20_000  # embedded where the inputs are tokens; 0 is padding
CELLS = {"rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}  # Keras's names; PyTorch and ONNX say RNN


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


def reordered(order, kernel, recurrent_kernel, bias):
    """Both kernels as [G*U, F] and both biases as [G*U], with the gates in another order; the second may be zeros."""
    bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    return tuple(np.ascontiguousarray(gates_in(order, part).T) for part in (kernel, recurrent_kernel, bias, recurrent_bias))


def gates_in(order, weight):
    """A weight [..., G*U] with its gates in another order."""
    gates = np.split(weight, len(order), axis=-1)
    return np.concatenate([gates[gate] for gate in order], axis=-1)


def triples(weights):
    """Keras's flat list of weights as (kernel, recurrent kernel, bias) of each layer and direction, without an embedding."""
    weights = weights[len(weights) % 3 :]
    return list(zip(weights[::3], weights[1::3], weights[2::3], strict=True))
