"""JSON to arrays and back, where TensorFlow Serving's util/json_tensor.cc and its tests say what comes out."""

import json

import numpy as np
import pytest
import tensorflow as tf

from zoo.serving import codec
from zoo.serving.errors import InvalidArgument, ServingError, Unimplemented


def spec(dtype, *shape):
    return tf.TensorSpec(shape if shape != (...,) else None, dtype, "x")


def read(body, dtype=tf.float32, shape=None, **more):
    specs = {"x": tf.TensorSpec(shape, dtype, "x"), **more}
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return codec.decode(body, lambda name: specs)


def values(body, dtype=tf.float32):
    _, inputs, _ = read(body, dtype)
    return inputs["x"]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=str)
@pytest.mark.parametrize("number", [20000000, 1435774380, 16777217, -16777217, 2**53 + 1, 2**64, 10**30, 0, -0.0, 0.1, 3.4e38])
def test_any_finite_number_is_a_float(number, dtype):
    """JavaScript writes 2e7 as 20000000; whether the nearest float is good enough is for whoever sends it to say."""
    (found,) = values({"instances": [number]}, dtype)
    assert found == dtype.as_numpy_dtype(number)


def test_not_a_number_and_infinities_are_numbers():
    found = values(b'{"instances": [NaN, Infinity, -Infinity, 1]}')
    np.testing.assert_array_equal(found, np.float32([np.nan, np.inf, -np.inf, 1]))


@pytest.mark.parametrize(
    ("dtype", "text", "message"),
    [
        (tf.float32, "1e39", "Cannot convert JSON value: 1e+39 to float32 without loss of precision"),
        (tf.float32, "1" + "0" * 40, "without loss of precision"),
        (tf.float32, "true", "JSON Value: true Type: True is not of expected type: float32"),
        (tf.float32, '"1"', 'JSON Value: "1" Type: String is not of expected type: float32'),
        (tf.float32, '"NaN"', "Type: String"),
        (tf.float32, "null", "JSON Value: null Type: Null"),
        (tf.float32, '{"b64": "AAAA"}', "Type: Object is not of expected type: float32"),
        (tf.int32, "2147483648", "Type: Number is not of expected type: int32"),
        (tf.int32, "-2147483649", "Type: Number"),
        (tf.int64, "9223372036854775808", "Type: Number"),
        (tf.uint8, "256", "Type: Number"),
        (tf.uint8, "-1", "Type: Number"),
        (tf.int32, "1.5", "Type: Number"),
        (tf.int32, "1.0", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (tf.int32, "NaN", "Type: Number"),
        (tf.int32, "false", "Type: False"),
        (tf.bool, "1", "Type: Number is not of expected type: bool"),
        (tf.bool, '"true"', "Type: String"),
        (tf.string, "1", "Type: Number is not of expected type: string"),
        (tf.string, '{"b64": 1}', ""),
        (tf.string, '{"b64": "AAAA", "more": 1}', ""),
        (tf.string, '[{"b64": 1}]', "not formatted correctly for base64 data"),
        (tf.string, '{"b64": "?"}', "Unable to base64 decode"),
        (tf.string, '"\\ud800"', ""),
    ],
)
@pytest.mark.parametrize("form", ['{"instances": [%s]}', '{"inputs": [%s]}', '{"inputs": {"x": [[%s]]}}', '{"inputs": %s}'])
def test_what_a_dtype_does_not_hold_is_refused(dtype, text, message, form):
    with pytest.raises(InvalidArgument) as caught:
        read((form % text).encode(), dtype)
    assert message in str(caught.value)


def test_texts_come_as_text_or_base64_with_line_breaks_or_without_padding():
    body = {"inputs": ["hello", {"b64": "aGVsbG8="}, {"b64": "aGVs\nbG8"}, {"b64": ""}, "ü"]}
    assert list(values(body, tf.string)) == [b"hello"] * 3 + [b"", "ü".encode()]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (3, ()),
        ([], (0,)),
        ([[], []], (2, 0)),
        ([1, 2], (2,)),
        ([[[1, 2], [3, 4], [5, 6]]], (1, 3, 2)),
        ([[[[[[[[[1]]]]]]]]], (1,) * 9),
    ],
)
@pytest.mark.parametrize("known", [None, (None, 1), (None, None, 3), ()], ids=str)
def test_the_lists_say_the_shape_whatever_the_signature_says(value, shape, known):
    specs = {"x": tf.TensorSpec(known, tf.int32)}
    inputs, in_rows = codec.arrays({"inputs": value}, specs)
    assert (inputs["x"].shape, inputs["x"].dtype, in_rows) == (shape, np.int32, False)
    if shape and shape[0]:
        inputs, in_rows = codec.arrays({"instances": value}, specs)
        assert (inputs["x"].shape, in_rows) == (shape, True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [3, 4], [5, 6, 7]], "element: 2 of 'instances' list. Error: Expecting tensor size: [2] but got: [3]"),
        ([[1, 2], [3, 4], [[5, 6]]], "element: 2 of 'instances' list. Error: Expecting tensor size: [2] but got: [1, 2]"),
        ([1, [1]], "element: 1 of 'instances' list. Error: Expecting tensor size: [] but got: [1]"),
        ([[1], 1], "element: 1 of"),
        ([[1, 2], ["a", 3]], "element: 1 of 'instances' list. Error: JSON Value: \"a\" Type: String"),
        ([[[1], [1, 2]]], "element: 0 of 'instances' list. Error: Encountered list at unexpected size: 2 at level: 1"),
        ([1] * 1000 + [None] + [1] * 1000, "element: 1000 of"),
        ([None] * 3, "element: 0 of"),
    ],
)
def test_the_row_that_is_wrong_is_named(rows, message):
    with pytest.raises(InvalidArgument) as caught:
        values({"instances": rows}, tf.int32)
    assert message in str(caught.value)


def test_named_rows_name_their_key():
    with pytest.raises(InvalidArgument, match=r"element: 1 key: y of 'instances' list\. Error: Expecting tensor size"):
        read({"instances": [{"x": 1, "y": [1]}, {"x": 1, "y": [1, 2]}]}, y=spec(tf.float32))


def test_a_list_that_is_nested_too_deeply_for_an_array_is_refused():
    deep = b'{"inputs": ' + b"[" * 70 + b"1" + b"]" * 70 + b"}"
    with pytest.raises(InvalidArgument, match="70 levels deep"):
        read(deep)


@pytest.mark.parametrize(
    "dtype", [tf.float16, tf.bfloat16, tf.complex64, tf.complex128, tf.uint16, tf.qint8, tf.resource], ids=str
)
def test_dtypes_that_json_has_nothing_for_are_refused(dtype):
    """As TensorFlow Serving does: tensorflow/serving issue 1639."""
    with pytest.raises(Unimplemented, match=f"Conversion of JSON Value: 1 to type: {dtype.name}"):
        values({"inputs": [1]}, dtype)
    with pytest.raises(InvalidArgument, match=f"element: 0 of 'instances' list. Error: Conversion .* {dtype.name}"):
        values({"instances": [1]}, dtype)


def test_a_signature_without_inputs_is_said():
    for body in ({"inputs": 1}, {"instances": [1]}, {"inputs": {}}):
        with pytest.raises(InvalidArgument, match="Failed to get input map"):
            codec.arrays(body, {})


def answer(outputs, in_rows):
    return json.loads(codec.reply({name: np.asarray(value) for name, value in outputs.items()}, in_rows))


def test_replies():
    text = np.array([b"a", b"\xff"], object)
    assert answer({"y": np.float32([0.2, 3])}, True) == {"predictions": [0.2, 3.0]}
    assert answer({"y": np.zeros([0, 2])}, True) == {"predictions": []}
    assert answer({"y": np.int64(7)}, False) == {"outputs": 7}
    assert answer({"y": np.uint64([2**64 - 1])}, False) == {"outputs": [2**64 - 1]}
    assert answer({"y": text}, True) == {"predictions": ["a", "\ufffd"]}
    assert answer({"y_bytes": text}, True) == {"predictions": [{"b64": "YQ=="}, {"b64": "/w=="}]}
    assert answer({"a": [1, 2], "b": [[True], [False]]}, True) == {
        "predictions": [{"a": 1, "b": [True]}, {"a": 2, "b": [False]}]
    }
    assert answer({"a": [1, 2], "b": 3}, False) == {"outputs": {"a": [1, 2], "b": 3}}
    assert codec.reply({"y": np.float32([np.nan, np.inf])}, True) == b'{"predictions": [NaN, Infinity]}'


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "Tensor name: b has inconsistent batch size: 1 expecting: 2"),
        ({"a": 1}, "Tensor name: a has no shape information"),
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"a": np.zeros(1, np.float16)}, "Failed to write JSON value for tensor type: float16"),
        ({"a": np.zeros(1, tf.bfloat16.as_numpy_dtype)}, "tensor type: bfloat16"),
        ({"a": np.zeros(1, np.complex64)}, "tensor type: complex64"),
    ],
)
def test_outputs_that_have_no_rows_or_no_json_are_said(outputs, message):
    with pytest.raises(ServingError, match=message) as caught:
        answer(outputs, True)
    assert caught.value.http == 400
