"""An artefact becomes predictions. Imports TensorFlow, and of ours only the card, what checks it, paths and values."""

import contextlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find, streaming, trust, values
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
            One dict per example: output name → Python string, number, or list; bytes where the name ends in "_bytes".

        Raises:
            ZooError: if the inputs are not such a list, or the signature does not exist.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ZooError(f"batch_size must be a whole number of at least 1, not {batch_size!r}.")
        if signature not in self.signatures:
            raise ZooError(f"There is no signature {signature!r}; there are {', '.join(sorted(self.signatures))}.")
        function = self.signatures[signature]
        specs = function.structured_input_signature[1]
        columns = {name: [] for name in specs}
        for index, item in enumerate(values.items(inputs)):
            for name, value in values.named(item, specs, index).items():
                columns[name].append(_checked(value, specs[name], name, index))
        count = len(next(iter(columns.values())))
        answers = []
        for start in range(0, count, batch_size):
            stop = start + batch_size
            batch = {name: _stacked(arrays[start:stop], specs[name], name) for name, arrays in columns.items()}
            outputs = {name: value.numpy() for name, value in sorted(function(**batch).items())}
            rows = len(next(iter(outputs.values())))
            answers += [{name: values.as_python(value[row], name) for name, value in outputs.items()} for row in range(rows)]
        return answers

    def stream(self, prompt: str, **options):
        """Goes on from a prompt, and gives each piece of the text as soon as it is known: an iterator of strings.

        Args:
            prompt: what to go on from.
            **options: length, temperature, top_k, top_p and seed, see `zoo.artefacts.streaming.stream`.

        Raises:
            ZooError: if this is no language model, or an option is out of range.
        """
        if missing := [name for name in streaming.NEEDED if name not in self.signatures]:
            raise ZooError(f"{self.card['name']} writes no text step by step: it has no signature {' and no '.join(missing)}.")

        def ask(signature, inputs):
            function = self.signatures[signature]
            specs = function.structured_input_signature[1]
            outputs = function(**{name: tf.constant([value], specs[name].dtype) for name, value in inputs.items()})
            row = {name: value.numpy()[0] for name, value in outputs.items()}
            return {name: values.as_python(value, name) if name == "piece" else value for name, value in row.items()}

        return streaming.stream(ask, prompt, **options)


def _checked(value, spec, name, index):
    """A raw value as an array of what a spec says, or a `ZooError` that names the input."""
    where = f"Input {index}, {name!r}"
    try:
        array = values.as_array(value, np.dtype(spec.dtype.as_numpy_dtype))
    except ZooError as error:
        wanted = f"{spec.dtype.name} {spec.shape[1:]}"
        if spec.dtype == tf.string:
            wanted = "bytes, a Path or {'b64': ...}" if values.is_file(name) else "a string or bytes"
        raise ZooError(f"{where}, must be {wanted}: {str(error).removesuffix('.')}.") from error
    if not spec.shape[1:].is_compatible_with(array.shape):
        raise ZooError(f"{where}, must have the shape {spec.shape[1:]}, not {array.shape}.")
    return array


def _stacked(arrays, spec, name):
    """Checked values of one batch → tensor [N, ...]."""
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise ZooError(
            f"Inputs {name!r} of one batch must have one shape, not {', '.join(map(str, sorted(shapes)))}; "
            "predict those of each shape on their own, or with batch_size=1."
        )
    return tf.constant(np.stack(arrays), spec.dtype)


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
