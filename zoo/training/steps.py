"""One step of training and one of validation, compiled."""

import keras
import tensorflow as tf

from zoo import kernels


class Steps:
    """The two steps of a model, as functions of one batch that give the losses and metrics since the last `reset`.

    Each is traced once: its signature is that of the batches, whose sizes may differ.

    Args:
        model: a compiled `keras.Model`: its optimizer clips the gradients, and scales the loss where float16 needs it.
        batch: what a batch is, (inputs, targets) of `tf.TensorSpec`s.
        bptt_steps: see `zoo.RunConfig`.
        carried: see `Task.carried`.

    Attributes:
        train: (inputs, targets) → logs; takes a step.
        validate: (inputs, targets) → logs; changes no weight.
    """

    def __init__(self, model: keras.Model, batch, *, bptt_steps: int | None = None, carried: tuple[str, ...] = ()):
        self.model, self.bptt_steps = model, bptt_steps
        inputs = {name: model.input[name] for name in carried}
        # of no rows before the first batch, which says how many there are
        self.carried = {
            name: tf.Variable(tf.zeros([0, *of.shape[1:]], of.dtype), shape=of.shape, trainable=False)
            for name, of in inputs.items()
        }
        self.loss = keras.metrics.Mean(name="loss")
        self.train = tf.function(self._train, input_signature=batch, autograph=False)
        self.validate = tf.function(self._validate, input_signature=batch, autograph=False)

    def reset(self):
        """Begins the means anew, and what is carried from batch to batch."""
        self.loss.reset_state()
        self.model.reset_metrics()
        for state in self.carried.values():
            state.assign(tf.zeros([0, *state.shape[1:]], state.dtype))

    def evaluate(self, batches, callbacks: keras.callbacks.CallbackList) -> dict[str, float]:
        """The losses and metrics of all batches of a data set."""
        self.reset()
        callbacks.on_test_begin()
        for number, (inputs, targets) in enumerate(batches):
            callbacks.on_test_batch_begin(number)
            means = self.validate(inputs, targets)
            callbacks.on_test_batch_end(number, means)
        scores = numbers(means)
        callbacks.on_test_end(scores)
        return scores

    def _train(self, inputs, targets):
        model, weights = self.model, self.model.trainable_variables
        with kernels.truncation_scope(self.bptt_steps):
            with tf.GradientTape() as tape:
                outputs = self._outputs(inputs, training=True)
                loss = model.compute_loss(inputs, targets, outputs, training=True)
                scaled = model.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, weights)
        model.optimizer.apply(gradients, weights)
        return self._logs(loss, inputs, targets, outputs)

    def _validate(self, inputs, targets):
        outputs = self._outputs(inputs, training=False)
        loss = self.model.compute_loss(inputs, targets, outputs, training=False)
        return self._logs(loss, inputs, targets, outputs)

    def _outputs(self, inputs, training: bool):
        """What the loss takes of the model's outputs; what is carried goes into the next batch, and no gradient with it."""
        if not self.carried:
            return self.model(inputs, training=training)
        rows = tf.shape(tf.nest.flatten(inputs)[0])[0]
        before = {
            name: tf.cond(
                tf.shape(state)[0] == rows, lambda state=state: state.value(), lambda state=state: _zeros(state, rows)
            )
            for name, state in self.carried.items()
        }
        outputs = dict(self.model({**inputs, **before}, training=training))
        for name, state in self.carried.items():
            state.assign(tf.cast(outputs.pop(name), state.dtype))
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def _logs(self, loss, inputs, targets, outputs):
        self.loss.update_state(loss, sample_weight=tf.shape(tf.nest.flatten(inputs)[0])[0])
        return {**self.model.compute_metrics(inputs, targets, outputs), "loss": self.loss.result()}


def _zeros(state, rows):
    """What is carried into the first batch."""
    return tf.zeros([rows, *state.shape[1:]], state.dtype)


def numbers(logs) -> dict[str, float]:
    """Tensors of losses and metrics as numbers."""
    return {name: float(value) for name, value in logs.items()}
