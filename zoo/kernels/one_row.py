"""One row of a GRU or a vanilla RNN, for inference, in as few ops a step as there can be: a step costs what its ops cost.

The projected input is a vector then, and can be the bias of the product of the state: TensorFlow's graph optimizer makes one op
of `MatMul`, `BiasAdd` and a sigmoid or tanh. An LSTM has an op that takes all steps (`block.py`).
"""

import functools

import tensorflow as tf

from zoo.kernels import cells
from zoo.kernels.scan import scan


@functools.cache
def scanning(cell):
    """Runs all steps: projected inputs float [T, 1, G*U], hidden state float [1, U], recurrent kernel and, of a GRU, the
    candidate's bias → hidden states, float [T, 1, U]. Traced once for all layers of so many units.
    """

    def run(projected, state, shared):
        recurrent_kernels, inner_bias = cells.parts(cell, shared[0]), shared[1] if len(shared) > 1 else None

        def step(states, *projected):
            hidden = STEPS[cell](projected, states[0], recurrent_kernels, inner_bias)
            return (hidden,), (hidden,)

        (hidden,), _ = scan(step, [projected], [state], 1, prepare=lambda slices: cells.parts(cell, slices[0][:, 0]))
        return hidden

    return tf.function(run, autograph=False)


def gru_step(projected, hidden, recurrent_kernels, candidate_bias):
    """See `cells.gru_step`; the projected inputs are float [2*U] and [U]."""
    gates = tf.sigmoid(tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[0]), projected[0]))
    z, r = tf.split(gates, 2, axis=-1)
    inner = tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[1]), candidate_bias)
    candidate = tf.tanh(projected[1] + r * inner)
    return candidate + z * (hidden - candidate)


def rnn_step(projected, hidden, recurrent_kernels, _):
    """See `cells.rnn_step`; the projected input is float [U]."""
    return tf.tanh(tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[0]), projected[0]))


STEPS = {"gru": gru_step, "rnn": rnn_step}
