"""The LSTM as one TensorFlow op on a CPU, `BlockLSTMV2`: its gate order is Keras's, so the weights go in as they are."""

import tensorflow as tf

DTYPES = (tf.float16, tf.float32)  # that the op is made for


def run(sequences, states, weights):
    """Runs all steps: sequences float [T, N, F] → what a step of `cells.lstm_step` keeps, each float [T, N, U]."""
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
