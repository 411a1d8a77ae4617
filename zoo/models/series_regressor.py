"""Series of numbers to numbers: a recurrent stack, read at its last step."""

import keras
import numpy as np
import tensorflow as tf

from zoo import metrics
from zoo.errors import ZooError
from zoo.layers import checks
from zoo.layers.stack import recurrent_stack
from zoo.registry import register_model
from zoo.tasks import Monitor, Task, signature


@register_model(mapping="many_to_one")
def series_regressor(*, features, targets=1, cell="lstm", units=64, layers=1, bidirectional=False, dropout=0.0):
    """Predicts numbers from a series: recurrent stack, its last state, a linear layer.

    Args:
        features: numbers at each step.
        targets: numbers to predict.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of the state of one direction; of the whole layer for a transformer.
        layers: depth of the stack.
        bidirectional: read in both directions, of which each gives its last state; for a transformer, not causal, and the
            mean over all steps in place of the last.
        dropout: share of the features dropped before the linear layer and between layers, in training.

    Returns:
        A `keras.Model`: `series` float32 [N, T, features], T at least 1 → float32 [N, targets].

    Raises:
        ZooError: if an argument is out of range.

    Source: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", experiments 4 and 5: a linear output at the last step.
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(features=(features, 1), targets=(targets, 1))
    series = keras.Input((None, features), name="series")
    x = recurrent_stack(series, None, cell=cell, units=units, layers=layers, bidirectional=bidirectional, dropout=dropout)
    if not bidirectional:
        x = x[:, -1]
    elif cell == "transformer":
        x = keras.ops.mean(x, axis=1)
    else:  # the backward direction has read all when it comes to the first step
        x = keras.ops.concatenate([x[:, -1, :units], x[:, 0, units:]], axis=-1)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # float32 whatever the precision of the rest: float16 has three digits
    value = keras.layers.Dense(targets, dtype="float32", name="value")(x)
    return keras.Model(series, value, name="series_regressor")


class SeriesRegressor(Task):
    """Series to numbers, around a `series_regressor` model.

    Args:
        model: from `create_model("series_regressor", ...)`.
        examples: series of one length, each an array or nested list [T, features], for the warm-up, the card and the tests.

    Raises:
        ZooError: if the examples are not such series.
    """

    monitor = Monitor("r2")
    measure = staticmethod(metrics.regression)

    def __init__(self, model, *, examples):
        self.features = model.inputs[0].shape[-1]
        try:
            shape = np.array(examples, "float32").shape
        except ValueError as error:
            raise ZooError(f"The examples must be series of one length: {error}.") from error
        if len(shape) != 3 or 0 in shape or shape[-1] != self.features:
            raise ZooError(f"The examples must have the shape [count, steps, {self.features}], not {list(shape)}.")
        super().__init__(model, [np.asarray(example).tolist() for example in examples])

    @property
    def takes(self):
        """See `Task.takes`."""
        return {"series": self._series, "value": tf.TensorSpec(self.model.outputs[0].shape[1:], tf.float32)}

    def inputs(self, series):
        """Series, float [N, T, features] → the model's."""
        return tf.cast(series, tf.float32)

    def targets(self, value):
        """Float [N, targets] → the same in float32."""
        return tf.cast(value, tf.float32)

    def losses(self):
        """Mean squared error."""
        return keras.losses.MeanSquaredError()

    def metrics(self):
        """R², the share of the targets' variance that is predicted."""
        return [keras.metrics.R2Score(name="r2")]

    @property
    def _series(self):
        return tf.TensorSpec([None, self.features], tf.float32)

    @signature(series=lambda task: task._series)
    def serving_default(self, series):
        """Series → value; an empty series is taken for one step of zeros."""
        empty = tf.cast(tf.shape(series)[1] == 0, tf.int32)  # no last step to read
        return {"value": self.model(tf.pad(series, [[0, 0], [0, empty], [0, 0]]), training=False)}
