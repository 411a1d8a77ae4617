"""PyTorch's recurrent stack, as `peers.py` compares it; without TensorFlow, whose cuDNN is another than PyTorch's."""

import numpy as np
from architecture import CELLS, RATE, gates_in, reordered, triples

# Keras's gates in PyTorch's order. Keras: z r h and i f c o; PyTorch: r z n and i f g o.
ORDER = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}


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
            for parameters, triple in zip(self.module.all_weights, triples(weights), strict=True):
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


def to_torch(cell, kernel, recurrent_kernel, bias):
    """Kernel [F, G*U], recurrent kernel [U, G*U], bias of Keras → [G*U, F], [G*U, U] and two biases [G*U] of PyTorch."""
    return reordered(ORDER[cell], kernel, recurrent_kernel, bias)


def from_torch(cell, kernel, recurrent_kernel, bias, recurrent_bias):
    """The inverse of `to_torch`; where Keras has one bias it is the first."""
    parts = (kernel, recurrent_kernel, bias, recurrent_bias)
    kernel, recurrent_kernel, *biases = (gates_in(ORDER[cell], part.T) for part in parts)  # each order is its own inverse
    return kernel, recurrent_kernel, np.stack(biases) if cell == "gru" else biases[0]
