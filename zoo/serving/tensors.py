"""Between `TensorProto` and arrays, as TensorFlow Serving has them in gRPC: with the values in typed fields.

Source: tensorflow/core/framework/tensor.cc (`Tensor::FromProto`, `Tensor::AsProtoField`)
"""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from zoo.serving.errors import InvalidArgument

LARGEST = 2**24  # elements of an input
FIELDS = {name: field.number for name, field in tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name.items()}
# Field of a dtype's values; those of FLOATS travel as their bytes, one behind the other.
FLOATS = {
    tf.float32: ("float_val", "<f4"),
    tf.float64: ("double_val", "<f8"),
    tf.complex64: ("scomplex_val", "<c8"),
    tf.complex128: ("dcomplex_val", "<c16"),
}
OTHERS = {
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
}


def dtype_name(proto: tensor_pb2.TensorProto) -> str:
    """Name of a tensor's dtype; a number that is no dtype's is shown as it is."""
    try:
        return tf.dtypes.as_dtype(proto.dtype).name
    except TypeError:
        return f"number {proto.dtype}"


def size(name: str, proto: tensor_pb2.TensorProto, largest: int = LARGEST) -> int:
    """Elements of a tensor, by its shape: one value may stand for all of them, so a few bytes can ask for any number.

    Nothing is allocated here; call it before `to_array`.

    Raises:
        InvalidArgument: if there are more than `largest`, or the shape is none.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(dim < 0 for dim in shape):
        raise InvalidArgument(f"input {name} has no whole shape: {shape or 'unknown rank'}")
    elements = math.prod(shape)
    if elements > largest:
        raise InvalidArgument(f"input {name} has the shape {shape}; at most {largest:,} elements are taken")
    return elements


def to_array(name: str, proto: tensor_pb2.TensorProto, largest: int = LARGEST) -> np.ndarray:
    """A tensor as an array: from its content, or from a typed field, whose last value stands for what is not said.

    Raises:
        InvalidArgument: as `size`, or if the values are not those of the shape.
    """
    elements, dtype = size(name, proto, largest), tf.dtypes.as_dtype(proto.dtype)
    if proto.tensor_content and dtype != tf.string:
        given, taken = len(proto.tensor_content), elements * dtype.size
        if given != taken:
            raise InvalidArgument(f"tensor parsing error: {name} has {given} bytes of content; its shape takes {taken}")
    elif not proto.tensor_content:
        each = 2 if dtype.is_complex else 1
        given = len(getattr(proto, field(dtype))) // each
        if given > elements:
            raise InvalidArgument(f"tensor parsing error: {name} has {given} values; its shape takes {elements}")
    try:
        return as_numpy(tf.io.parse_tensor(proto.SerializeToString(), dtype))
    except Exception as error:  # of a broken one TensorFlow and NumPy raise many kinds
        raise InvalidArgument(f"tensor parsing error: {name}") from error


def as_numpy(tensor: tf.Tensor) -> np.ndarray:
    """A tensor's values as an array, strings as Python objects: NumPy's own strings lose zeros at their end."""
    return np.asarray(tensor.numpy(), object if tensor.dtype == tf.string else None)


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """An array as a tensor, its values in the typed field; an array of Python objects is one of strings."""
    dtype = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.SetInParent()
    for length in array.shape:
        proto.tensor_shape.dim.add(size=length)
    if dtype in FLOATS:  # 1.6 ms for a million of float32 where `extend` takes 85
        name, layout = FLOATS[dtype]
        content = array.astype(layout, copy=False).tobytes()
        proto.MergeFromString(_varint(FIELDS[name] << 3 | 2) + _varint(len(content)) + content)
    elif dtype == tf.string:
        proto.string_val.extend(item if isinstance(item, bytes) else str(item).encode() for item in array.ravel())
    else:
        values = array.view(np.uint16) if OTHERS.get(dtype) == "half_val" else array
        getattr(proto, field(dtype)).extend(values.ravel().tolist())
    return proto


def field(dtype: tf.DType) -> str:
    """Name of the typed field that holds a dtype's values."""
    return FLOATS[dtype][0] if dtype in FLOATS else OTHERS.get(dtype, "int_val")


def _varint(number):
    """A number as the wire format of protocol buffers has it: seven bits a byte, the lowest first."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
