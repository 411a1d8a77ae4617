"""What all tests share: where TensorFlow runs, an environment without the user's own models and data, tiny artefacts."""

import ctypes
import functools
import gc
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# With tiny models, waking a second thread for an op costs more than the op: on a busy machine thirty times more.
os.environ["TF_NUM_INTEROP_THREADS"] = "1"

ROOT = Path(__file__).parents[1]
sys.path.append(str(Path(__file__).with_name("helpers")))  # test modules do not see each other


def pytest_addoption(parser):
    parser.addoption(
        "--gpu", action="store_true", help="run the tests that need a GPU, and only these; without one the run fails"
    )
    parser.addoption("--serving-url", help="HOST:PORT of a TensorFlow Serving that the tests of conformance ask (REST)")
    parser.addoption("--serving-grpc", help="HOST:PORT of the same for gRPC (default: the same host, port 8500)")


def pytest_xdist_auto_num_workers(config):
    return 0 if config.getoption("--gpu") else None  # processes would take the GPU's memory from each other


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a GPU; runs with --gpu only")
    if not config.getoption("--gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the other tests are the same on every machine
        return
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise pytest.UsageError("--gpu was given, and TensorFlow sees no GPU")


def pytest_collection_modifyitems(config, items):
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if config.getoption("--gpu"):  # the others compare with stock Keras on a CPU
        config.hook.pytest_deselected(items=[item for item in items if item not in on_gpu])
        items[:] = on_gpu
    for item in on_gpu:
        if not config.getoption("--gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU; run pytest --gpu on a machine with one"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """Neither the models nor the data of whoever runs the tests."""
    monkeypatch.delenv("ZOO_MODELS", raising=False)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


def pytest_collection_finish():
    """What is there now stays, and the collector need not look at it again: a million objects of TensorFlow's and Keras's."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _give_memory_back():
    """What a file of tests leaves is freed, and given back to the system: kernels traced for its shapes, models, functions."""
    yield
    if "tensorflow" not in sys.modules:
        return
    import keras
    from tensorflow.python.framework import ops

    for name, module in list(sys.modules.items()):
        for value in vars(module).values() if name.startswith("zoo.kernels") else ():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
    # TensorFlow keeps the gradient of every `tf.custom_gradient` that was traced, and with it all its graphs
    gradients = ops.gradient_registry._registry
    for name in [name for name in gradients if name.startswith("CustomGradient-")]:
        del gradients[name]
    keras.backend.clear_session()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # glibc keeps it else
        trim(0)


@pytest.fixture(scope="session")
def import_recipe():
    """Path of a recipe → its module; recipes are scripts, not a package."""

    def load(path: Path):
        name = f"recipe_{path.stem}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    return load


@pytest.fixture(scope="session")
def imdb(import_recipe):
    """The module recipes/imdb_sentiment.py."""
    return import_recipe(ROOT / "recipes" / "imdb_sentiment.py")


@pytest.fixture(scope="session")
def tiny_flags() -> list[str]:
    """Flags that make a run of imdb_sentiment small: seconds to train, a few megabytes to export."""
    import families

    return families.RECIPES["imdb_sentiment"].flags


@pytest.fixture(scope="session")
def tiny_artefact(imdb, tiny_flags, tmp_path_factory) -> Path:
    """Directory of an artefact of recipes/imdb_sentiment.py: a bidirectional RNN with n-grams, 3 steps on the sample.

    Tests that change it copy it first.
    """
    from zoo import config

    return config.run(imdb.main, [*tiny_flags, "--runs", str(tmp_path_factory.mktemp("runs"))]).directory


@pytest.fixture(scope="module")
def model(tiny_artefact):
    import zoo

    return zoo.load(tiny_artefact)


@pytest.fixture
def copy(tiny_artefact, tmp_path):
    """A copy of the artefact to do harm to."""
    return shutil.copytree(tiny_artefact, tmp_path / "copy")


@pytest.fixture(scope="session")
def export_of(tmp_path_factory):
    """Name of a tiny task → its `tiny.Export`, each made once while it is in use.

    The last two are kept, since all together would need gigabytes.
    """
    import families
    import tiny

    @functools.lru_cache(maxsize=2)
    def export(name):
        family = families.TASKS[name]
        return tiny.Export(family.tasks[name](), family.inputs, tmp_path_factory.mktemp("export"))

    return export


@pytest.fixture(scope="session")
def export(request, export_of):
    """The `tiny.Export` of the name that a test has for it, by `pytest.mark.parametrize("export", names, indirect=True)`.

    pytest runs the tests of one name next to each other, whatever their files.
    """
    return export_of(request.param)
