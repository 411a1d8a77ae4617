"""Between JSON and arrays, as TensorFlow Serving's REST API has them: rows ("instances"), columns ("inputs"), base64.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import json
import math

import numpy as np

from zoo.serving.errors import InvalidArgument

KINDS = {bool: "Bool", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object", type(None): "Null"}
SHOWN = 80  # characters of a value in a message


def decode(body: bytes, specs_of) -> tuple[str, dict[str, np.ndarray], bool]:
    """A request's signature name, input tensors, and whether it is in row form.

    Args:
        body: JSON.
        specs_of: name of a signature, "" for the default → input name → `tf.TensorSpec`.

    Raises:
        InvalidArgument: if the request is not JSON, or does not say what the signature takes.
    """
    request = parse(body)
    signature = signature_name(request)
    return signature, *arrays(request, specs_of(signature))


def parse(body: bytes) -> dict:
    """A request's JSON object; NaN and Infinity are numbers, as in TensorFlow Serving."""
    if not body:
        raise InvalidArgument("JSON Parse error: The document is empty")
    try:
        request = json.loads(body)
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (UnicodeDecodeError, ValueError) as error:  # also an integer of more digits than Python converts
        raise InvalidArgument(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise InvalidArgument(f"JSON Value: {_shown(request)} Is not object")
    return request


def signature_name(request: dict) -> str:
    """Name of the signature that is asked for; "" if none is named."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument(f"JSON Value: {_shown(name)} not formatted correctly. 'signature_name' must be a string value.")
    return name


def arrays(request: dict, specs: dict) -> tuple[dict[str, np.ndarray], bool]:
    """The input tensors of a request.

    Args:
        request: what `parse` gives.
        specs: input name → `tf.TensorSpec`.

    Returns:
        Input name → array, and whether the request is in row form.

    Raises:
        InvalidArgument: if the request does not say what the signature takes.
    """
    if ("instances" in request) == ("inputs" in request):
        if "inputs" in request:
            raise InvalidArgument("Not formatted correctly: expecting only one of 'inputs' or 'instances' keys to exist")
        raise InvalidArgument("Missing 'inputs' or 'instances' key")
    if "instances" in request:
        return _columns(request["instances"], specs), True
    values = request["inputs"]
    if not isinstance(values, dict) or _is_base64(values):
        if len(specs) > 1:
            raise InvalidArgument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                f"{', '.join(sorted(specs))}"
            )
        values = {next(iter(specs)): values}
    if missing := sorted(set(specs) - set(values)):
        raise InvalidArgument(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: _array(values[name], spec, name) for name, spec in specs.items()}, False


def reply(outputs: dict[str, np.ndarray], in_rows: bool) -> bytes:
    """The JSON of output tensors; a name that ends in "_bytes" tells that a string is binary.

    Raises:
        InvalidArgument: if a row form is asked for and the outputs have not the same number of rows.
    """
    if in_rows and len({value.shape[:1] for value in outputs.values()} | {()}) > 2:
        raise InvalidArgument("The outputs have inconsistent batch sizes; ask for them in columns ('inputs').")
    if in_rows and any(not value.shape for value in outputs.values()):
        raise InvalidArgument("An output has no rows; ask for it in columns ('inputs').")
    lists = {name: _plain(value, name.endswith("_bytes")) for name, value in sorted(outputs.items())}
    if len(lists) == 1:
        (values,) = lists.values()
    elif in_rows:
        values = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    else:
        values = lists
    return json.dumps({"predictions" if in_rows else "outputs": values}, ensure_ascii=False).encode()


def _columns(instances, specs):
    if not isinstance(instances, list):
        raise InvalidArgument(f"JSON Value: {_shown(instances)} Expecting 'instances' to be a list/array")
    if not instances:
        raise InvalidArgument("No values in 'instances' array")
    named = isinstance(instances[0], dict) and not _is_base64(instances[0])
    if not named and len(specs) > 1:
        raise InvalidArgument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required: "
            f"{', '.join(sorted(specs))}"
        )
    for index, item in enumerate(instances):
        if named != (isinstance(item, dict) and not _is_base64(item)):
            expected, got = ("object", "value/list") if named else ("value/list", "object")
            raise InvalidArgument(f"Expecting {expected} but got {got} at item {index} of input list")
        if named and set(item) != set(specs):
            raise InvalidArgument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_shown(item)} "
                f"keys must be equal to: {','.join(sorted(specs))}"
            )
    if not named:
        (name,) = specs
        return {name: _array(instances, specs[name], name)}
    return {name: _array([item[name] for item in instances], spec, name) for name, spec in specs.items()}


def _array(values, spec, name):
    """A nested list as the array that a spec describes."""
    shape, level = [], values
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    rank = spec.shape.rank
    if len(shape) > rank or (len(shape) < rank and 0 not in shape):  # of an empty list the inner dimensions are not seen
        raise InvalidArgument(f"{name}: JSON Value: {_shown(values)} has {len(shape)} dimensions; the signature takes {rank}")
    flat = []
    _flatten(values, shape, 0, flat, name)
    dtype = object if spec.dtype.name == "string" else spec.dtype.as_numpy_dtype
    array = np.empty(len(flat), dtype)
    array[:] = _converted(flat, spec.dtype, name)
    return array.reshape(shape)


def _flatten(value, shape, level, flat, name):
    if level == len(shape):
        if isinstance(value, list):
            raise InvalidArgument(f"{name}: Encountered list at unexpected level: {level} expected < {len(shape)}")
        flat.append(value)
        return
    if not isinstance(value, list):
        raise InvalidArgument(f"{name}: JSON Value: {_shown(value)} found at incorrect level: {level} of nested lists")
    if len(value) != shape[level]:
        raise InvalidArgument(
            f"{name}: Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == len(shape) - 1 and not any(isinstance(item, list) for item in value):
        flat.extend(value)
    else:
        for item in value:
            _flatten(item, shape, level + 1, flat, name)


def _converted(values, dtype, name):
    """JSON values as what a dtype holds."""
    if dtype.name == "string":
        return [_bytes(value, name) for value in values]
    allowed = {bool} if dtype.is_bool else {int, float} if dtype.is_floating else {int}
    if not set(map(type, values)) <= allowed:
        raise _wrong_type(next(value for value in values if type(value) not in allowed), dtype.name, name)
    if dtype.is_bool:
        return values
    if dtype.is_floating:  # whole numbers as far as every one of them can be told apart
        information = np.finfo(dtype.as_numpy_dtype)
        largest, whole = float(information.max), 2 ** (information.nmant + 1) - 1
        lossy = (
            value for value in values if abs(value) > (largest if type(value) is float else whole) and abs(value) != math.inf
        )
    else:
        limits = np.iinfo(dtype.as_numpy_dtype)
        lossy = (value for value in values if not int(limits.min) <= value <= int(limits.max))
    for value in lossy:
        raise InvalidArgument(f"{name}: Cannot convert JSON value: {_shown(value)} to {dtype.name} without loss of precision.")
    return values


def _bytes(value, name):
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"{name}: a string holds half of a surrogate pair, which is no character") from error
    if not _is_base64(value):
        raise _wrong_type(value, "string", name)
    text = value["b64"]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument(f"{name}: Unable to base64 decode: {error}") from error


def _wrong_type(value, dtype, name):
    kind = KINDS[type(value)]
    return InvalidArgument(f"{name}: JSON Value: {_shown(value)} Type: {kind} is not of expected type: {dtype}")


def _is_base64(value):
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _plain(value, binary):
    """An array as nested lists of what JSON can hold."""
    if value.dtype == object:
        flat = [item if isinstance(item, bytes) else str(item).encode() for item in value.ravel()]
        if binary:
            flat = [{"b64": base64.b64encode(item).decode()} for item in flat]
        else:
            flat = [item.decode("utf-8", errors="replace") for item in flat]
    elif value.dtype in (np.float32, np.float16):
        flat = [float(str(item)) for item in value.ravel()]  # 0.2, where the nearest double would be 0.20000000298023224
    else:
        return value.tolist()
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(value.shape).tolist()


def _shown(value):
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
