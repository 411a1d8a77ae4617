"""What every recipe can be told: the fields of `RunConfig` are flags, and `run` is the last line of a recipe."""

import dataclasses
import inspect
import itertools
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.errors import ZooError
from zoo.names import check_name, printable
from zoo.registry import is_installed, list_models, model_info, recipes
from zoo.startup import after_tensorflow, quiet_tensorflow


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings shared by all recipes; a recipe subclasses it, adds its own and overrides defaults."""

    # Every random number follows from it: on a CPU, equal seeds give equal weights.
    seed: int = 0
    # auto: a prepared directory, else a download, else the built-in sample; real: never the sample; sample: nothing else.
    data: Literal["auto", "real", "sample"] = "auto"
    # Directory of prepared data, with tfds/ and raw/ below it (default: $TFDS_DATA_DIR, then tfds's own directory).
    data_dir: Path | None = None
    # Passes over the training split, the weights that score best on validation being kept (default: the recipe's number, and
    # more on small data, until the model has learnt for long enough; the batch is then cut so that an epoch has 10 steps).
    epochs: int | None = None
    # Stop after this many steps without progress on validation, a better score or a lower loss (default: half of all).
    patience: int | None = None
    # End training after this many steps in all, for a try-out; the card says so.
    max_steps: int | None = None
    # Peak of the learning rate; it rises over the first 5 % of the steps and falls to zero along a cosine (default: the
    # recipe's, and a part of it where trained weights are gone on from, which a high one wrecks).
    learning_rate: float | None = None
    # Gradients are scaled down to this global norm: recurrent nets meet a cliff now and then (Pascanu et al. 2013).
    clip_norm: float = 1.0
    # Gradients of a recurrence end at every multiple of so many steps of it (truncated backpropagation through time), where
    # whole sequences (None) let them explode; what lies further back is then not learnt.
    bptt_steps: int | None = None
    # Most examples in a batch; with length buckets, in one of the longest: batches of shorter ones hold proportionally more.
    batch_size: int = 32
    # Score and keep a running mean of the weights; this is its span, as a share of all steps. 0 switches it off.
    average: float = 0.0
    # Arithmetic of training; the float16 kind needs a GPU. What is exported computes in float32 always.
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    # Go on from this artefact, name or path, in place of fresh weights: with its model and vocabularies as they are. Classes
    # are compared by name; other ones have a head that starts from what the artefact knows.
    weights: Annotated[str | None, tyro.conf.arg(name="from")] = None
    # Name of the run and of its artefact, in place of the recipe's or, of data of your own, that of the file, such as
    # my_reviews: of these nothing is published without.
    name: str | None = None
    # Where runs are kept.
    runs: Path = Path("runs")
    # Start anew even if there is an unfinished run of the same configuration.
    fresh: bool = False
    # Copy the artefact to saved_models/ as the next version.
    publish: bool = False

    # A recipe's number of epochs on the data that it was made for.
    usual_epochs: ClassVar[int] = 5
    # Its peak of the learning rate, for fresh weights.
    usual_learning_rate: ClassVar[float] = 1e-3
    # The class of its task, which an artefact has to have to be gone on from; "" for any.
    family: ClassVar[str] = ""

    def __post_init__(self):
        if self.name is not None:
            check_name(self.name, "--name")
            if self.name in list_models():
                raise ZooError(f"--name cannot be {self.name!r}, which is a builder: name it for what it is trained on.")
        for name in ("epochs", "patience", "max_steps", "bptt_steps", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ZooError(f"--{name.replace('_', '-')} must be at least 1, not {value}.")
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ZooError(f"--{name.replace('_', '-')} must be greater than 0 and finite, not {value}.")
        if not 0 <= self.average < 1:
            raise ZooError(f"--average must be at least 0 and less than 1, not {self.average}.")
        if not 0 <= self.seed < 2**31:
            raise ZooError(f"--seed must be at least 0 and less than 2**31, not {self.seed}.")


# These say where things lie and what to do with them; two runs that differ in nothing else are the same run.
_PLACES = {"data_dir", "runs", "fresh", "publish"}

# Fields whose flag has another name, which Python keeps for itself.
_FLAGS = {"weights": "from"}


def _flag(name: str) -> str:
    """The flag of a field, without the dashes before it."""
    return _FLAGS.get(name, name.replace("_", "-"))


def identity(config: RunConfig) -> dict:
    """The settings that decide what a run computes, as JSON; equal ones may continue each other's run."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {name: _as_json(value) for name, value in fields.items() if name not in _PLACES}


def _as_json(value):
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def command(config: RunConfig) -> str:
    """The command line that makes this configuration; for one that no file defines, the call in Python."""
    recipe = recipe_name(config)
    if not recipe:
        fields = [(field.name, getattr(config, field.name), field.default) for field in dataclasses.fields(config)]
        given = [f"{name}={value!r}" for name, value, default in fields if name not in _PLACES and value != default]
        return f"zoo.fit(task, data, {type(config).__name__}({', '.join(given)}))"
    flags = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name not in _PLACES and value != field.default:
            flag = _flag(field.name)
            text = shlex.join(map(str, value if isinstance(value, tuple) else [value]))
            flags.append(f"--{flag if value else 'no-' + flag}" if isinstance(value, bool) else f"--{flag} {text}")
    start = f"zoo train {recipe}" if is_installed() and recipe in recipes() else f"python recipes/{recipe}.py"
    return " ".join([start, *flags])


def run_name(config: RunConfig) -> str:
    """Name of a run and its artefact: the one that was given, else the recipe's; "" where there is neither."""
    return config.name or recipe_name(config)


def recipe_name(config: RunConfig) -> str:
    """Name of the recipe that a configuration belongs to: that of the file which defines its class; "" where none does."""
    if type(config) is RunConfig:
        return ""
    try:
        file = Path(inspect.getfile(type(config)))
    except (OSError, TypeError):  # typed in: Python names no file
        return ""
    what = "The name of a recipe's file, which its runs have too,"
    return check_name(file.stem, what) if file.is_file() else ""


def run(main, arguments=None, *, program=None):
    """Runs a recipe from the command line: flags → configuration → `main(config)`.

    Args:
        main: the recipe's `main(config: Config)`. The configuration is prepared for when TensorFlow is first needed, so that
            what is wrong with a person's own file is said before that.
        arguments: flags, those of the process if None.
        program: what the help says that the command begins with, if it is not the name of a file.

    Ends the process with code 2 and one line for anything the user can put right, with 130 when interrupted.
    """
    quiet_tensorflow()
    try:
        wanted = inspect.signature(main).parameters["config"].annotation
        config = tyro.cli(wanted, prog=program, args=_with_values(wanted, sys.argv[1:] if arguments is None else arguments))
        check_start(config)
        with after_tensorflow(lambda: prepare(config)):
            if config.precision == "mixed_float16":
                prepare(config)  # TensorFlow alone knows whether there is a GPU, and data may take minutes to read
            return main(config)
    except ZooError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in files.NO_SPACE:  # of standard output, or of a temporary file
            raise
        print(f"error: {error}. Make space; the same command continues.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command continues this run from its last full epoch.", file=sys.stderr)
        sys.exit(130)


def check_start(config: RunConfig) -> None:
    """Whether the artefact that a run is to go on from is one of the recipe's family, asked before any data are read.

    Raises:
        ZooError: if not, or if a flag asks for another model than it has.
    """
    if config.weights is None:
        return
    task, family = cards.read(find.artefact(config.weights))["task"], config.family
    if family and task["class"] != family:
        fitting = [name for name, path in find.artefacts().items() if cards.read(path)["task"]["class"] == family]
        raise ZooError(
            f"--from {config.weights}: it is of the family {task['class']}, and this recipe of {family}. It goes on from "
            f"{', '.join(fitting) or 'none of the published artefacts'}, or from the artefact of a run of its own."
        )
    arguments = model_info(task["builder"]).arguments
    for field in dataclasses.fields(config):
        if field.name in arguments and getattr(config, field.name) != field.default:
            raise ZooError(
                f"--from takes the model of {config.weights} as it is: --{_flag(field.name)} would not count. "
                "Leave one of them out."
            )


def _with_values(config, arguments) -> list[str]:
    """Flags with their values where a field is true, false or open: `--NAME` and `--no-NAME`, which tyro has for bool alone."""
    open_ones = [_flag(field.name) for field in dataclasses.fields(config) if field.type in (bool | None, "bool | None")]
    values = {f"--{name}": [f"--{name}", "True"] for name in open_ones}
    values |= {f"--no-{name}": [f"--{name}", "False"] for name in open_ones}
    return [
        part
        for flag, following in itertools.pairwise([*arguments, ""])
        for part in (values.get(flag, [flag]) if following not in ("True", "False", "None") else [flag])
    ]


def prepare(config: RunConfig) -> None:
    """Seeds the random numbers and sets the precision; to be called before a model is built."""
    import keras
    import tensorflow as tf

    if config.precision == "mixed_float16" and not tf.config.list_physical_devices("GPU"):
        raise ZooError("--precision mixed_float16 needs a GPU, and TensorFlow sees none; use float32.")
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
