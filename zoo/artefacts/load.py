"""An artefact becomes predictions. Imports TensorFlow, and nothing else of ours but the card, what checks it, and paths."""

import base64
import contextlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find, trust
from zoo.errors import ZooError


class Model:
    """A loaded artefact.

    Attributes:
        card: the card, a dict.
        directory: where it was loaded from.
        signatures: name → callable over tensors, as stored in the SavedModel.
    """

    def __init__(self, directory: Path, card: dict):
        self.directory = directory
        self.card = card
        with _readable(directory, card), files.plain(directory) as place:
            self._loaded = tf.saved_model.load(str(place))
            self.signatures = dict(self._loaded.signatures)

    def predict(self, inputs, *, signature: str = "serving_default", batch_size: int = 32) -> list[dict]:
        """Answers raw inputs.

        Args:
            inputs: a list with one item per example: a string or bytes for text; bytes (content), a `Path` (read) or
                {"b64": content} for media; an array for a series; a dict {input name: value} where the signature has
                several inputs.
            signature: a name from `signatures`.
            batch_size: examples in one call.

        Returns:
            One dict per example: output name → Python string, number, or list.

        Raises:
            ZooError: if the inputs are not such a list, or the signature does not exist.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ZooError(f"batch_size must be a whole number of at least 1, not {batch_size!r}.")
        if signature not in self.signatures:
            raise ZooError(f"There is no signature {signature!r}; there are {', '.join(sorted(self.signatures))}.")
        function = self.signatures[signature]
        specs = function.structured_input_signature[1]
        one = isinstance(inputs, (str, bytes, bytearray, Path, dict)) or getattr(inputs, "shape", None) == ()
        if one or not hasattr(inputs, "__iter__"):
            raise ZooError(f"predict takes a list with one item per example, not {type(inputs).__name__}: predict([...]).")
        columns = {name: [] for name in specs}
        for index, item in enumerate(inputs):
            for name, value in self._named(item, specs, index).items():
                columns[name].append(_checked(value, specs[name], name, index))
        count = len(next(iter(columns.values())))
        answers = []
        for start in range(0, count, batch_size):
            batch = {name: _stacked(values[start : start + batch_size], specs[name], name) for name, values in columns.items()}
            outputs = {name: value.numpy() for name, value in sorted(function(**batch).items())}
            rows = len(next(iter(outputs.values())))
            answers += [{name: readable(value[row]) for name, value in outputs.items()} for row in range(rows)]
        return answers

    @staticmethod
    def _named(item, specs, index):
        if isinstance(item, dict) and set(item) != {"b64"}:
            if set(item) != set(specs):
                raise ZooError(f"Input {index} has the keys {sorted(item)}; the signature takes {sorted(specs)}.")
            return item
        if len(specs) > 1:
            raise ZooError(f"Input {index} must be a dict with the keys {sorted(specs)}, not {type(item).__name__}.")
        return {next(iter(specs)): item}


def _checked(value, spec, name, index):
    """A raw value as what the spec's dtype takes, or a `ZooError` that names the input."""
    where = f"Input {index}, {name!r}"
    if spec.dtype == tf.string:
        return _content(value, where)
    try:
        array = np.asarray(value)
        wrong = array.dtype.kind not in ("iu" if spec.dtype.is_integer else "b" if spec.dtype.is_bool else "iufb")
        if wrong and array.size:
            raise ValueError(f"these are values of type {array.dtype}")
        array = array.astype(spec.dtype.as_numpy_dtype)
        if spec.dtype.is_integer and array.size and not np.array_equal(array, value):
            raise ValueError(f"a number is out of the range of {spec.dtype.name}")
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise ZooError(f"{where}, must be {spec.dtype.name} {spec.shape[1:]}: {error}.") from error
    if not spec.shape[1:].is_compatible_with(array.shape):
        raise ZooError(f"{where}, must have the shape {spec.shape[1:]}, not {array.shape}.")
    return array


def _content(value, where):
    """A text or the content of a file as bytes, or a `ZooError` that names the input."""
    try:
        if isinstance(value, Path):
            return value.read_bytes()
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
        if isinstance(value, str):
            return value.encode()
    except OSError as error:
        raise ZooError(f"{where}: {value} cannot be read: {error.strerror}.") from error
    except UnicodeEncodeError as error:
        character = f"U+{ord(value[error.start]):04X}"
        raise ZooError(f"{where}, is no text: it has {character}, half of a surrogate pair, at {error.start}.") from error
    except (TypeError, ValueError) as error:
        raise ZooError(f"{where}: {{'b64': ...}} must hold base64: {error}.") from error
    if isinstance(value, bytes):
        return value
    hint = "; give its .numpy()" if tf.is_tensor(value) else ""
    raise ZooError(f"{where}, must be a string or bytes, not {type(value).__name__}{hint}.")


def _stacked(values, spec, name):
    """Checked values of one batch → tensor [N, ...]."""
    if spec.dtype == tf.string:
        return tf.constant(np.array(values, dtype=object), tf.string)
    if len(shapes := {value.shape for value in values}) > 1:
        raise ZooError(
            f"Inputs {name!r} of one batch must have one shape, not {', '.join(map(str, sorted(shapes)))}; "
            "predict those of each shape on their own, or with batch_size=1."
        )
    return tf.constant(np.stack(values))


def readable(value):
    """A numpy value as plain Python."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return [readable(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def load(name, version: int | None = None, *, trusted: bool = False) -> Model:
    """Loads a published artefact by name, or one by path, after checking the hashes of its files and the ops of its graph.

    Args:
        name: looked up in `$ZOO_MODELS`, `./saved_models` and the checkout, or a path.
        version: the newest if None.
        trusted: load whatever ops the graph holds, also those that read and write files or run Python; see SECURITY.md.

    Returns:
        A `Model` with `.predict(inputs)`, `.signatures` and `.card`.

    Raises:
        ZooError: if there is none of that name, a file of it is missing or not the one that was exported, or its graph could
            do more than compute and `trusted` is not set.
    """
    return Model(*checked(name, version, trusted=trusted))


def checked(name, version: int | None = None, *, trusted: bool = False) -> tuple[Path, dict]:
    """The directory and the card of an artefact that may be loaded; arguments and errors as of `load`."""
    directory = find.artefact(name, version)
    card = cards.read(directory)
    cards.verify(directory, card)
    if not trusted:
        with _readable(directory, card):
            trust.check(directory)
    return directory, card


@contextlib.contextmanager
def _readable(directory: Path, card: dict):
    """Inside it an error says which TensorFlow could not read files that are those of the card: an older one, most likely."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        wanted = card["versions"].get("tensorflow", "another one")
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ZooError(f"TensorFlow {tf.__version__} cannot load {directory}, made with {wanted}: {reason}") from error
