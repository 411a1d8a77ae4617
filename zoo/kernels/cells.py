"""The three cells: one step forward, and one step back through it.

A step forward gives the new states and the values that its gradient needs. A step back is cut in two: `before` prepares, for
several steps at once, whatever does not depend on the gradient that comes from the next step; `BACK` does the rest.
"""

import tensorflow as tf

GATES = {"lstm": 4, "gru": 3, "rnn": 1}  # blocks of units in a kernel
STATES = {"lstm": 2, "gru": 1, "rnn": 1}


def biases(cell, bias):
    """Bias of the projection, and that of the GRU's candidate, which stands inside the product with the reset gate."""
    if cell != "gru":
        return bias, None
    gates, candidate = tf.split(bias[1], [2 * bias.shape[-1] // 3, bias.shape[-1] // 3])
    return bias[0] + tf.concat([gates, tf.zeros_like(candidate)], axis=0), candidate


def project(cell, sequences, weights):
    """Inputs times kernel plus bias: float [T, N, F] → [T, N, G*U]."""
    kernel, _, bias = weights
    flat = tf.matmul(tf.reshape(sequences, [-1, sequences.shape[-1]]), kernel)
    return tf.reshape(tf.nn.bias_add(flat, biases(cell, bias)[0]), tf.concat([tf.shape(sequences)[:2], [kernel.shape[-1]]], 0))


def parts(cell, projected):
    """Projected inputs, or products of the state, [*, G*U] → what a step takes them in: a GRU's candidate stands apart."""
    if cell != "gru":
        return [projected]
    units = projected.shape[-1] // 3
    return tf.split(projected, [2 * units, units], axis=-1)


def lstm_step(projected, states, recurrent_kernel, _):
    """One step of an LSTM, gates in Keras's order i, f, c, o (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""
    (projected,), (hidden, carry) = projected, states
    i, f, c, o = tf.split(projected + tf.matmul(hidden, recurrent_kernel), 4, axis=-1)
    i, f, c, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(c), tf.sigmoid(o)
    carry = f * carry + i * c
    squashed = tf.tanh(carry)
    hidden = o * squashed
    return (hidden, carry), (i, f, c, o, carry, squashed, hidden)


def gru_step(projected, states, recurrent_kernel, candidate_bias):
    """One step of a GRU with the reset gate after the product, gates in Keras's order z, r, h (Cho et al. 2014)."""
    (hidden,) = states
    gates, inner = parts("gru", tf.matmul(hidden, recurrent_kernel))
    z, r = tf.split(tf.sigmoid(projected[0] + gates), 2, axis=-1)
    inner = tf.nn.bias_add(inner, candidate_bias)
    candidate = tf.tanh(projected[1] + r * inner)
    hidden = candidate + z * (hidden - candidate)
    return (hidden,), (z, r, candidate, inner, hidden)


def rnn_step(projected, states, recurrent_kernel, _):
    """One step of a vanilla RNN with tanh (Elman 1990)."""
    hidden = tf.tanh(projected[0] + tf.matmul(states[0], recurrent_kernel))
    return (hidden,), (hidden,)


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
SAVED = {"lstm": 7, "gru": 5, "rnn": 1}  # values of a step that its gradient needs


def states(cell, saved):
    """Those of the values that are the new states."""
    return (saved[-1], saved[4]) if cell == "lstm" else (saved[-1],)


def lstm_before(saved, before):
    """Prepares the way back over some steps.

    Args:
        saved: what `lstm_step` kept at them, each float [T, N, U].
        before: those of the states before each of them that `PREVIOUS` names, each float [T, N, U].

    Returns:
        What `lstm_back` takes at each step: slopes of the gates, slope of the squashed carry, forget gate.
    """
    i, f, c, o, _, squashed, _ = saved
    slopes = tf.concat([c * i * (1 - i), before[0] * f * (1 - f), i * (1 - c * c), squashed * o * (1 - o)], axis=-1)
    return [slopes, o * (1 - squashed * squashed), f]


def lstm_back(gradients, transposed, output, slopes, squash, f, carry=None):
    """Gradients of the states after a step → of those before it, and of the gates.

    Args:
        gradients: of the states, from the next step.
        transposed: the recurrent kernel, transposed.
        output: gradient of the hidden state as the output of this step.
        slopes, squash, f: from `lstm_before`.
        carry: gradient of the carry as the last state of a row, where that is asked for.
    """
    hidden, inner = gradients
    hidden = hidden + output
    inner = inner + hidden * squash
    if carry is not None:
        inner = inner + carry
    gates = tf.concat([inner, inner, inner, hidden], axis=-1) * slopes
    return (tf.matmul(gates, transposed), inner * f), (gates,)


def gru_before(saved, before):
    """See `lstm_before`: slopes of what the recurrent kernel gives, update gate."""
    z, r, candidate, inner, _ = saved
    slope = _candidate_slope(saved)
    return [tf.concat([(before[0] - candidate) * z * (1 - z), slope * inner * r * (1 - r), slope * r], axis=-1), z]


def gru_back(gradients, transposed, output, slopes, z):
    """See `lstm_back`; also gives the gradient of the hidden state, for `projected_gradient`."""
    hidden = gradients[0] + output
    gates = tf.concat([hidden, hidden, hidden], axis=-1) * slopes
    return (tf.matmul(gates, transposed) + hidden * z,), (gates, hidden)


def rnn_before(saved, before):
    """See `lstm_before`: slope of tanh."""
    return [1 - saved[0] * saved[0]]


def rnn_back(gradients, transposed, output, slopes):
    """See `lstm_back`."""
    gates = (gradients[0] + output) * slopes
    return (tf.matmul(gates, transposed),), (gates,)


BEFORE = {"lstm": lstm_before, "gru": gru_before, "rnn": rnn_before}
BACK = {"lstm": lstm_back, "gru": gru_back, "rnn": rnn_back}
PREVIOUS = {"lstm": (1,), "gru": (0,), "rnn": ()}  # states before a step that its way back needs
KEPT = {"lstm": 1, "gru": 2, "rnn": 1}  # tensors that a step back gives beside the gradients of the states


def projected_gradient(cell, saved, kept):
    """What the steps back kept → gradients of the projected inputs and of the products of the state, float [T, N, G*U]."""
    if cell != "gru":
        return kept[0], kept[0]
    gates, hidden = kept
    z, r, _ = tf.split(gates, 3, axis=-1)
    return tf.concat([z, r, hidden * _candidate_slope(saved)], axis=-1), gates


def _candidate_slope(saved):
    z, _, candidate, _, _ = saved
    return (1 - z) * (1 - candidate * candidate)
