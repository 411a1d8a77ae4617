"""Keras layers that the builders compose."""

from zoo.layers.adversarial import Perturbation
from zoo.layers.dropout import WordDropout
from zoo.layers.ngrams import BigramEmbedding, NGramLinear
from zoo.layers.pooling import MaxMeanPooling
from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.transformer import SinusoidalPositions, TransformerBlock
from zoo.layers.windows import JoinWindows, SplitWindows

__all__ = [
    "BigramEmbedding",
    "GRU",
    "JoinWindows",
    "LSTM",
    "MaxMeanPooling",
    "NGramLinear",
    "Perturbation",
    "SimpleRNN",
    "SinusoidalPositions",
    "SplitWindows",
    "TransformerBlock",
    "WordDropout",
]
