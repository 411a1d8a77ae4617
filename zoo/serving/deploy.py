"""Configurations of TensorFlow Serving, Docker Compose, Kubernetes, Prometheus and Grafana for the artefacts that are there."""

import itertools
import os
import statistics
import string
import time
from dataclasses import dataclass
from pathlib import Path

from zoo import card as cards
from zoo.errors import ZooError

IMAGE = "tensorflow/serving:2.19.1"
OTHERS = {"prometheus": "v3.5.0", "grafana": "12.1.0"}
TEMPLATES = Path(__file__).with_name("templates")
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


def measure(name) -> Timing:
    """Times an artefact with the examples of its card.

    Args:
        name: name or path of an artefact.
    """
    from zoo import loading

    model = loading.load(name)
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


def write(directory: Path, names: list[str] = (), *, canary=False, image=IMAGE, progress=lambda name: None) -> list[Path]:
    """Writes the configurations.

    Args:
        directory: where to; what is there of the same name is replaced. It lies beside `saved_models/`.
        names: published artefacts, all if there is none.
        canary: serve the two newest versions, the label `canary` on the newest and `stable` on the one before.
        image: of TensorFlow Serving; that for a GPU has "-gpu" behind it.
        progress: called with the name of an artefact before it is timed.

    Returns:
        The files.

    Raises:
        ZooError: if there is no such artefact.
    """
    bases = cards.bases(names)
    if foreign := [name for name in bases if Path(name).name != name]:
        raise ZooError(f"{foreign[0]} is a path; publish the artefact and give its name.")
    timings = {}
    for name, base in bases.items():
        if _batched(base):
            progress(name)
            timings[name] = measure(base)
    served = {name: cards.versions(base)[-2 if canary else -1 :] for name, base in bases.items()}
    files = {
        "models.config": _models(served),
        "batching.config": _threads(),
        **{f"batching/{name}.config": _batching(name, timing) for name, timing in timings.items()},
        "grafana/dashboard.json": (TEMPLATES / "grafana" / "dashboard.json").read_text(encoding="utf-8"),
    }
    values = {
        "image": image,
        "gpu_image": f"{image}-gpu",
        "first": next(iter(bases)),
        "copies": "\n".join(_copies(name, versions, name in timings) for name, versions in served.items()),
        **OTHERS,
    }
    for path in sorted(TEMPLATES.rglob("*")):
        name = path.relative_to(TEMPLATES).as_posix()
        if path.is_file() and name not in files:
            files[name] = string.Template(path.read_text(encoding="utf-8")).substitute(values)
    for name, text in files.items():
        target = Path(directory) / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ZooError(f"{target} cannot be written: {error.strerror}.") from error
    return [Path(directory) / name for name in sorted(files)]


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
    version_labels {{ key: "stable" value: {versions[0]} }}
    version_labels {{ key: "canary" value: {versions[-1]} }}
  }}
""")
    return f"model_config_list {{\n{''.join(blocks)}}}\n"


def _threads():
    """batching.config, the part of `BatchingParameters` that all models share."""
    return f"""# Threads that compute batches: as many as there are cores. All else is in batching/, by model.
num_batch_threads {{ value: {os.cpu_count()} }}
"""


def _batching(name, timing):
    """batching/NAME.config, `BatchingParameters` of one model."""
    lines = "\n".join(
        f"#   {size:3} rows: {ms:8.2f} ms, {1e3 * size / ms:8.0f} rows/s" for size, ms in timing.milliseconds.items()
    )
    return f"""# {name}, the examples of its card, on the {os.cpu_count()} cores of the machine that wrote this:
{lines}
max_batch_size {{ value: {REQUEST} }}  # rows of a request
enable_large_batch_splitting {{ value: true }}
max_execution_batch_size {{ value: {timing.max_batch_size} }}
batch_timeout_micros {{ value: {timing.timeout_micros} }}
max_enqueued_batches {{ value: {max(1, REQUEST // timing.max_batch_size)} }}
"""


def _batched(base):
    """Whether rows of different requests fit into one tensor: TensorFlow Serving fails a batch of other lengths as a whole."""
    inputs = cards.read(cards.find(base))["signatures"]["serving_default"]["inputs"]
    return not any("?" in shape for shape in inputs.values())


def _copies(name, versions, batched):
    lines = [f"COPY saved_models/{name}/{version} /models/{name}/{version}" for version in versions]
    if batched:  # a model without the file is not batched
        lines += [f"COPY deploy/batching/{name}.config /models/{name}/{version}/batching_params.pbtxt" for version in versions]
    return "\n".join(lines)
