"""Groups of rows side by side: each runs on one core from the first step to the last, and never waits for another."""

import tensorflow as tf

# Rows in a group, at most: smaller groups pay each step's overhead more often (16 rows: up to a fifth of the time, 128 rows of
# 64 to 256 units on 2 cores), larger ones leave cores without work. A product split over cores meets a barrier at every step.
LARGEST = 32
# Up to so many rows stay one group; 3 to 64 make two. On two cores that takes up to half as long (8 rows of 128 or 256 units),
# and at 3 and 4 rows a tenth less in the median.
ALONE = 2


class Rows:
    """Cuts batches of `count` rows into groups of equal size, filled up with rows of zeros."""

    def __init__(self, count):
        self.count = count
        self.groups = tf.maximum(-(-count // LARGEST), tf.where(count > ALONE, 2, 1))
        self.size = tf.maximum(-(-count // self.groups), 1)

    def group(self, tensor):
        """[N, *] → [G, S, *]."""
        tensor = tf.pad(tensor, [[0, self.groups * self.size - self.count]] + [[0, 0]] * (len(tensor.shape) - 1))
        return tf.reshape(tensor, [self.groups, self.size, *_dimensions(tensor)[1:]])

    def ungroup(self, tensor):
        """[G, S, *] → [N, *]."""
        return tf.reshape(tensor, [self.groups * self.size, *_dimensions(tensor)[2:]])[: self.count]


def _dimensions(tensor):
    """Those that are known as numbers, the others as tensors: a reshape to them keeps what is known."""
    return [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(tensor.shape)]


def run(function, grouped, shared):
    """Calls a function for each group, as many at a time as there are cores.

    Args:
        function: (list of the group's tensors, list of the shared ones) → list of tensors.
        grouped: tensors [G, S, *].
        shared: tensors that every call is given whole.

    Returns:
        The list of results, each [G, S, *].
    """
    concrete = _traced(function, [tensor.shape[1:] for tensor in grouped], grouped, shared)

    def alone(grouped, shared):  # `MapDefun` of one row takes up to three times as long: its ops keep changing threads
        return [tf.stack([result]) for result in concrete(*(tf.squeeze(tensor, 0) for tensor in grouped), *shared)]

    def several(grouped, shared):
        return _side_by_side(concrete, grouped, shared)

    return either(tf.equal(tf.shape(grouped[0])[0], 1), alone, several, grouped, shared)


def cut_and_run(function, tensors, shared):
    """Calls a function with a small batch as it is, and with each group of a larger one.

    Args:
        function: (list of tensors [N, *], list of the shared ones) → list of tensors [N, *].
        tensors: each [N, *].
        shared: tensors that every call is given whole.

    Returns:
        The list of results, each [N, *].
    """
    count = tf.shape(tensors[0])[0]
    concrete = _traced(function, [[None, *tensor.shape[1:]] for tensor in tensors], tensors, shared)

    def whole(tensors, shared):
        return concrete(*tensors, *shared)

    def in_groups(tensors, shared):
        groups = Rows(tf.shape(tensors[0])[0])
        grouped = [groups.group(tensor) for tensor in tensors]
        return [groups.ungroup(result) for result in _side_by_side(concrete, grouped, shared)]

    return either(count <= ALONE, whole, in_groups, tensors, shared)


def either(condition, one, other, tensors, shared):
    """`tf.cond` of two functions, but not lowered: the one that is not called is never instantiated, which takes a second."""
    branches = [_traced(function, [tensor.shape for tensor in tensors], tensors, shared) for function in (one, other)]
    return tf.raw_ops.StatelessIf(
        cond=condition,
        input=[*tensors, *shared],
        then_branch=branches[0],
        else_branch=branches[1],
        Tout=[output.dtype for output in branches[1].outputs],
        output_shapes=[output.shape for output in branches[1].outputs],
    )


def _traced(function, shapes, tensors, shared):
    """The function for tensors of these shapes, of the dtypes of the given ones, and the shared ones."""
    specs = [tf.TensorSpec(shape, tensor.dtype) for shape, tensor in zip(shapes, tensors, strict=True)]
    specs += [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in shared]
    count = len(shapes)
    body = tf.function(lambda *arguments: function(list(arguments[:count]), list(arguments[count:])), autograph=False)
    return body.get_concrete_function(*specs)


def _side_by_side(concrete, grouped, shared):
    return tf.raw_ops.MapDefun(
        arguments=grouped,
        captured_inputs=shared,
        output_types=[output.dtype for output in concrete.outputs],
        output_shapes=[output.shape for output in concrete.outputs],
        f=concrete,
        max_intra_op_parallelism=1,
    )
