"""`TensorProto` to arrays and back, as TensorFlow Serving reads and writes them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from zoo.serving import tensors
from zoo.serving.errors import InvalidArgument

BFLOAT16 = tf.bfloat16.as_numpy_dtype
ARRAYS = [
    ("float_val", np.float32([[0.1, -0.0], [np.nan, np.inf]])),
    ("double_val", np.float64([0.1, 1e300])),
    ("half_val", np.float16([0.5, 2])),
    ("half_val", np.array([0.5, 2], BFLOAT16)),
    ("int_val", np.int32([[-1, 2**31 - 1]])),
    ("int_val", np.int16([-3])),
    ("int_val", np.int8([-3])),
    ("int_val", np.uint8([255])),
    ("int_val", np.uint16([65535])),
    ("int64_val", np.int64([-1, 2**63 - 1])),
    ("uint32_val", np.uint32([2**32 - 1])),
    ("uint64_val", np.uint64([2**64 - 1])),
    ("bool_val", np.array([True, False])),
    ("string_val", np.array([b"a\0", b"", "ü".encode()], object)),
    ("scomplex_val", np.complex64([1 + 2j, -3j])),
    ("dcomplex_val", np.complex128([1 + 2j])),
    ("float_val", np.float32(3)),
    ("float_val", np.zeros([0, 2], np.float32)),
    ("float_val", np.arange(300, dtype=np.float32).reshape(3, 100)[:, ::2]),
]


@pytest.mark.parametrize(("field", "array"), ARRAYS, ids=lambda value: getattr(value, "dtype", value))
def test_values_are_in_the_typed_field(field, array):
    proto = tensors.to_proto(np.asarray(array))
    values = [name.name for name, _ in proto.ListFields() if name.name.endswith("_val") or name.name == "tensor_content"]
    assert values == ([field] if np.size(array) else [])
    assert proto.HasField("tensor_shape")
    for found in (tensors.to_array("x", proto), tf.make_ndarray(proto)):  # ours, and what clients in Python have
        assert found.dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(("field", "array"), ARRAYS, ids=lambda value: getattr(value, "dtype", value))
def test_content_is_read_too(field, array):
    np.testing.assert_array_equal(tensors.to_array("x", tf.make_tensor_proto(array)), array)


def test_a_large_array_in_the_typed_field_is_that_of_protobuf():
    array = np.random.default_rng(0).normal(size=[2, 70_000]).astype(np.float32)
    expected = tensor_pb2.TensorProto(dtype=1, float_val=array.ravel().tolist())
    for size in array.shape:
        expected.tensor_shape.dim.add(size=size)
    assert tensors.to_proto(array) == expected


def proto(shape, dtype=1, **fields):
    made = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (proto([2, 3], float_val=[7]), [[7, 7, 7], [7, 7, 7]]),
        (proto([4], float_val=[1, 2]), [1, 2, 2, 2]),
        (proto([2]), [0, 0]),
        (proto([], float_val=[5]), 5),
        (proto([3], dtype=7, string_val=[b"a"]), [b"a"] * 3),
        (proto([2], dtype=7), [b"", b""]),
        (proto([2], dtype=19, half_val=[0x3C00]), [1, 1]),
    ],
)
def test_the_last_value_stands_for_what_is_not_said(made, expected):
    np.testing.assert_array_equal(tensors.to_array("x", made), expected)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (proto([1, 1_200_000, 200], float_val=[1]), r"x has the shape \[1, 1200000, 200\]; at most 16,777,216 elements"),
        (proto([2**40, 2**40], dtype=7, string_val=[b"a"]), "at most 16,777,216 elements"),
        (proto([-1], float_val=[1]), "no whole shape"),
        (proto([1], float_val=[1, 2]), "2 values; its shape takes 1"),
        (proto([1], tensor_content=b"12345"), "5 bytes of content; its shape takes 4"),
        (proto([1] * 300, float_val=[1]), "tensor parsing error: x"),
        (proto([2**62, 2**62, 0]), "tensor parsing error: x"),
        (proto([3], dtype=7, tensor_content=b"\1\2"), "tensor parsing error: x"),
        (tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True}), "unknown rank"),
    ],
)
def test_a_tensor_that_is_none_is_refused_before_anything_is_allocated(made, message):
    with pytest.raises(InvalidArgument, match=message):
        tensors.to_array("x", made)


def test_the_limit_of_elements():
    assert tensors.size("x", proto([3, 5], float_val=[1]), 15) == 15
    with pytest.raises(InvalidArgument, match="at most 14 elements"):
        tensors.size("x", proto([3, 5], float_val=[1]), 14)
    assert tensors.to_array("x", proto([0, 5])).shape == (0, 5)


def test_a_dtype_that_is_none_has_a_name_to_be_refused_by():
    assert tensors.dtype_name(proto([1], dtype=99)) == "number 99"
    assert tensors.dtype_name(proto([1])) == "float32"
