"""Which versions of which models are served: loads new ones, drains and drops old ones, while requests go on."""

import asyncio
import collections
import contextlib
import functools
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.config import model_server_config_pb2

from zoo.artefacts.find import numbered
from zoo.errors import ZooError
from zoo.serving.batching import Threads
from zoo.serving.errors import InvalidArgument, NotFound, told
from zoo.serving.options import Batching
from zoo.serving.servable import Servable

State = get_model_status_pb2.ModelVersionStatus.State
NAME = re.compile(r"[^/:]+")  # what fits into the path of a request
log = logging.getLogger("zoo.serving")


@dataclass(frozen=True)
class ModelConfig:
    """One model: where its versions are, and which of them are served.

    Attributes:
        name: in requests.
        base_path: directory with one directory for each version: NAME/1, NAME/2, ...
        latest: how many of the newest versions are served; None for all.
        specific: versions that are served whatever is newer; none for the policy of `latest`.
        labels: label → version.
        trusted: load whatever ops a version holds: the word of whoever wrote a models.config, not of a name alone.
    """

    name: str
    base_path: Path
    latest: int | None = 1
    specific: tuple[int, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    trusted: bool = True

    def candidates(self) -> dict[int, Path]:
        """The versions that may be served now, newest first → their directories."""
        try:
            there = numbered(self.base_path)
        except OSError:
            return {}
        return {version: there[version] for version in sorted(there, reverse=True) if version in (self.specific or there)}

    @property
    def most(self) -> int | None:
        """How many of the candidates are served; None for all."""
        return None if self.specific else self.latest


def read_config(path: Path) -> list[ModelConfig]:
    """Reads TensorFlow Serving's models.config, a `ModelServerConfig` as a text proto.

    Raises:
        ZooError: if it cannot be read or says something that this server does not know.
    """
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ZooError(f"{path} is not readable as TensorFlow Serving's model config: {error}") from error
    models = []
    for one in config.model_config_list.config:
        policy = one.model_version_policy
        latest = None if policy.HasField("all") else (policy.latest.num_versions or 1)
        specific = tuple(policy.specific.versions)
        models.append(ModelConfig(one.name, path.parent / one.base_path, latest, specific, dict(one.version_labels)))
    if not models:
        raise ZooError(f"{path} names no model; it needs model_config_list {{ config {{ name: ... base_path: ... }} }}.")
    return models


class Models:
    """The models of a server.

    Args:
        configs: of the models; no other name can be reached.
        batching: a `Batching`.
        observe: called with (model's name, rows, seconds) of each batch.
    """

    def __init__(self, configs: list[ModelConfig], batching: Batching, observe=lambda name, rows, seconds: None):
        for config in configs:
            if not NAME.fullmatch(config.name):
                raise ZooError(f"A model's name must fit into the path of a request: {config.name!r} holds / or : or is empty.")
        names = collections.Counter(config.name for config in configs)
        if doubled := [name for name, count in names.items() if count > 1]:
            raise ZooError(f"The model {doubled[0]} is there twice.")
        self.configs = {config.name: config for config in configs}
        self._batching, self._observe = batching, observe
        self._loading = ThreadPoolExecutor(1, "load")  # one at a time: loading takes memory
        self._computing = Threads(max(batching.num_batch_threads, 1))
        self._served = {name: {} for name in self.configs}  # name → version → Servable
        self._states = {name: {} for name in self.configs}  # name → version → (state, message)
        self._tried = {}  # (name, version) that failed → its directory and when that had changed
        self._reasons = {}  # (name, version) that failed → why
        self._draining = set()

    async def refresh(self):
        """Loads the versions that should be served and are not, then drains those that should not.

        One that cannot be loaded gives its place to the next older one, when the server starts as later on, and its state says
        why.
        """
        for name, config in self.configs.items():
            candidates, served, chosen = config.candidates(), self._served[name], []
            for version, directory in candidates.items():
                if len(chosen) == config.most:
                    break
                if version in served or await self._load(name, version, directory):
                    chosen.append(version)
            if chosen:  # else what is served stays
                for version in [version for version in served if version not in chosen]:
                    self._retire(name, version)
            for version in set(self._states[name]) - set(candidates) - set(served):  # a failure that is not there any more
                if self._tried.pop((name, version), None):
                    del self._states[name][version], self._reasons[name, version]

    async def _load(self, name, version, directory) -> bool:
        """Whether a version could be loaded."""
        changed = directory, _newest_change(directory)
        if self._tried.get((name, version)) == changed:
            return False  # it failed, and is still the same
        self._states[name][version] = (State.LOADING, "")
        make = functools.partial(Servable, name, version, directory, trusted=self.configs[name].trusted)
        try:
            servable = await asyncio.get_running_loop().run_in_executor(self._loading, make)
        except Exception as error:  # whatever is wrong with a new version, the others go on
            self._tried[name, version], known = changed, self._reasons.get((name, version))
            self._reasons[name, version] = told(error)
            self._states[name][version] = (State.END, told(error))
            if known != told(error):  # one that is being copied fails at every look
                log.error("Cannot load %s %s from %s: %s", name, version, directory, told(error))
            return False
        self._tried.pop((name, version), None)
        self._reasons.pop((name, version), None)
        servable.start(self._computing, self._batching, lambda rows, seconds: self._observe(name, rows, seconds))
        self._served[name][version] = servable
        self._states[name][version] = (State.AVAILABLE, "")
        log.info("Serving %s %s", name, version)
        return True

    def _retire(self, name, version):
        servable = self._served[name].pop(version)
        self._states[name][version] = (State.UNLOADING, "")

        async def drain():
            await servable.end()
            if version not in self._served[name]:  # nor was it taken up again
                self._states[name][version] = (State.END, "")
            log.info("Dropped %s %s", name, version)

        task = asyncio.ensure_future(drain())
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The version that a request asks for, the newest if it does not say.

        Raises:
            NotFound: if it is not served.
            InvalidArgument: if a label is not known.
        """
        served = self._served.get(name, {})
        if label is not None:
            version = self._labelled(name, label)
        if version is None and served:
            return served[max(served)]
        if version not in served:
            raise NotFound(f"Servable not found for request: {_asked(name, version)}")
        return served[version]

    def statuses(self, name: str, version: int | None = None, label: str | None = None) -> list[tuple[int, int, str]]:
        """(version, state, message) of each version of a model, or of one.

        Raises:
            NotFound: if there is no such model or version.
        """
        states = self._states.get(name, {})
        if label is not None:
            version = self._labelled(name, label)
        if not states or version not in (None, *states):
            what = "any versions" if version is None else f"version {version}"
            raise NotFound(f"Could not find {what} of model {name}")
        return [(number, *states[number]) for number in sorted(states, reverse=True) if version in (None, number)]

    def known(self, name: str) -> list[tuple[int, int, str]]:
        """As `statuses`, empty where nothing is known of a model."""
        return [(version, *state) for version, state in self._states[name].items()]

    def _labelled(self, name, label):
        if name not in self.configs:
            raise NotFound(f"Servable not found for request: {_asked(name, None)}")
        if label not in self.configs[name].labels:
            raise InvalidArgument(f"Unrecognized servable version label: {label}")
        return self.configs[name].labels[label]

    def serves(self, name: str) -> bool:
        """Whether a version of a model answers."""
        return bool(self._served[name])

    def close(self):
        """Ends the threads; one that still computes is not waited for."""
        self._loading.shutdown(wait=False, cancel_futures=True)
        self._computing.close()


def _asked(name, version):
    return f"Latest({name})" if version is None else f"Specific({name}, {version})"


def _newest_change(directory):
    """Of any of its files: one that is being copied is tried again."""
    times = [0]
    for path in [directory, *directory.rglob("*")]:
        with contextlib.suppress(OSError):  # gone meanwhile
            times.append(path.stat().st_mtime_ns)
    return max(times)
