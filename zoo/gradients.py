"""How far back a gradient reaches: its norm against the lag, for every recurrent layer of a model."""

import collections
import contextlib

import keras
import numpy as np
import tensorflow as tf

from zoo.decay import factor_per_step
from zoo.errors import ZooError

__all__ = ["factor_per_step", "gradient_flow"]


def gradient_flow(model, batch, *, loss=None, picture=None) -> dict[str, np.ndarray]:
    """Norm of the gradient against the time lag, for every recurrent layer of a model.

    That is the L2 norm of d loss / d (input of the layer at step t), what reaches the input through this layer alone,
    against the lag: the number of steps from t to the last that the layer reads. Where a layer is given a mask, its valid
    steps alone count. A norm that falls by a factor at each step of lag is a vanishing gradient, one that rises an
    exploding one.

    Args:
        model: a built `keras.Model` with `keras.layers.RNN` layers: the zoo's, stock `LSTM`, `GRU`, `SimpleRNN`, or others;
            also inside `Bidirectional` and nested models.
        batch: inputs as the model takes them (several in a list or dict), or a tuple (inputs, targets).
        loss: function of (targets, outputs) that gives a scalar or a loss for each row, of which the mean is taken; the
            targets are None where the batch has none. By default the compiled loss; without targets the mean of the squares
            of the outputs, which suits a model that answers at the end of a sequence, and no answer at each step: there the
            last steps would outweigh all that came from further back.
        picture: where a picture of it is written, by `zoo.plots.gradient_flow`.

    Returns:
        Path of the layer in the model → float64 [T], by lag: the mean over the rows that have a valid step at this lag, NaN
        where none has. Of a loss that is a mean over the batch, a row's share is 1 / N. A layer that is called again has a
        number behind its path.

    Raises:
        ZooError: if there is no recurrent layer, no loss for the targets, the model is not built, the batch does not fit, or
            the picture cannot be written.

    Source: Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """
    if not isinstance(model, keras.Model):
        raise ZooError(f"gradient_flow takes a keras.Model, not {type(model).__name__}; that of a task is task.model.")
    if not model.built:
        raise ZooError(f"The model {model.name!r} has no weights yet; call it on a batch or build it first.")
    if isinstance(batch, tuple) and len(batch) != 2:
        raise ZooError(f"A batch is inputs or a tuple (inputs, targets), not {len(batch)} things; give inputs in a list.")
    inputs, targets = batch if isinstance(batch, tuple) else (batch, None)
    if targets is not None and loss is None and not model.compiled:
        raise ZooError("There are targets and no loss: compile the model with one, or give loss=keras.losses....")
    if picture is not None:  # what is wrong with the path is known at once
        from zoo import plots

        plots.check_path(picture)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    if not layers:
        raise ZooError(f"The model {model.name!r} has no recurrent layer (keras.layers.RNN or a subclass).")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        try:
            with _watched(layers, tape) as read:
                outputs = model(inputs, training=False)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            raise ZooError(f"The batch does not fit the model {model.name!r}: {error}") from error
        if loss is not None:
            value = tf.reduce_mean(loss(targets, outputs))
        elif targets is not None:
            value = model.compute_loss(x=inputs, y=targets, y_pred=outputs, training=False)
        else:
            value = tf.add_n([tf.reduce_mean(tf.square(tf.cast(output, tf.float32))) for output in tf.nest.flatten(outputs)])
    if not read:
        raise ZooError(f"The model {model.name!r} did not run any of its recurrent layers.")
    gradients = tape.gradient(value, [sequences for _, sequences, _ in read], unconnected_gradients="zero")
    norms, calls = {}, collections.Counter()
    for (layer, _, mask), gradient in zip(read, gradients, strict=True):
        name = layer.path.removeprefix(f"{model.name}/")
        calls[name] += 1
        name = name if calls[name] == 1 else f"{name} {calls[name]}"
        norms[name] = _by_lag(np.asarray(gradient, "float64"), mask, layer.go_backwards)
    if picture is not None:
        plots.gradient_flow({"": norms}, picture)
    return norms


@contextlib.contextmanager
def _watched(layers, tape):
    """Inside it a tape watches what these layers read; gives the list of (layer, sequences, mask) that grows call by call."""
    read = []

    def watch(layer):
        inner_loop = layer.inner_loop

        def watched(sequences, initial_state, mask, training=False):
            # a tensor of its own: else what reaches the input on other ways, as the other direction's, is counted too
            sequences = tf.identity(sequences)
            tape.watch(sequences)
            read.append((layer, sequences, mask[0] if isinstance(mask, (list, tuple)) else mask))
            return inner_loop(sequences, initial_state, mask, training)

        vars(layer)["inner_loop"] = watched  # past Keras, which tracks what becomes of a layer's attributes

    try:
        for layer in layers:
            watch(layer)
        yield read
    finally:
        for layer in layers:
            vars(layer).pop("inner_loop", None)


def _by_lag(gradient, mask, backwards):
    """Gradient [N, T, ...], mask bool [N, T] or None → mean norm [T] by lag."""
    norms = np.sqrt(np.sum(gradient**2, axis=tuple(range(2, gradient.ndim))))
    valid = np.ones(norms.shape, bool) if mask is None else np.asarray(mask, bool)
    if backwards:
        norms, valid = norms[:, ::-1], valid[:, ::-1]
    steps = norms.shape[1]
    last = steps - 1 - np.argmax(valid[:, ::-1], axis=1)
    lags = (last[:, None] - np.arange(steps))[valid]
    total, count = (np.bincount(lags, weights, minlength=steps) for weights in (norms[valid], None))
    return np.divide(total, count, out=np.full(steps, np.nan), where=count > 0)
