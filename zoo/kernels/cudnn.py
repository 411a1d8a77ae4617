"""The recurrence as one cuDNN call, `CudnnRNNV3`, whose parameters are the Keras weights in another layout."""

import tensorflow as tf

from zoo.kernels import cells

MODES = {"lstm": "lstm", "gru": "gru", "rnn": "rnn_tanh"}


def parameters(cell, weights):
    """Flattens Keras weights in cuDNN's order: input matrices, recurrent matrices (all transposed), then both kinds of bias."""
    kernel, recurrent_kernel, bias = weights
    gates = cells.GATES[cell]
    matrices = tf.split(kernel, gates, axis=1) + tf.split(recurrent_kernel, gates, axis=1)
    if cell != "gru":  # cuDNN has two biases a gate, Keras one
        bias = tf.stack([tf.zeros_like(bias), bias])
    biases = tf.split(tf.reshape(bias, [-1]), 2 * gates)
    if cell == "gru":  # Keras: z, r, h; cuDNN: r, z, h
        order = (1, 0, 2, 4, 3, 5)
        matrices, biases = [matrices[i] for i in order], [biases[i] for i in order]
    return tf.concat([tf.reshape(tf.transpose(matrix), [-1]) for matrix in matrices] + biases, axis=0)


def run(cell, sequences, states, lengths, weights, training):
    """Runs each row up to its length.

    Args:
        cell: "lstm", "gru" or "rnn".
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        lengths: int32 [N], 0 to T.
        weights: as `zoo.kernels.loop.run` has them.
        training: whether a gradient will be asked for.

    Returns:
        Hidden states, float [N, T, U], and the tuple of last states, each float [N, U]. Rows of length 0 hold one step's
        result: cuDNN refuses them, so the caller has to blank them.
    """
    outputs, hidden, carry, _, _ = tf.raw_ops.CudnnRNNV3(
        input=sequences,
        input_h=states[0][:, None],
        input_c=states[1][:, None] if cell == "lstm" else tf.zeros([0, 0, 0], sequences.dtype),
        params=parameters(cell, weights),
        sequence_lengths=tf.maximum(lengths, 1),
        rnn_mode=MODES[cell],
        is_training=training,
        time_major=False,
    )
    last = (hidden[:, 0], carry[:, 0]) if cell == "lstm" else (hidden[:, 0],)
    return outputs, last
