"""Paths of a pen to a fixed number of points, wherever and however large they were written."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.preprocessing.codec import Codec


class Paths(Codec):
    """Points in the order of writing to as many points as wanted, at equal distances along the path.

    A path that has that many points already is taken to be one of such, and keeps them. The path is moved and scaled so that
    it fits into the square from -1 to 1, with its proportions as they are.

    Args:
        points: of a path that comes out, at least 2.
    """

    FEATURES = 4  # of a point: where it is, and the way to it from the one before

    def __init__(self, *, points: int):
        if points < 2:
            raise ZooError(f"A path must keep at least 2 points, not points={points}.")
        self.points = points

    def config(self):
        """See `Codec.config`."""
        return {"points": self.points}

    def __call__(self, path):
        """Turns paths into features.

        Args:
            path: float [N, T, 2], x and y in any unit, y upwards. A path ends before its first NaN, so that shorter ones can be
                filled up; one without any point is a point at the origin.

        Returns:
            float32 [N, points, 4]: x, y, and the differences from the point before.
        """
        path = tf.cast(path, tf.float32)
        whole = tf.reduce_all(tf.math.is_finite(path), axis=2)
        lengths = tf.reduce_sum(tf.math.cumprod(tf.cast(whole, tf.int32), axis=1), axis=1)
        # one point more, for a path of none; from the last point on, all are the last
        path = tf.pad(tf.where(tf.math.is_finite(path), path, 0.0), [[0, 0], [0, 1], [0, 0]])
        steps = tf.minimum(tf.range(tf.shape(path)[1])[None], tf.maximum(lengths - 1, 0)[:, None])
        path = tf.gather(path, steps, batch_dims=1)
        even = self._even(path)
        as_it_is = tf.pad(path, [[0, 0], [0, self.points], [0, 0]])[:, : self.points]
        path = tf.where((lengths == self.points)[:, None, None], as_it_is, even)
        low, high = tf.reduce_min(path, axis=1, keepdims=True), tf.reduce_max(path, axis=1, keepdims=True)
        half = tf.reduce_max(high - low, axis=2, keepdims=True) / 2
        path = tf.math.divide_no_nan(path - (low + high) / 2, half)
        ways = tf.pad(path[:, 1:] - path[:, :-1], [[0, 0], [1, 0], [0, 0]])
        return tf.ensure_shape(tf.concat([path, ways], axis=2), [None, self.points, self.FEATURES])

    def _even(self, path):
        """Points at equal distances along each path, float [N, T, 2] → [N, points, 2]."""
        reached = tf.cumsum(tf.norm(path[:, 1:] - path[:, :-1], axis=2), axis=1)
        reached = tf.pad(reached, [[0, 0], [1, 0]])
        share = tf.linspace(0.0, 1.0, self.points)
        wanted = reached[:, -1:] * share
        after = tf.clip_by_value(tf.searchsorted(reached, wanted), 1, tf.maximum(tf.shape(path)[1] - 1, 1))
        after = tf.minimum(after, tf.shape(path)[1] - 1)  # of a path of one point there is none after it
        before = tf.maximum(after - 1, 0)
        start, end = (tf.gather(reached, place, batch_dims=1) for place in (before, after))
        part = tf.clip_by_value(tf.math.divide_no_nan(wanted - start, end - start), 0.0, 1.0)[..., None]
        start, end = (tf.gather(path, place, batch_dims=1) for place in (before, after))
        return start + part * (end - start)
