"""The recurrence as one cuDNN call, `CudnnRNNV3`, whose parameters are the Keras weights in another layout."""

import tensorflow as tf


def parameters(cell, weights):
    """Flattens Keras weights in cuDNN's order: input matrices, recurrent matrices (all transposed), then both kinds of bias."""
    kernel, recurrent_kernel, bias = weights
    if cell.biases == 1:  # cuDNN has two biases a gate
        bias = tf.stack([tf.zeros_like(bias), bias])
    order = [*cell.cudnn_order, *(cell.gates + gate for gate in cell.cudnn_order)]
    matrices = tf.split(kernel, cell.gates, axis=1) + tf.split(recurrent_kernel, cell.gates, axis=1)
    biases = tf.split(tf.reshape(bias, [-1]), 2 * cell.gates)
    flat = [tf.reshape(tf.transpose(matrices[gate]), [-1]) for gate in order]
    return tf.concat(flat + [biases[gate] for gate in order], axis=0)


def run(cell, sequences, states, lengths, weights, training):
    """Runs each row up to its length.

    Args:
        cell: of `zoo.kernels.cells`.
        sequences: float [N, T, F].
        states: initial states, each float [N, U].
        lengths: int32 [N], 0 to T.
        weights: as `zoo.kernels.recurrence` has them.
        training: whether a gradient will be asked for.

    Returns:
        Hidden states, float [N, T, U], and the list of last states, each float [N, U]. Rows of length 0 hold one step's
        result: cuDNN refuses them, so the caller has to blank them.
    """
    outputs, *last, _, _ = tf.raw_ops.CudnnRNNV3(
        input=sequences,
        input_h=states[0][:, None],
        input_c=states[1][:, None] if cell.states == 2 else tf.zeros([0, 0, 0], sequences.dtype),
        params=parameters(cell, weights),
        sequence_lengths=tf.maximum(lengths, 1),
        rnn_mode=cell.cudnn_mode,
        is_training=training,
        time_major=False,
    )
    return outputs, [state[:, 0] for state in last[: cell.states]]
