"""Groups of rows side by side: each runs on one core from the first step to the last, and never waits for another."""

import tensorflow as tf
from tensorflow.python.eager import record

# Rows in a group, at most: smaller groups pay each step's overhead more often (16 rows: up to a fifth of the time, 128 rows of
# 64 to 256 units on 2 cores), larger ones leave cores without work. A product split over cores meets a barrier at every step.
LARGEST = 32
# Up to so many rows stay one group; 9 to 16 make two.
ALONE = 8


class Rows:
    """Cuts batches of `count` rows into groups of equal size, filled up with rows of zeros."""

    def __init__(self, count):
        self.count = count
        self.groups = tf.maximum(-(-count // LARGEST), tf.where(count > ALONE, 2, 1))
        self.size = tf.maximum(-(-count // self.groups), 1)

    def group(self, tensor):
        """[N, *] → [G, S, *]."""
        missing = self.groups * self.size - self.count
        shape = tensor.shape[1:]
        tensor = tf.pad(tensor, [[0, missing]] + [[0, 0]] * (len(shape)))
        return tf.ensure_shape(
            tf.reshape(tensor, tf.concat([[self.groups, self.size], tf.shape(tensor)[1:]], axis=0)), [None, None, *shape]
        )

    def ungroup(self, tensor):
        """[G, S, *] → [N, *]."""
        shape = tensor.shape[2:]
        tensor = tf.reshape(tensor, tf.concat([[self.groups * self.size], tf.shape(tensor)[2:]], axis=0))
        return tf.ensure_shape(tensor[: self.count], [None, *shape])


def run(function, grouped, shared, single=None):
    """Calls a function for each group, as many at a time as there are cores.

    Args:
        function: (list of the group's tensors, list of the shared ones) → list of tensors.
        grouped: tensors [G, S, *].
        shared: tensors that every call is given whole.
        single: called in place of the function where there is one group of one row; None for no such.

    Returns:
        The list of results, each [G, *].
    """
    count = len(grouped)

    def body(*arguments):
        return function(list(arguments[:count]), list(arguments[count:]))

    specs = [tf.TensorSpec(tensor.shape[1:], tensor.dtype) for tensor in grouped]
    specs += [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in shared]
    concrete = tf.function(body, autograph=False).get_concrete_function(*specs)

    def side_by_side():
        return tf.raw_ops.MapDefun(
            arguments=grouped,
            captured_inputs=shared,
            output_types=[output.dtype for output in concrete.outputs],
            output_shapes=[output.shape for output in concrete.outputs],
            f=concrete,
            max_intra_op_parallelism=1,
        )

    def alone():  # `MapDefun` of one row takes up to three times as long: its ops keep changing threads
        tensors = [tensor[0] for tensor in grouped]
        if single is None:
            results = concrete(*tensors, *shared)
        else:
            one = tf.equal(tf.shape(tensors[0])[0], 1)
            results = tf.cond(one, lambda: single(tensors, shared), lambda: concrete(*tensors, *shared))
        return [tf.expand_dims(result, 0) for result in results]

    with record.stop_recording():  # whoever differentiates this gives the gradient; a tape would trace the function again
        return tf.cond(tf.equal(tf.shape(grouped[0])[0], 1), alone, side_by_side)
