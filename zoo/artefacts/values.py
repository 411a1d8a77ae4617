"""What a raw value is, and how it goes in and out: a text, a label, the content of a file, or an array of numbers.

The name of an input or output tells the content of a file from a text: it ends in "_bytes" (`image_bytes`, `audio_bytes`,
`midi_bytes`, `video_bytes`). Such a value is never decoded as text; Python has it as bytes, JSON as {"b64": ...}. Needs NumPy
only: clients work without TensorFlow.
"""

import base64
import contextlib
import json
from pathlib import Path

import numpy as np

from zoo.errors import ZooError

# What a file is called where nobody named it.
FILES = {"image_bytes": "image.png", "audio_bytes": "audio.wav", "midi_bytes": "tune.mid", "video_bytes": "video.gif"}
SHOWN = 80  # characters of a value in a message


def is_file(name: str) -> bool:
    """Whether the values of an input or output are contents of files, by its name."""
    return name.endswith("_bytes")


def file_name(name: str) -> str:
    """What the file of an input or output may be called."""
    return FILES.get(name, f"{name.removesuffix('_bytes')}.bin")


# What Python is given


def items(inputs) -> list:
    """The raw inputs of a prediction as a list.

    Raises:
        ZooError: if they are one input rather than a list of them.
    """
    one = isinstance(inputs, (str, bytes, bytearray, memoryview, Path, dict)) or getattr(inputs, "shape", None) == ()
    try:
        found = iter(None if one else inputs)
    except TypeError as error:
        message = f"predict takes a list with one item per example, not {type(inputs).__name__}: give [...]."
        raise ZooError(message) from error
    return list(found)


def named(item, names, index: int) -> dict:
    """Input name → value of one raw input.

    Args:
        item: the value of the only input, or a dict {input name: value}.
        names: of the signature's inputs.
        index: which one it is, from 0, for the message.

    Raises:
        ZooError: if there are others, or it does not say which value is whose.
    """
    if isinstance(item, dict) and not is_base64(item):
        if set(item) != set(names):
            raise ZooError(f"Input {index} has the keys {sorted(map(str, item))}; the signature takes {sorted(names)}.")
        return item
    if len(names) != 1:
        raise ZooError(f"Input {index} must be a dict with the keys {sorted(names)}, not {type(item).__name__}.")
    return {next(iter(names)): item}


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
            return from_base64(value["b64"])
        except ValueError as error:
            raise ZooError(f"{{'b64': ...}} must hold base64: {error}.") from error
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
            letter = f"U+{ord(value[error.start]):04X}"
            raise ZooError(f"it has {letter}, half of a surrogate pair, at {error.start}") from error
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


# What Python gets


def text(value: bytes) -> str:
    """A text of a model as Python has it; what is no UTF-8 in it is replaced."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def as_python(value, name: str):
    """A NumPy value of the output of a name as plain Python: a text, the bytes of a file, a number, or lists of them."""
    if isinstance(value, bytes):
        return value if is_file(name) else text(value)
    if isinstance(value, np.ndarray):
        return [as_python(item, name) for item in value] if value.ndim else as_python(value.item(), name)
    return value.item() if isinstance(value, np.generic) else value


# JSON


def is_base64(value) -> bool:
    """Whether a value is the content of a file as JSON has it: {"b64": text}."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), (str, bytes))


def from_base64(text: str | bytes) -> bytes:
    """What a text in base64 stands for; with white space in it, and without padding at its end, too.

    Raises:
        ValueError: if it is no base64.
    """
    content = text.encode() if isinstance(text, str) else text
    content = b"".join(content.split())  # lines of 76 characters, as MIME has them
    return base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)


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


def from_json(value):
    """A value that JSON carried as plain Python: the content of a file as bytes.

    Raises:
        ZooError: if a text is no base64.
    """
    if is_base64(value):
        return content(value)
    if isinstance(value, dict):
        return {name: from_json(item) for name, item in value.items()}
    return [from_json(item) for item in value] if isinstance(value, list) else value


# What people see


def with_sizes(value):
    """A value for people: in place of the content of a file stands its size, "(12,345 bytes)"."""
    if is_base64(value):
        letters = "".join(text(value["b64"]).split()).rstrip("=")
        return f"({len(letters) * 3 // 4:,} bytes)"
    if isinstance(value, bytes):
        return f"({len(value):,} bytes)"
    if isinstance(value, dict):
        return {name: with_sizes(item) for name, item in value.items()}
    return [with_sizes(item) for item in value] if isinstance(value, list) else value


def as_code(value, name: str) -> str:
    """A raw input of a card as the Python that a reader would write: the content of a file is the path of one."""
    if is_base64(value):
        return f'Path("{file_name(name)}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_code(item, key)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def shown(value) -> str:
    """The beginning of a value as JSON, for a message; no more of it is written than that."""
    found = ""
    for piece in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        found += piece[: SHOWN + 1]
        if len(found) > SHOWN:
            return f"{found[:SHOWN]}..."
    return found
