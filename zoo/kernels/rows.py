"""Groups of rows side by side: each runs on one core from the first step to the last, and never waits for another.

The functions take and give nests of tensors, as `tf.nest` has them; the ops that call them take lists.
"""

import tensorflow as tf

# Rows in a group, at most: smaller groups pay each step's overhead more often (16 rows: up to a fifth of the time, 128 rows of
# 64 to 256 units on 2 cores), larger ones leave cores without work. A product split over cores meets a barrier at every step.
LARGEST_GROUP = 32
# Up to so many rows stay one group; 3 to 64 make two. On two cores that takes up to half as long (8 rows of 128 or 256 units),
# and at 3 and 4 rows a tenth less in the median.
UNGROUPED = 2


class Groups:
    """Cuts batches of `count` rows into groups of equal size, filled up with rows of zeros."""

    def __init__(self, count):
        self.count = count
        self.groups = tf.maximum(-(-count // LARGEST_GROUP), tf.where(count > UNGROUPED, 2, 1))
        self.size = tf.maximum(-(-count // self.groups), 1)

    def group(self, tensors):
        """A nest of [N, *] → of [G, S, *]."""

        def group(tensor):
            tensor = tf.pad(tensor, [[0, self.groups * self.size - self.count]] + [[0, 0]] * (len(tensor.shape) - 1))
            return tf.reshape(tensor, [self.groups, self.size, *_dimensions(tensor)[1:]])

        return tf.nest.map_structure(group, tensors)

    def ungroup(self, tensors):
        """A nest of [G, S, *] → of [N, *]."""

        def ungroup(tensor):
            return tf.reshape(tensor, [self.groups * self.size, *_dimensions(tensor)[2:]])[: self.count]

        return tf.nest.map_structure(ungroup, tensors)


def run_groups(function, grouped, shared):
    """Calls a function for each group, as many at a time as there are cores.

    Args:
        function: (a group's tensors, the shared ones) → tensors.
        grouped: tensors [G, S, *].
        shared: tensors that every call is given whole.

    Returns:
        The results, each [G, S, *].
    """
    of_a_group = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape[1:], tensor.dtype), grouped)
    traced = trace(function, of_a_group, shared)

    def one(grouped, shared):  # `MapDefun` of one row takes up to three times as long: its ops keep changing threads
        group = [tf.squeeze(tensor, 0) for tensor in tf.nest.flatten(grouped)]
        return tf.nest.map_structure(lambda result: result[None], traced(*group, *tf.nest.flatten(shared)))

    def several(grouped, shared):
        return _map(traced, grouped, shared)

    return cond(tf.equal(tf.shape(tf.nest.flatten(grouped)[0])[0], 1), one, several, grouped, shared)


def run_in_groups(function, tensors, shared):
    """Calls a function with a small batch as it is, and with each group of a larger one.

    Args:
        function: (tensors [N, *], the shared ones) → tensors [N, *].
        tensors: each [N, *].
        shared: tensors that every call is given whole.

    Returns:
        The results, each [N, *].
    """
    of_any_rows = tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), tensors)
    traced = trace(function, of_any_rows, shared)

    def whole(tensors, shared):
        return traced(*tf.nest.flatten((tensors, shared)))

    def in_groups(tensors, shared):
        groups = Groups(tf.shape(tf.nest.flatten(tensors)[0])[0])
        return groups.ungroup(_map(traced, groups.group(tensors), shared))

    return cond(tf.shape(tf.nest.flatten(tensors)[0])[0] <= UNGROUPED, whole, in_groups, tensors, shared)


def cond(condition, one, other, *arguments):
    """`tf.cond` of two functions, but not lowered: the one that is not called is never instantiated, which takes a second."""
    branches = [trace(function, *arguments) for function in (one, other)]
    results = tf.raw_ops.StatelessIf(
        cond=condition,
        input=tf.nest.flatten(arguments),
        then_branch=branches[0],
        else_branch=branches[1],
        Tout=[output.dtype for output in branches[1].outputs],
        output_shapes=[output.shape for output in branches[1].outputs],
    )
    return tf.nest.pack_sequence_as(branches[1].structured_outputs, results)


def trace(function, *arguments):
    """The function for tensors of the shapes and dtypes of these, or for such specs; it takes their tensors as a flat list."""
    specs = tf.nest.map_structure(lambda argument: tf.TensorSpec(argument.shape, argument.dtype), arguments)

    def of_flat(*tensors):
        return function(*tf.nest.pack_sequence_as(specs, tensors))

    return tf.function(of_flat, autograph=False).get_concrete_function(*tf.nest.flatten(specs))


def _map(traced, grouped, shared):
    results = tf.raw_ops.MapDefun(
        arguments=tf.nest.flatten(grouped),
        captured_inputs=tf.nest.flatten(shared),
        output_types=[output.dtype for output in traced.outputs],
        output_shapes=[output.shape for output in traced.outputs],
        f=traced,
        max_intra_op_parallelism=1,
    )
    return tf.nest.pack_sequence_as(traced.structured_outputs, results)


def _dimensions(tensor):
    """Those that are known as numbers, the others as tensors: a reshape to them keeps what is known."""
    return [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(tensor.shape)]
