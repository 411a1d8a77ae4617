"""Keras layers that the builders compose."""

from zoo.layers.attention import AdditiveAttention, MultiplicativeAttention
from zoo.layers.decoder import Decoder, TransformerDecoder
from zoo.layers.dropout import WordDropout
from zoo.layers.efficientnet import efficientnet_lite0, load_imagenet
from zoo.layers.ngrams import BigramEmbedding, NGramLinear
from zoo.layers.pointer import Pointer
from zoo.layers.pooling import MaxMeanPooling
from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.repeat import RepeatRows
from zoo.layers.stack import recurrent_stack
from zoo.layers.transformer import SinusoidalPositions, TransformerBlock, TransformerDecoderBlock
from zoo.layers.windows import JoinWindows, SplitWindows

__all__ = [
    "AdditiveAttention",
    "BigramEmbedding",
    "Decoder",
    "GRU",
    "JoinWindows",
    "LSTM",
    "MaxMeanPooling",
    "MultiplicativeAttention",
    "NGramLinear",
    "Pointer",
    "RepeatRows",
    "SimpleRNN",
    "SinusoidalPositions",
    "SplitWindows",
    "TransformerBlock",
    "TransformerDecoder",
    "TransformerDecoderBlock",
    "WordDropout",
    "efficientnet_lite0",
    "load_imagenet",
    "recurrent_stack",
]
