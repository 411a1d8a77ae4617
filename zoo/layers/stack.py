"""The stack that reads a sequence: recurrent layers of any cell, or transformer blocks in their place."""

import keras

from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.transformer import SinusoidalPositions, TransformerBlock

CELLS = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


def recurrent_stack(x, mask, *, cell, units, layers, bidirectional, dropout):
    """Reads a sequence: float [N, T, F], mask bool [N, T] or None → [N, T, units], twice as wide if two cells read it.

    Args:
        x, mask: Keras tensors.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of one direction; of the whole for a transformer.
        layers: depth.
        bidirectional: in both directions; for a transformer, not causal.
        dropout: share of the features dropped between the layers; a quarter of it inside the blocks of a transformer.
    """
    if cell == "transformer":
        if x.shape[-1] != units:
            x = keras.layers.Dense(units, name="widen")(x)
        x = SinusoidalPositions(name="positions")(x)
        for depth in range(layers):
            block = TransformerBlock(units, causal=not bidirectional, dropout=dropout / 4, name=f"block_{depth}")
            x = block(x, mask=mask)
        return keras.layers.LayerNormalization(name="stack_norm")(x)
    for depth in range(layers):
        if depth:
            x = keras.layers.Dropout(dropout, name=f"dropout_{depth}")(x)
        layer = CELLS[cell](units, return_sequences=True, name=f"{cell}_{depth}")
        x = (keras.layers.Bidirectional(layer, name=f"bidirectional_{depth}") if bidirectional else layer)(x, mask=mask)
    return x
