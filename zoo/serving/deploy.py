"""Configurations of TensorFlow Serving, Docker Compose, Kubernetes, Prometheus and Grafana for the artefacts that are there."""

import itertools
import math
import os
import re
import statistics
import string
import time
from dataclasses import dataclass
from pathlib import Path

from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.errors import ZooError
from zoo.names import valid_name

IMAGE = "tensorflow/serving:2.19.1"
OTHERS = {"prometheus": "v3.5.0", "grafana": "12.1.0"}
TEMPLATES = Path(__file__).with_name("templates")
VERBATIM = ("grafana/dashboard.json",)  # its own words begin with $
# GiB of memory: the server with its batches and 0.6 for images of 64 megapixels; a version's graph; a byte of its weights;
# the libraries of CUDA.
SERVER, GRAPH, WEIGHTS, CUDA = 1.5, 0.2, 3 / 2**30, 5
REQUEST = 512  # rows of a request, and of all that wait
LARGEST = 64  # rows of a batch that are tried
NEAR = 1.1  # a row that takes so much longer than at the best size is not worth more latency
SECONDS = 1.0  # about how long a batch size is timed


@dataclass(frozen=True)
class Timing:
    """How long an artefact takes, on this machine.

    Attributes:
        milliseconds: rows of a batch → median of a call of `serving_default`.
    """

    milliseconds: dict[int, float]

    @property
    def max_batch_size(self) -> int:
        """The smallest size at which a row takes about as long as at the best one: one slow measurement decides nothing."""
        row = {size: milliseconds / size for size, milliseconds in self.milliseconds.items()}
        return min(size for size in row if row[size] <= NEAR * min(row.values()))

    @property
    def timeout_micros(self) -> int:
        """Half as long as one row takes: a request that comes alone pays no more than that for the company of others."""
        return round(500 * self.milliseconds[1])


def measure(name, *, trusted=False) -> Timing:
    """Times an artefact with the examples of its card.

    Args:
        name: name or path of an artefact.
        trusted: see `zoo.load`.
    """
    from zoo.artefacts import load as loading

    model = loading.load(name, trusted=trusted)
    examples = [example["input"] for example in model.card["examples"]]
    found, size = {}, 1
    while size <= LARGEST:
        inputs = list(itertools.islice(itertools.cycle(examples), size))
        model.predict(inputs, batch_size=size)
        times, end = [], time.perf_counter() + SECONDS
        while not times or (time.perf_counter() < end and len(times) < 100):
            start = time.perf_counter()
            model.predict(inputs, batch_size=size)
            times.append(time.perf_counter() - start)
        found[size] = 1e3 * statistics.median(times)
        size *= 2
    return Timing(found)


def write(
    directory: Path, names: list[str] = (), *, canary=False, image=IMAGE, trusted=False, progress=lambda name: None
) -> list[Path]:
    """Writes the configurations.

    Args:
        directory: where to; what is there of the same name is replaced. It lies beside `saved_models/`, since an image is built
            of both.
        names: published artefacts, all if there is none.
        canary: serve the two newest versions, the label `canary` on the newest and `stable` on the one before.
        trusted: see `zoo.load`.
        image: of TensorFlow Serving; that for a GPU has "-gpu" behind it.
        progress: called with the name of an artefact before it is timed.

    Returns:
        The files.

    Raises:
        ZooError: if there is no such artefact, or it does not lie beside the directory.
    """
    directory = Path(directory)
    here, served = directory.resolve().name, {}  # name → version → directory
    for name, base in _beside(directory.resolve(), names).items():
        there = find.version_directories(base)
        served[name] = {version: there[version] for version in sorted(there)[-2 if canary else -1 :]}
    device, timings = _device(), {}
    batched = [name for name, versions in served.items() if _batched(versions[max(versions)])]
    for name in batched:
        progress(name)
        timings[name] = measure(served[name][max(served[name])], trusted=trusted)
    files = {"models.config": _models(served)}
    for kind in ("cpu", "gpu"):
        timed = kind == device
        files[f"batching/{kind}.config"] = _threads(timed)
        files |= {f"batching/{kind}/{name}.config": _batching(name, kind, timings[name] if timed else None) for name in batched}
    values = {
        "image": image,
        "gpu_image": f"{image}-gpu",
        "here": here,
        "versions": " ".join(f"{name}/versions/{version}" for name, versions in served.items() for version in versions),
        "copies": "\n".join(_copies(here, name, versions, name in batched) for name, versions in served.items()),
        "alerts": "".join(_alert(name) for name in served),
        "memory": (memory := _memory(served)),
        "least_memory": memory - 1,
        "gpu_memory": memory + CUDA,
        **OTHERS,
    }
    for path in sorted(TEMPLATES.rglob("*")):
        if path.is_file():
            name, text = path.relative_to(TEMPLATES).as_posix(), path.read_text(encoding="utf-8")
            files[name] = text if name in VERBATIM else string.Template(text).substitute(values)
    for name, text in files.items():
        target = directory / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ZooError(f"{target} cannot be written: {error.strerror}.") from error
    return [directory / name for name in sorted(files)]


def _beside(directory, names):
    """Name → directory of the versions of artefacts that an image built in the parent of a directory can hold."""
    if not re.fullmatch(r"[\w.-]+", directory.name):  # it stands in a Dockerfile
        raise ZooError(f"The name of {directory} must be of letters, digits, '.', '_' and '-'.")
    root = directory.parent / "saved_models"
    if not names and not find.artefacts():
        looked = ", ".join(words if place is None else f"{words} ({place.resolve()})" for words, place in find.roots())
        raise ZooError(f"There is no published artefact; looked in {looked}. Run zoo deploy where saved_models/ is.")
    bases = find.bases(names)
    if foreign := [name for name in bases if not valid_name(name)]:
        raise ZooError(f"{foreign[0]} is a path; publish the artefact and give its name.")
    for name, base in bases.items():
        if base.resolve() != (root / name).resolve():
            raise ZooError(
                f"An image is built of {directory.name}/ and of saved_models/ beside it; {name} was found at {base}, not at "
                f"{root / name}. Copy it there, or give the --output beside the saved_models/ that has it."
            )
    return bases


def _device():
    """What an artefact is timed on."""
    import tensorflow as tf

    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def _models(served):
    """models.config, a `ModelServerConfig`."""
    blocks = []
    for name, versions in served.items():
        numbers = " ".join(f"versions: {version}" for version in versions)
        blocks.append(f"""  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ {numbers} }} }}
    version_labels {{ key: "stable" value: {min(versions)} }}
    version_labels {{ key: "canary" value: {max(versions)} }}
  }}
""")
    return f"model_config_list {{\n{''.join(blocks)}}}\n"


def _threads(timed):
    """batching/DEVICE.config, the part of `BatchingParameters` that all models share."""
    reason, threads = "as many as there are cores", os.cpu_count()
    if not timed:
        reason, threads = "one batch is prepared while another is computed; no such device was there to be timed", 2
    return f"""# Threads that compute batches: {reason}. All else is given for each model.
num_batch_threads {{ value: {threads} }}
"""


def _batching(name, device, timing):
    """batching/DEVICE/NAME.config, `BatchingParameters` of one model; without a `Timing` no request waits for others."""
    size, wait = LARGEST, 0
    lines = [f"# {name}: not timed, since there was no {device.upper()} to time it on; run zoo deploy where there is one."]
    if timing:
        size, wait = timing.max_batch_size, timing.timeout_micros
        where = f"{os.cpu_count()} cores" if device == "cpu" else "GPU"
        lines = [f"# {name}, the examples of its card, on the {where} of the machine that wrote this:"]
        for rows, milliseconds in timing.milliseconds.items():
            lines.append(f"#   {rows:3} rows: {milliseconds:8.2f} ms, {1e3 * rows / milliseconds:8.0f} rows/s")
    lines = "\n".join(lines)
    return f"""{lines}
max_batch_size {{ value: {REQUEST} }}  # rows of a request
enable_large_batch_splitting {{ value: true }}
max_execution_batch_size {{ value: {size} }}
batch_timeout_micros {{ value: {wait} }}
max_enqueued_batches {{ value: {max(1, REQUEST // size)} }}
"""


def _batched(directory):
    """Whether rows of different requests fit into one tensor: TensorFlow Serving fails a batch of other lengths as a whole."""
    inputs = cards.read(directory)["signatures"]["serving_default"]["inputs"]
    return not any("?" in shape for shape in inputs.values())


def _memory(served):
    """GiB that the models take at most, as measured on the artefacts that are shipped."""
    directories = [directory for versions in served.values() for directory in versions.values()]
    stored = sum(path.stat().st_size for directory in directories for path in directory.rglob("*") if path.is_file())
    return math.ceil(SERVER + GRAPH * len(directories) + WEIGHTS * stored)


def _copies(here, name, versions, batched):
    """Lines of the Dockerfile that put a model into the image."""
    lines = []
    for version, directory in versions.items():
        lines.append(f"COPY --chown=10001 saved_models/{name}/{directory.name} /models/{name}/{version}")
        if batched:  # a model without the file is not batched
            source = f"{here}/batching/$${{DEVICE}}/{name}.config"
            lines.append(f"COPY --chown=10001 {source} /models/{name}/{version}/batching_params.pbtxt")
    return "\n".join(lines).replace("$$", "$")


def _alert(name):
    """A rule of alerts.yml: TensorFlow Serving counts what it loaded by path, and says no more of a model that is not there."""
    return f"""
      - alert: ModelNotLoaded
        expr: absent(:tensorflow:cc:saved_model:load_attempt_count{{model_path=~"/models/{name}/.*", status="success"}} > 0)
        for: 5m
        labels: {{severity: critical, model_name: {name}}}
        annotations: {{summary: "No version of {name} is loaded anywhere."}}"""
