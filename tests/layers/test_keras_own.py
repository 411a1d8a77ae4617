"""Keras's own tests of its recurrent layers, from its wheel, with the zoo's layers in the place of its own."""

import importlib
import unittest
import warnings

import keras
import pytest

from zoo import layers

MODULES = ("lstm", "gru", "simple_rnn", "bidirectional", "time_distributed", "rnn")


def _cases(name):
    """The classes of one of Keras's test modules, for pytest to find here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)  # Keras registers its marks in its own configuration
        module = importlib.import_module(f"keras.src.layers.rnn.{name}_test")
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, unittest.TestCase) and kind.__module__ == module.__name__
    }


try:
    for _name in MODULES:
        globals().update(_cases(_name))
except ModuleNotFoundError as error:
    pytest.skip(f"this wheel of Keras comes without its tests: {error.name}", allow_module_level=True)


pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")  # by Keras's tests, to a generator


@pytest.fixture(autouse=True)
def _zoo_layers(monkeypatch):
    for name in ("LSTM", "GRU", "SimpleRNN"):
        monkeypatch.setattr(importlib.import_module("keras.src.layers"), name, getattr(layers, name))
    yield
    keras.config.enable_traceback_filtering()  # which Keras's tests switch off
