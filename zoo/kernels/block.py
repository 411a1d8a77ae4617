"""The LSTM as one TensorFlow op on a CPU, `BlockLSTMV2`: its gate order is Keras's, so the weights go in as they are."""

import tensorflow as tf

# Rows in one call of the op. Up to here its products stay on one core, each direction on its own; beyond, they are split over
# the cores at every step, and 64 rows take three times as long as 32 (230 steps, 64 units, 2 cores).
LARGEST_BATCH = 32


def run(sequences, states, weights):
    """Runs all steps of every row, in groups of equal size; arguments and results as `zoo.kernels.loop.run` has them."""
    rows, units = tf.shape(sequences)[1], states[0].shape[-1]
    groups = tf.maximum(-(-rows // LARGEST_BATCH), 1)
    size = tf.maximum(-(-rows // groups), 1)
    arrays = [tf.TensorArray(state.dtype, groups, element_shape=[None, None, units], infer_shape=False) for state in states]

    def body(group, arrays):
        part = slice(group * size, (group + 1) * size)
        every = _call(sequences[:, part], [state[part] for state in states], weights)
        every = [tf.transpose(state, [1, 0, 2]) for state in every]
        return group + 1, [array.write(group, state) for array, state in zip(arrays, every, strict=True)]

    _, arrays = tf.while_loop(lambda group, _: group < groups, body, (0, arrays))
    return tuple(array.concat() for array in arrays)


def _call(sequences, states, weights):
    kernel, recurrent_kernel, bias = weights
    hidden, carry = states
    peephole = tf.zeros([hidden.shape[-1]], hidden.dtype)  # required by the op, unused
    _, carries, _, _, _, _, outputs = tf.raw_ops.BlockLSTMV2(
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
    return outputs, carries
