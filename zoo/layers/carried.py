"""Stacks that go on where they stopped: a window of a sequence and the state before it → its features, and the state after.

The state of a row is one vector, whatever the cell, so that a client may keep it between two requests.
"""

import keras
import tensorflow as tf

from zoo import kernels
from zoo.layers.stack import CELLS


@keras.saving.register_keras_serializable("zoo")
class BeginAnew(keras.layers.Layer):
    """Takes some rows for beginnings in training: tokens int32 [N, T], state float [N, S] → the same, of these start and zeros.

    Args:
        rate: share of the rows in a window.
        start: the token that stands before a beginning; it takes the place of the first.

    Source: the resets of Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models" (in their code).
    """

    def __init__(self, rate: float, start: int, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.start = rate, start
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, tokens, state, training=False):
        if not training or not self.rate:
            return tokens, state
        anew = keras.random.uniform((tf.shape(tokens)[0], 1), seed=self.seed_generator) < self.rate
        started = tf.concat([tf.fill([tf.shape(tokens)[0], 1], self.start), tokens[:, 1:]], axis=1)
        return tf.where(anew, started, tokens), tf.where(anew, tf.zeros_like(state), state)

    def compute_output_spec(self, tokens, state, training=False):
        return keras.KerasTensor(tokens.shape, tokens.dtype), keras.KerasTensor(state.shape, state.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "start": self.start}


class _Carried(keras.layers.Layer):
    """What both stacks share."""

    units: int
    state_size: int

    def compute_output_spec(self, x, state, lengths=None, training=False):
        return (
            keras.KerasTensor((*x.shape[:-1], self.units), self.compute_dtype),
            keras.KerasTensor((x.shape[0], self.state_size), self.compute_dtype),
        )


@keras.saving.register_keras_serializable("zoo")
class CarriedRecurrence(_Carried):
    """Recurrent layers: x float [N, T, F], state float [N, S] → [N, T, units], state [N, S], the states of the layers in order.

    Args:
        cell: "rnn", "gru" or "lstm".
        units: width of a layer.
        layers: depth.
        dropout: share of the features dropped between the layers in training.
        weight_dropout: share of the recurrent weights that are zero for a window of training.

    Attributes:
        state_size: S.

    Source: Merity et al. 2018, section 2, for the dropped weights.
    """

    def __init__(self, cell: str, units: int, layers: int, dropout: float = 0.0, weight_dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.cell, self.units, self.depth = cell, units, layers
        self.dropout_rate, self.weight_dropout = dropout, weight_dropout
        dtype = self.dtype_policy
        self.recurrent = [CELLS[cell](units, return_sequences=True, dtype=dtype, name=f"{cell}_{i}") for i in range(layers)]
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.seed_generator = keras.random.SeedGenerator()
        self._states = self.recurrent[0].zoo_cell.states
        self.state_size = layers * self._states * units

    def build(self, x_shape, state_shape=None):
        for depth, layer in enumerate(self.recurrent):
            layer.build((x_shape[0], None, self.units if depth else x_shape[-1]))

    def call(self, x, state, lengths=None, training=False):
        """See the class; lengths int [N]: the steps that count, the others being padding on the right, which no state sees."""
        mask = None if lengths is None else tf.sequence_mask(lengths, tf.shape(x)[1])
        after = []
        for depth, (layer, before) in enumerate(zip(self.recurrent, self._split(state), strict=True)):
            x = self.dropout(x, training=training) if depth else x
            cell = layer.cell
            kernel, recurrent_kernel, bias = map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel, cell.bias))
            if training and self.weight_dropout:
                recurrent_kernel = keras.random.dropout(recurrent_kernel, self.weight_dropout, seed=self.seed_generator)
            weights = [kernel, recurrent_kernel, bias]
            x, states = kernels.recurrence(layer.zoo_cell, x, before, weights, mask=mask, training=training)
            after += states
        return x, tf.concat(after, axis=1)

    def step(self, x, state):
        """One step without dropout: x float [N, F], state [N, S] → [N, units], state [N, S]."""
        after = []
        for layer, before in zip(self.recurrent, self._split(state), strict=True):
            x, states = layer.cell(x, before)
            after += states
        return x, tf.concat(after, axis=1)

    def _split(self, state):
        """The states of each layer, lists of float [N, units]."""
        states = tf.split(state, self.depth * self._states, axis=1)
        return [states[i : i + self._states] for i in range(0, len(states), self._states)]

    def get_config(self):
        config = {"cell": self.cell, "units": self.units, "layers": self.depth, "dropout": self.dropout_rate}
        return {**super().get_config(), **config, "weight_dropout": self.weight_dropout}


@keras.saving.register_keras_serializable("zoo")
class CarriedTransformer(_Carried):
    """Transformer blocks over a sliding context: x float [N, T, units], state float [N, S] → the same shapes.

    A step sees itself and the `context` steps before it, in each block; the farther, the less, by a slope of each head's own.
    So no step has a number, and what is made of a sequence does not depend on where it was cut. The state holds the keys and
    values of the last `context` steps of each block, and how many there have been.

    Args:
        units: width; the heads are 64 wide, or more where they would not fill it.
        layers: number of blocks.
        context: see above.
        dropout: share of the values dropped after each half of a block in training.

    Attributes:
        state_size: S.

    Source: Dai et al. 2019, "Transformer-XL", for the carried keys and values; Press et al. 2022, "Train Short, Test Long", for
    the slopes.
    """

    def __init__(self, units: int, layers: int, context: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.depth, self.context, self.dropout_rate = units, layers, context, dropout
        self.heads = next(heads for heads in range(max(units // 64, 1), 0, -1) if units % heads == 0)
        dtype = self.dtype_policy

        def dense(size, name, **options):
            return [keras.layers.Dense(size, dtype=dtype, name=f"{name}_{i}", **options) for i in range(layers)]

        def norms(name, count):
            return [keras.layers.LayerNormalization(dtype=dtype, name=f"{name}_{i}") for i in range(count)]

        self.attention_norms, self.norms, self.last_norm = (
            norms("attention_norm", layers),
            norms("norm", layers),
            norms("last", 1),
        )
        self.attend, self.output_layers = dense(3 * units, "query_keys_values"), dense(units, "output")
        self.expand, self.contract = dense(4 * units, "expand", activation="gelu"), dense(units, "contract")
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.state_size = layers * context * 2 * units + 1

    def build(self, x_shape, state_shape=None):
        for layer in (*self.attention_norms, *self.norms, *self.last_norm, *self.attend, *self.output_layers, *self.expand):
            layer.build(x_shape)
        for layer in self.contract:
            layer.build((*x_shape[:-1], 4 * self.units))

    def call(self, x, state, lengths=None, training=False):
        """See `CarriedRecurrence.call`."""
        rows, steps = tf.unstack(tf.shape(x)[:2])
        lengths = tf.fill([rows], steps) if lengths is None else tf.cast(lengths, tf.int32)
        known = tf.maximum(state[:, -1:], 0)  # how many steps there have been, as far as they are seen
        memory = tf.reshape(state[:, :-1], [rows, self.depth, self.context, 2 * self.units])
        distance = self.context + tf.range(steps)[:, None] - tf.range(self.context + steps)
        there = tf.cast(tf.range(self.context + steps), x.dtype) >= self.context - known
        seen = ((distance >= 0) & (distance <= self.context)) & there[:, None]
        slopes = tf.constant([2.0 ** (-8 * (head + 1) / self.heads) for head in range(self.heads)])
        bias = -slopes[:, None, None] * tf.cast(distance, tf.float32)
        bias = tf.where(seen[:, None], bias, -1e9)
        # the last steps of each row, and of those before it
        kept = lengths[:, None] + tf.range(self.context)
        after = []
        for depth in range(self.depth):
            query, new = tf.split(self.attend[depth](self.attention_norms[depth](x)), [self.units, 2 * self.units], axis=-1)
            both = tf.concat([memory[:, depth], new], axis=1)
            after.append(tf.gather(both, kept, batch_dims=1))
            x += self.dropout(self.output_layers[depth](self._attended(query, both, bias)), training=training)
            x += self.dropout(self.contract[depth](self.expand[depth](self.norms[depth](x))), training=training)
        known = tf.minimum(known + tf.cast(lengths, known.dtype)[:, None], float(self.context))
        state = tf.reshape(tf.stack(after, axis=1), [rows, self.state_size - 1])
        return self.last_norm[0](x), tf.concat([state, known], axis=1)

    def step(self, x, state):
        """See `CarriedRecurrence.step`."""
        x, state = self(x[:, None], state)
        return x[:, 0], state

    def _attended(self, query, keys_values, bias):
        """Float [N, T, F], [N, S, 2F], bias [N, heads, T, S] → [N, T, F]."""
        shape = [*tf.unstack(tf.shape(query)[:2]), self.units]
        query, keys, values = (
            tf.reshape(each, [*tf.unstack(tf.shape(each)[:2]), self.heads, self.units // self.heads])
            for each in (query, *tf.split(keys_values, 2, axis=-1))
        )
        scores = tf.cast(tf.einsum("nthd,nshd->nhts", query, keys), tf.float32) * (self.units // self.heads) ** -0.5
        weights = tf.cast(tf.nn.softmax(scores + bias), values.dtype)
        return tf.reshape(tf.einsum("nhts,nshd->nthd", weights, values), shape)

    def get_config(self):
        config = {"units": self.units, "layers": self.depth, "context": self.context, "dropout": self.dropout_rate}
        return {**super().get_config(), **config}
