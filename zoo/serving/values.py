"""A user's raw values, lists and arrays as the two protocols carry them. Needs NumPy only."""

import base64
import binascii
import contextlib
from pathlib import Path

import numpy as np

from zoo.errors import ZooError


def is_base64(value) -> bool:
    """Whether a value is the content of a file as JSON has it: {"b64": text}."""
    return isinstance(value, dict) and set(value) == {"b64"}


def content(value):
    """The bytes of a `Path` or a {"b64": text}; any other value as it is, a tensor or series as an array or lists.

    Raises:
        ZooError: if a file cannot be read, a text is no base64, or an array is out of reach.
    """
    if isinstance(value, Path):
        try:
            return value.read_bytes()
        except OSError as error:
            raise ZooError(f"{value} cannot be read: {error.strerror}.") from error
    if is_base64(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ZooError(f'The value of "b64" is not base64: {error}.') from error
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (np.ndarray, np.generic, str, bytes, list, tuple, dict, bool, int, float, type(None))):
        return value
    try:
        if not hasattr(value, "__array__") and hasattr(value, "to_list"):  # a ragged tensor
            return value.to_list()
        array = np.asarray(value)
    except Exception as error:  # whatever another library raises, as for a tensor on a GPU
        raise ZooError(f"A {type(value).__name__} cannot be read as an array: {error}") from error
    if array.dtype.kind != "O" or array.ndim:
        return array
    if not isinstance(array.item(), (str, bytes)):
        raise ZooError(f"A {type(value).__name__} is no text, number, file or list of them.")
    return array.item()


def shape(value):
    """Shape of a value by its first items, for each input where there are several; rows of one shape fit into one request."""
    if isinstance(value, dict) and not is_base64(value):
        return tuple((name, shape(item)) for name, item in sorted(value.items(), key=str))
    if isinstance(value, (Path, dict)):
        return ()
    value = content(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.shape
    return (len(value), *(shape(value[0]) if value else ())) if isinstance(value, (list, tuple)) else ()


def as_json(value):
    """A value as TensorFlow Serving's JSON has it: bytes in base64, arrays as lists.

    Raises:
        ZooError: as `content`, or if JSON has nothing for it.
    """
    if isinstance(value, dict) and not is_base64(value):
        return {str(name): as_json(item) for name, item in value.items()}
    value = content(value)
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, str):
        if value.dtype.kind == "V":  # bfloat16 and its like
            value = value.astype(np.float32)
        if value.dtype.kind not in "biufSUO":
            raise ZooError(f"JSON has nothing for {value.dtype.name}; GrpcClient carries it.")
        value = value.tolist()
        return as_json(value) if isinstance(value, (list, bytes)) else value
    return value


def as_array(value, dtype: np.dtype) -> np.ndarray:
    """A value as an array of a dtype; `object` for bytes, which stand for texts too.

    Raises:
        ZooError: as `content`, or if it cannot be had without a loss that JSON would refuse as well: 3.5 as a whole number, 300
            as a uint8, a text as a number.
    """
    if dtype.kind == "O":
        return _texts(value)
    value = content(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ZooError(f"its rows have not the same length: {error}") from error
    if array.dtype.kind == "O" and dtype.kind == "f" and all(isinstance(item, int) for item in array.ravel()):
        with contextlib.suppress(OverflowError):  # whole numbers of more than 64 bits
            array = array.astype(np.float64)
    kind, wanted = array.dtype.kind, "bool" if dtype.kind == "b" else dtype.name
    if kind == "O":
        raise ZooError(f"{array.ravel()[0]!r:.40} is no {wanted}" if array.size else "an empty array of objects")
    fits = {"b": "b", "i": "iu", "u": "iu", "c": "iufcV"}.get(dtype.kind, "iufV")
    if kind not in fits and array.size:
        raise ZooError(f"{array.ravel()[0]!r:.40} is no {wanted}")
    if dtype.kind in "iu" and array.size:
        low, high = (int(limit) for limit in (array.min(), array.max()))
        limits = np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise ZooError(f"{low if low < limits.min else high} is beyond {wanted}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if dtype.kind == "f" and kind == "f" and not np.array_equal(np.isinf(array), np.isinf(converted)):
        raise ZooError(f"{array[np.isinf(array) != np.isinf(converted)][0]!r:.40} is beyond {wanted}")
    return converted


def _texts(value):
    """Nested texts and bytes as an array of bytes."""
    value = content(value)
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError as error:
            raise ZooError(f"{value!r:.40} holds half of a surrogate pair, which is no character") from error
    if isinstance(value, (list, tuple)):
        rows = [_texts(item) for item in value]
        if len(shapes := {row.shape for row in rows}) > 1:
            raise ZooError(f"its rows have not the same shape: {', '.join(map(str, sorted(shapes)))}")
        return np.stack(rows) if rows else np.empty([0], object)
    if not isinstance(value, bytes):
        raise ZooError(f"{value!r:.40} is no text")
    array = np.empty([], object)
    array[()] = value
    return array
