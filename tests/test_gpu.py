"""What only a GPU can show: the cuDNN bodies, in process and in an export that was made for any device."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import kernels, layers

pytestmark = pytest.mark.gpu

# of a ragged batch: full, empty, one step, padded on the right, padded on the left, with gaps
MASK = tf.concat([tf.sequence_mask([7, 0, 1, 4]), tf.constant([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 0, 1, 0, 0]]) == 1], axis=0)
SEQUENCES = np.random.default_rng(0).normal(size=(6, 7, 5)).astype("float32")


@pytest.fixture(autouse=True)
def _without_tf32():
    """TensorFloat-32 keeps 10 bits of the mantissa: too few for a comparison to 1e-4."""
    tf.config.experimental.enable_tensor_float_32_execution(False)


def on_cpu(layer):
    """A stock Keras twin of a zoo layer, in both directions, built on the CPU, that keeps off cuDNN."""
    stock = keras.layers.Bidirectional(getattr(keras.layers, type(layer).__name__).from_config(layer.get_config()))
    for direction in (stock.forward_layer, stock.backward_layer):  # not in the configuration, so it has to be set on both
        direction.use_cudnn = False
    with tf.device("CPU:0"):
        stock.build(SEQUENCES.shape)
        return stock


@pytest.mark.parametrize("cell", ("LSTM", "GRU", "SimpleRNN"))
@pytest.mark.parametrize("zeros", (False, True), ids=("repeated", "zeros"))
@pytest.mark.parametrize("exported", (False, True), ids=("in process", "export"))
def test_cudnn_agrees_with_stock_keras_on_a_cpu(cell, zeros, exported, tmp_path):
    layer = getattr(layers, cell)(6, return_sequences=True, zero_output_for_mask=zeros)
    ours = keras.layers.Bidirectional(layer)
    ours.build(SEQUENCES.shape)
    stock = on_cpu(layer)
    stock.set_weights(ours.get_weights())
    with tf.device("CPU:0"):
        expected = stock(SEQUENCES, mask=MASK).numpy()
    if exported:
        module = tf.Module()
        module.weights = [weight.value for weight in ours.weights]
        signature = [tf.TensorSpec([None, None, 5]), tf.TensorSpec([None, None], tf.bool)]
        module.answer = tf.function(lambda x, mask: {"y": ours(x, mask=mask)}, input_signature=signature, autograph=False)
        with kernels.export_scope():
            tf.saved_model.save(module, str(tmp_path), signatures=module.answer)
        answer = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](x=tf.constant(SEQUENCES), mask=MASK)["y"]
    else:
        answer = ours(SEQUENCES, mask=MASK)
    assert "GPU" in answer.device
    np.testing.assert_allclose(answer.numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("cell", ("LSTM", "GRU", "SimpleRNN"))
@pytest.mark.parametrize("steps", (None, 3), ids=("whole", "truncated"))
def test_a_training_step_has_the_gradients_of_the_cpu(cell, steps):
    """Truncated, it runs by the loop, on a GPU too."""
    ours = keras.layers.Bidirectional(getattr(layers, cell)(6, return_sequences=True))
    ours.build(SEQUENCES.shape)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(ours(SEQUENCES, mask=MASK, training=True)))
        return tape.gradient(loss, [weight.value for weight in ours.trainable_weights])

    with kernels.truncation_scope(steps):
        actual = gradients()
    stock = on_cpu(ours.forward_layer)
    stock.set_weights(ours.get_weights())
    with tf.device("CPU:0"), tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(stock(SEQUENCES, mask=MASK, training=True)))
    expected = tape.gradient(loss, [weight.value for weight in stock.trainable_weights])
    for one, other in zip(actual, expected, strict=True):
        if steps is None:
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-3)
        else:
            assert not np.allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-3)
