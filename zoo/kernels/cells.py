"""The three cells, `LSTM`, `GRU` and `RNN`: one object each, which has all that the kernels know about a cell.

A step forward gives the new states and its residuals: the values that its gradient needs. A step back is cut in two: `factors`
prepares, for several steps at once, whatever does not depend on the gradient that comes from the next step; `step_back` does
the rest. Weights are a kernel, a recurrent kernel and a bias, in Keras's layout and order of gates.
"""

import tensorflow as tf


class Cell:
    """What is true of a cell unless it says otherwise.

    Attributes:
        gates: G, blocks of U units in a kernel.
        states: number of states of a row; the hidden state is the first.
        residuals: number of residuals of a step.
        back_residuals: number of tensors that a step back keeps for `projected_gradients`.
        biases: rows of the bias, if it has more than one.
        op_dtypes: those for which TensorFlow has an op on a CPU that takes all steps, `all_steps`.
        one_row_step: `step` for one row, or None if there is no better one.
        cudnn_mode, cudnn_order: cuDNN's name of the cell, and its order of the gates.
    """

    gates: int
    states = 1
    residuals: int
    back_residuals = 1
    biases = 1
    op_dtypes = ()
    one_row_step = None
    cudnn_mode: str
    cudnn_order: tuple

    def weight_shapes(self, features, units):
        """Shapes of kernel, recurrent kernel and bias."""
        width = self.gates * units
        return [features, width], [units, width], [width] if self.biases == 1 else [self.biases, width]

    def project(self, sequences, weights):
        """Inputs times kernel plus bias: float [T, N, F] → [T, N, G*U]."""
        kernel, _, bias = weights
        flat = tf.matmul(tf.reshape(sequences, [-1, sequences.shape[-1]]), kernel)
        shape = tf.concat([tf.shape(sequences)[:2], [kernel.shape[-1]]], 0)
        return tf.reshape(tf.nn.bias_add(flat, self.projected_bias(bias)), shape)

    def projected_bias(self, bias):
        """What of the bias is added before the steps."""
        return bias

    def recurrent_weights(self, weights):
        """What of the weights a step takes."""
        return [weights[1]]

    def split(self, gates):
        """Projected inputs, or another value of all gates, [*, G*U] → the list that a step takes."""
        return [gates]

    def new_states(self, residuals):
        """Those of the residuals that are the new states."""
        return (residuals[-1],)

    def step(self, projected, states, *recurrent_weights):
        """One step: (`split` inputs, states float [N, U], `recurrent_weights`) → (new states, residuals)."""
        raise NotImplementedError

    def states_before(self, states, residuals):
        """Initial states, float [N, U], and residuals, [T, N, U] → states before each step that `factors` takes."""
        return ()

    def factors(self, residuals, before):
        """What `step_back` takes, of several steps: residuals and `states_before`, each float [T, N, U] → the same."""
        raise NotImplementedError

    def step_back(self, gradients, factors, transposed):
        """One step: (gradients of the states after it, `factors`, recurrent kernel transposed) → (of those before it, kept)."""
        raise NotImplementedError

    def projected_gradients(self, residuals, back_residuals):
        """Residuals of all steps → gradients of the projected inputs and of the products of the state, float [T, N, G*U]."""
        return back_residuals[0], back_residuals[0]

    def bias_gradient(self, projected, recurrent):
        """These two → gradient of the bias."""
        return tf.reduce_sum(projected, axis=[0, 1])


class _LSTM(Cell):
    """Gates i, f, c, o (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000); states: hidden state and carry."""

    gates, states, residuals = 4, 2, 7
    op_dtypes = (tf.float16, tf.float32)
    cudnn_mode, cudnn_order = "lstm", (0, 1, 2, 3)

    def new_states(self, residuals):
        return residuals[-1], residuals[4]

    def step(self, projected, states, recurrent_kernel):
        hidden, carry = states
        i, f, c, o = tf.split(projected[0] + tf.matmul(hidden, recurrent_kernel), 4, axis=-1)
        i, f, c, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(c), tf.sigmoid(o)
        carry = f * carry + i * c
        squashed = tf.tanh(carry)
        hidden = o * squashed
        return (hidden, carry), (i, f, c, o, carry, squashed, hidden)

    def all_steps(self, sequences, states, weights):
        """Residuals of all steps by `BlockLSTMV2`, which has Keras's order of gates: float [T, N, F] → each [T, N, U]."""
        kernel, recurrent_kernel, bias = weights
        hidden, carry = states
        peephole = tf.zeros([hidden.shape[-1]], hidden.dtype)  # required by the op, unused
        i, carries, f, o, c, squashed, outputs = tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.cast(tf.shape(sequences)[0], tf.int64),
            x=sequences,
            cs_prev=carry,
            h_prev=hidden,
            w=tf.concat([kernel, recurrent_kernel], axis=0),
            wci=peephole,
            wcf=peephole,
            wco=peephole,
            b=bias,
        )
        return i, f, c, o, carries, squashed, outputs

    def states_before(self, states, residuals):
        return (_delayed(residuals[4], states[1]),)

    def factors(self, residuals, before):
        i, f, c, o, _, squashed, _ = residuals
        slopes = tf.concat([c * i * (1 - i), before[0] * f * (1 - f), i * (1 - c * c), squashed * o * (1 - o)], axis=-1)
        return slopes, o * (1 - squashed * squashed), f

    def step_back(self, gradients, factors, transposed):
        hidden, carry = gradients
        slopes, squashed_slope, f = factors
        carry = carry + hidden * squashed_slope
        gates = tf.concat([carry, carry, carry, hidden], axis=-1) * slopes
        return (tf.matmul(gates, transposed), carry * f), (gates,)


class _GRU(Cell):
    """Gates z, r, h (Cho et al. 2014); the reset gate comes after the product, and so one bias of the candidate within it."""

    gates, residuals, back_residuals, biases = 3, 5, 2, 2
    cudnn_mode, cudnn_order = "gru", (1, 0, 2)

    def projected_bias(self, bias):
        gates, candidate = self.split(bias[1])
        return bias[0] + tf.concat([gates, tf.zeros_like(candidate)], axis=0)

    def recurrent_weights(self, weights):
        _, recurrent_kernel, bias = weights
        return [recurrent_kernel, self.split(bias[1])[1]]

    def split(self, gates):
        units = gates.shape[-1] // 3
        return tf.split(gates, [2 * units, units], axis=-1)

    def step(self, projected, states, recurrent_kernel, candidate_bias):
        (hidden,) = states
        gates, product = self.split(tf.matmul(hidden, recurrent_kernel))
        z, r = tf.split(tf.sigmoid(projected[0] + gates), 2, axis=-1)
        product = tf.nn.bias_add(product, candidate_bias)
        candidate = tf.tanh(projected[1] + r * product)
        hidden = candidate + z * (hidden - candidate)
        return (hidden,), (z, r, candidate, product, hidden)

    def one_row_step(self, projected, hidden, recurrent_kernels, candidate_bias):
        gates = tf.sigmoid(tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[0]), projected[0]))
        z, r = tf.split(gates, 2, axis=-1)
        product = tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[1]), candidate_bias)
        candidate = tf.tanh(projected[1] + r * product)
        return candidate + z * (hidden - candidate)

    def states_before(self, states, residuals):
        return (_delayed(residuals[-1], states[0]),)

    def factors(self, residuals, before):
        z, r, candidate, product, _ = residuals
        slope = self._candidate_slope(residuals)
        return tf.concat([(before[0] - candidate) * z * (1 - z), slope * product * r * (1 - r), slope * r], axis=-1), z

    def step_back(self, gradients, factors, transposed):
        (hidden,) = gradients
        slopes, z = factors
        gates = tf.concat([hidden, hidden, hidden], axis=-1) * slopes
        return (tf.matmul(gates, transposed) + hidden * z,), (gates, hidden)

    def projected_gradients(self, residuals, back_residuals):
        gates, hidden = back_residuals
        z, r, _ = tf.split(gates, 3, axis=-1)
        return tf.concat([z, r, hidden * self._candidate_slope(residuals)], axis=-1), gates

    def bias_gradient(self, projected, recurrent):
        return tf.stack([tf.reduce_sum(each, axis=[0, 1]) for each in (projected, recurrent)])

    @staticmethod
    def _candidate_slope(residuals):
        z, _, candidate, _, _ = residuals
        return (1 - z) * (1 - candidate * candidate)


class _RNN(Cell):
    """A vanilla RNN with tanh (Elman 1990)."""

    gates, residuals = 1, 1
    cudnn_mode, cudnn_order = "rnn_tanh", (0,)

    def step(self, projected, states, recurrent_kernel):
        hidden = tf.tanh(projected[0] + tf.matmul(states[0], recurrent_kernel))
        return (hidden,), (hidden,)

    def one_row_step(self, projected, hidden, recurrent_kernels):
        return tf.tanh(tf.nn.bias_add(tf.matmul(hidden, recurrent_kernels[0]), projected[0]))

    def factors(self, residuals, before):
        return (1 - residuals[0] * residuals[0],)

    def step_back(self, gradients, factors, transposed):
        gates = gradients[0] * factors[0]
        return (tf.matmul(gates, transposed),), (gates,)


def _delayed(states, initial):
    """[1st, 2nd, 3rd] → [initial, 1st, 2nd]."""
    return tf.concat([initial[None], states[:-1]], axis=0)


LSTM, GRU, RNN = _LSTM(), _GRU(), _RNN()
