"""A model of a few ops to serve, and how it is asked."""

import json

import requests
import tensorflow as tf


def save(directory, factor, *, pause=0.0):
    """A SavedModel that multiplies numbers, fails at negative ones, and takes its time."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def multiply(x):
        start = tf.timestamp()
        (late,) = tf.while_loop(lambda now: now - start < pause, lambda _: [tf.timestamp()], [start])
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "must not be negative")]):
            return {"y": factor * x + tf.cast(0 * late, tf.float32)}

    module = tf.Module()
    module.multiply = multiply
    part = directory.parent / f".{directory.name}"
    tf.saved_model.save(module, str(part), signatures=multiply)
    part.rename(directory)


def ask(running, values, name="model", rest=":predict", **options):
    body = json.dumps({"instances": values})
    return requests.post(f"http://{running.rest}/v1/models/{name}{rest}", data=body, timeout=30, **options)
