"""Training by whatever optimizer and derivatives of any order, against stock Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from twins import CELLS, FEATURES, LENGTHS, ROWS, STEPS, UNITS, assert_equal, each_cell, either, initial_states, normal, twins

from zoo import kernels

ABSTRACT = {"Optimizer", "MultiOptimizer", "OptimizerMap"}
OPTIMIZERS = {
    name: kind for name, kind in vars(keras.optimizers).items() if isinstance(kind, type) and name not in ABSTRACT
} | {"LossScaleOptimizer": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.RMSprop())}


def every_cell(library):
    """A model with each cell, under a mask, of the zoo's layers (0) or the stock ones (1)."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input([None], dtype="int32")
    sequences = keras.layers.Embedding(5, FEATURES, mask_zero=True)(tokens)
    outputs = [kinds[library](UNITS)(sequences) for kinds in CELLS.values()]
    return keras.Model(tokens, keras.layers.Dense(1)(keras.layers.Concatenate()(outputs)))


TOKENS = np.where(tf.sequence_mask(LENGTHS), np.random.default_rng(0).integers(1, 5, [ROWS, STEPS]), 0)
TARGETS = np.arange(ROWS, dtype="float32")[:, None]


def one_step_of_each(model, traced):
    """The weights of a model after one step of each optimizer, each from the same start."""
    optimizers = [kind() for kind in OPTIMIZERS.values()]
    copies = [[keras.Variable(weight) for weight in model.trainable_weights] for _ in optimizers]
    for optimizer, weights in zip(optimizers, copies, strict=True):
        optimizer.build(weights)

    def step(tokens, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(tokens, training=True) - targets))
        gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
        for optimizer, weights in zip(optimizers, copies, strict=True):
            optimizer.apply([tf.convert_to_tensor(gradient) for gradient in gradients], weights)
        return loss

    if traced:  # it knows the shape of nothing but the weights: the gradients have to tell theirs
        signature = [tf.TensorSpec([None, None], tf.int64), tf.TensorSpec([None, 1])]
        step = tf.function(step, input_signature=signature, autograph=False)
    assert np.isfinite(step(TOKENS, TARGETS))
    return [weight.value for weights in copies for weight in weights]


def test_every_optimizer_of_keras_makes_the_step_that_it_makes_with_stock_layers():
    assert {"SGD", "RMSprop", "Nadam", "Adadelta", "Lion", "Ftrl", "Adafactor"} <= set(OPTIMIZERS)
    assert_equal(one_step_of_each(every_cell(0), traced=True), one_step_of_each(every_cell(1), traced=False))


def test_an_ordinary_fit_by_rmsprop_is_that_of_keras():
    results = []
    for library in range(2):
        model = every_cell(library)
        model.compile("rmsprop", "mse", jit_compile=False)
        losses = model.fit(TOKENS, TARGETS, epochs=2, shuffle=False, verbose=0).history["loss"]
        results.append([np.array(losses, "float32"), *model.get_weights()])
    assert_equal(*results)


def leaving(cell, layer, way):
    """What leaves a layer in a graph that knows the rows, and the gradients of it, with respect to all that goes in."""
    states = [tf.TensorSpec([ROWS, UNITS])] * len(initial_states(cell))

    @tf.function(input_signature=[tf.TensorSpec([ROWS, STEPS, FEATURES]), states, tf.TensorSpec([ROWS, STEPS], tf.bool)])
    def results(sequences, states, mask):
        with tf.GradientTape() as tape:
            tape.watch([sequences, states])
            outputs = layer(sequences, initial_state=states, mask=mask if way == "masked" else None, training=way == "training")
            loss = tf.add_n([tf.reduce_sum(output) for output in outputs])
        return outputs, tape.gradient(loss, [sequences, states, [weight.value for weight in layer.trainable_weights]])

    graph = results.get_concrete_function()
    return [tensor.shape for tensor in graph.outputs]


@each_cell
@pytest.mark.parametrize("way", ("masked", "training", "inference"))
def test_whatever_leaves_a_kernel_has_a_static_shape(cell, way):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    shapes = leaving(cell, ours, way)
    assert shapes == leaving(cell, stock, way)
    assert all(shape.is_fully_defined() for shape in shapes)


def hessian_times_vector(layer, sequences, states, mask):
    """Of a layer's inputs and weights: the gradient of the product of the gradient and a vector."""
    inputs = [sequences, *states, *(weight.value for weight in layer.trainable_weights)]
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = layer(sequences, initial_state=states, mask=mask, training=True)
            loss = tf.add_n([tf.reduce_sum(tf.square(output)) for output in outputs])
        gradients = inner.gradient(loss, inputs)
        product = tf.add_n([tf.reduce_sum(each * normal(*each.shape, seed=7)) for each in gradients])
    return [product, *outer.gradient(product, inputs)]


@each_cell
@either("masked")
@pytest.mark.parametrize("traced", (False, True), ids=("eager", "traced"))
def test_a_gradient_of_a_gradient_is_that_of_keras(cell, masked, traced):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    arguments = normal(ROWS, STEPS, FEATURES), initial_states(cell), tf.sequence_mask(LENGTHS) if masked else None
    compute = tf.function(hessian_times_vector, autograph=False) if traced else hessian_times_vector
    assert_equal(compute(ours, *arguments), hessian_times_vector(stock, *arguments), tolerance=1e-4)


@each_cell
def test_forward_mode_gives_what_keras_gives(cell):
    ours, stock = twins(cell, return_sequences=True, return_state=True)
    sequences, states = normal(ROWS, STEPS, FEATURES), initial_states(cell)
    primals = [sequences, *states]
    results = []
    for layer in (ours, stock):
        with tf.autodiff.ForwardAccumulator(primals, [normal(*each.shape, seed=3) for each in primals]) as accumulator:
            outputs = layer(sequences, initial_state=states, mask=tf.sequence_mask(LENGTHS))
        results.append([*outputs, *(accumulator.jvp(output) for output in outputs)])
    assert_equal(*results)


@each_cell
def test_the_plain_loop_on_request_is_a_loop_of_common_ops_alone(cell):
    ours, stock = twins(cell, return_sequences=True)
    sequences, mask = normal(ROWS, STEPS, FEATURES), tf.sequence_mask(LENGTHS)
    function = tf.function(lambda: ours(sequences, mask=mask), autograph=False)
    with kernels.loop_scope():
        graph = function.get_concrete_function().graph.as_graph_def()
    used = {node.op for nodes in (graph.node, *(part.node_def for part in graph.library.function)) for node in nodes}
    assert not used & {"MapDefun", "BlockLSTMV2", "CudnnRNNV3", "Case", "DeviceIndex"}
    assert_equal([function()], [stock(sequences, mask=mask)])
