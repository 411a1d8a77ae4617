"""The LSTM as one TensorFlow op on a CPU, `BlockLSTMV2`: its gate order is Keras's, so the weights go in as they are."""

import tensorflow as tf

# Above this many rows a step is no longer ruled by the overhead of its ops, and the op's own matrix product falls behind
# the loop's, which uses both cores (benchmarks/latency.py).
LARGEST_BATCH = 32


def run(sequences, states, weights):
    """Runs all steps of every row; arguments and results as `zoo.kernels.loop.run` has them, for cell "lstm"."""
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
