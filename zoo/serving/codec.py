"""Between JSON and arrays, as TensorFlow Serving's REST API has them: rows ("instances"), columns ("inputs"), base64.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import json
import math

import numpy as np
import orjson

from zoo.artefacts.values import as_json, from_base64, is_base64, is_file, shown, text
from zoo.serving.errors import InvalidArgument, Unimplemented

# What JSON's numbers and truth values are converted to and from; as in TensorFlow Serving, not float16, bfloat16 and complex.
NUMBERS = {"float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool"}
DEEPEST = 64  # dimensions of an array
KINDS = {int: "Number", float: "Number", str: "String", list: "Array", dict: "Object", type(None): "Null"}


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
        request = _loads(body)
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except RecursionError as error:
        raise InvalidArgument("JSON Parse error: The document is nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise InvalidArgument(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise InvalidArgument(f"JSON Value: {shown(request)} Is not object")
    return request


def _loads(body):
    try:
        return orjson.loads(body)  # three to five times as fast as `json`
    except orjson.JSONDecodeError:
        if b"NaN" in body or b"Infinity" in body:  # no JSON, and taken nevertheless
            return json.loads(body.decode())
        raise


def signature_name(request: dict) -> str:
    """Name of the signature that is asked for; "" if none is named."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument(f"JSON Value: {shown(name)} not formatted correctly. 'signature_name' must be a string value.")
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
    if not specs:
        raise InvalidArgument("Failed to get input map for signature: it takes no inputs")
    if ("instances" in request) == ("inputs" in request):
        if "inputs" in request:
            raise InvalidArgument("Not formatted correctly: expecting only one of 'inputs' or 'instances' keys to exist")
        raise InvalidArgument("Missing 'inputs' or 'instances' key")
    if "instances" in request:
        return _columns(request["instances"], specs), True
    values = request["inputs"]
    if not isinstance(values, dict) or is_base64(values):
        if len(specs) > 1:
            raise InvalidArgument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                f"{', '.join(sorted(specs))}"
            )
        values = {next(iter(specs)): values}
    if missing := sorted(set(specs) - set(values)):
        raise InvalidArgument(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: _array(values[name], spec) for name, spec in specs.items()}, False


def reply(outputs: dict[str, np.ndarray], in_rows: bool) -> bytes:
    """The JSON of output tensors; a name that ends in "_bytes" tells that a string is binary.

    Raises:
        InvalidArgument: if a row form is asked for and the outputs have not the same number of rows.
    """
    if not outputs:
        raise InvalidArgument("Cannot convert empty tensor map to JSON")
    if in_rows:
        rows = None
        for name, value in sorted(outputs.items()):
            if not value.shape:
                raise InvalidArgument(f"Tensor name: {name} has no shape information; ask for it in columns ('inputs').")
            if rows not in (None, len(value)):
                raise InvalidArgument(
                    f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {rows}; "
                    "ask for it in columns ('inputs')."
                )
            rows = len(value)
    if other := [value.dtype.name for value in outputs.values() if value.dtype.name not in {*NUMBERS, "object"}]:
        raise InvalidArgument(f"Failed to write JSON value for tensor type: {other[0]}")
    lists = {name: _plain(value, name) for name, value in sorted(outputs.items())}
    if len(lists) == 1:
        (values,) = lists.values()
    elif in_rows:
        values = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    else:
        values = lists
    return json.dumps({"predictions" if in_rows else "outputs": values}, ensure_ascii=False).encode()


def _columns(instances, specs):
    if not isinstance(instances, list):
        raise InvalidArgument(f"JSON Value: {shown(instances)} Expecting 'instances' to be a list/array")
    if not instances:
        raise InvalidArgument("No values in 'instances' array")
    named = isinstance(instances[0], dict) and not is_base64(instances[0])
    if not named and len(specs) > 1:
        raise InvalidArgument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required: "
            f"{', '.join(sorted(specs))}"
        )
    for index, item in enumerate(instances):
        if named != (isinstance(item, dict) and not is_base64(item)):
            expected, got = ("object", "value/list") if named else ("value/list", "object")
            raise InvalidArgument(f"Expecting {expected} but got {got} at item {index} of input list")
        if named and set(item) != set(specs):
            raise InvalidArgument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {shown(item)} "
                f"keys must be equal to: {','.join(sorted(specs))}"
            )
    if not named:
        (name,) = specs
        return {name: _rows(instances, specs[name])}
    return {name: _rows([item[name] for item in instances], spec, f" key: {name}") for name, spec in specs.items()}


def _rows(values, spec, key=""):
    """One value for each row as an array, or an error that names the first row that is wrong."""
    try:
        return _array(values, spec)
    except (InvalidArgument, Unimplemented) as error:
        right, wrong = 0, len(values)  # rows before `right` are right, one before `wrong` is not
        while wrong - right > 1:
            middle = (right + wrong) // 2
            try:
                _array([values[0], *values[right:middle]], spec)
                right = middle
            except (InvalidArgument, Unimplemented):
                wrong = middle
        reason = error
        try:
            shapes = [list(_array(value, spec).shape) for value in (values[0], values[right])]
            if shapes[0] != shapes[1]:
                reason = f"Expecting tensor size: {shapes[0]} but got: {shapes[1]}"
        except (InvalidArgument, Unimplemented) as own:
            reason = own
        raise InvalidArgument(f"Failed to process element: {right}{key} of 'instances' list. Error: {reason}") from error


def _array(values, spec):
    """A value or nested list as an array of a spec's dtype and of the shape that its first items have."""
    shape, level = [], values
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    if len(shape) > DEEPEST:
        raise InvalidArgument(f"A list is nested {len(shape)} levels deep; a tensor has {DEEPEST} dimensions at most")
    flat = []
    _flatten(values, shape, 0, flat)
    flat = _converted(flat, spec.dtype)
    array = np.empty(len(flat), object if spec.dtype.name == "string" else spec.dtype.as_numpy_dtype)
    array[:] = flat
    return array.reshape(shape)


def _flatten(value, shape, level, flat):
    if level == len(shape):
        if isinstance(value, list):
            raise InvalidArgument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        flat.append(value)
        return
    if not isinstance(value, list):
        where = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {len(shape)}"
        raise InvalidArgument(f"JSON Value: {shown(value)} {where}")
    if len(value) != (size := shape[level]):
        raise InvalidArgument(f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {size}")
    if level == len(shape) - 1 and not any(isinstance(item, list) for item in value):
        flat.extend(value)
    else:
        for item in value:
            _flatten(item, shape, level + 1, flat)


def _converted(values, dtype):
    """JSON values as what a dtype holds."""
    if dtype.name == "string":
        return [_bytes(value) for value in values]
    if dtype.name not in NUMBERS:
        raise Unimplemented(f"Conversion of JSON Value: {shown(values[0] if values else [])} to type: {dtype.name}")
    allowed = {bool} if dtype.is_bool else {int, float} if dtype.is_floating else {int}
    if not set(map(type, values)) <= allowed:
        raise _wrong_type(next(value for value in values if type(value) not in allowed), dtype.name)
    if dtype.is_floating:
        largest = np.finfo(dtype.as_numpy_dtype).max.item()
        for value in values:  # a whole number may lose digits: JavaScript writes 1e9 as one
            if abs(value) > largest and abs(value) != math.inf:
                raise InvalidArgument(f"Cannot convert JSON value: {shown(value)} to {dtype.name} without loss of precision.")
    elif not dtype.is_bool:
        limits = np.iinfo(dtype.as_numpy_dtype)
        for value in values:
            if not limits.min <= value <= limits.max:
                raise _wrong_type(value, dtype.name)
    return values


def _bytes(value):
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgument("A string holds half of a surrogate pair, which is no character") from error
    if not isinstance(value, dict):
        raise _wrong_type(value, "string")
    if not is_base64(value):
        raise InvalidArgument(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        return from_base64(value["b64"])
    except ValueError as error:
        raise InvalidArgument(f"Unable to base64 decode: {error}") from error


def _wrong_type(value, dtype):
    kind = str(value) if isinstance(value, bool) else KINDS[type(value)]
    return InvalidArgument(f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {dtype}")


def _plain(value, name):
    """The array of an output as nested lists of what JSON can hold."""
    if value.dtype == object:
        write = as_json if is_file(name) else text
        flat = [write(item) for item in value.ravel()]
    elif value.dtype == np.float32:
        flat = [float(str(item)) for item in value.ravel()]  # 0.2, where the nearest double would be 0.20000000298023224
    else:
        return value.tolist()
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(value.shape).tolist()
