"""A tagger: its spans in raw texts, its intents, its scores, and how its answers are shown."""

import functools

import numpy as np
import tiny
from family import Family, Recipe
from small import splits

import zoo
from zoo.data import drawn_commands
from zoo.data.spans import TaggedText, dataset
from zoo.preprocessing.tokens import Tokens

TEXTS = [
    "play some jazz by Nina Simone",
    "Book a table for 4 in Ghent",
    "It's cold!",
    b"",
    b" \t\r\n ",
    "😀 play 👩‍👩‍👧 été".encode(),
    "Этот город Москва. 映画".encode(),
    b"broken \xff\xfe bytes \xc3( and a cut off one \xe2\x82",
    b"rain in Oslo " * 700,
]
SPANS = {"label": "string [N, ?]", "start": "int32 [N, ?]", "end": "int32 [N, ?]"}


def task_of(intents=(), **arguments):
    """A `Tagger` of two types of spans, which answers with both."""
    tokens = Tokens(["play", "in", "the", "a", "jazz"])
    sizes = {"vocabulary_size": tokens.size, "types": 2, "intents": len(intents) or None}
    model = zoo.create_model("tagger", units=8, embedding_dim=6, character_dim=4, filters=5, **sizes, **arguments)
    random = np.random.default_rng(3)
    tiny.randomise(model, lambda weight: random.normal(0, 0.5, weight.shape))
    return zoo.Tagger(model, tokens, ["artist", "genre"], intents, examples=TEXTS[:3])


def columns(*texts):
    """Texts with spans, as columns of raw examples."""
    return next(iter(dataset(texts).batch(len(texts)).as_numpy_iterator()))


JAZZ = TaggedText.join([("play ", None), ("jazz", "genre"), (" by ", None), ("Nina Simone", "artist")], "Play")
RAIN = TaggedText.join([("will it rain?", None)], "Weather")


def signatures(task):
    text = {"text": "string [N]"}
    words = {"tokens": "string [N, ?]", "tags": "string [N, ?]", "score": "float [N]"}
    intent = {"intent": "string [N]", "intent_probability": "float [N]"} if task.intents else {}
    return {"serving_default": (text, words | intent), "entities": (text, {"entity": "string [N, ?]"} | SPANS)}


FAMILY = Family(
    builder="tagger",
    common={"vocabulary_size": 20, "types": 2, "units": 4, "embedding_dim": 6, "character_dim": 3, "filters": 4},
    tiny=[
        {"cell": "rnn", "intents": 2},
        {"cell": "gru", "bidirectional": False, "layers": 2, "dropout": 0.5},
        {"cell": "lstm", "intents": 3, "word_dropout": 0.3},
        {"cell": "transformer", "word_length": 5},
    ],
    wrong=[
        {"cell": "qrnn"},
        {"vocabulary_size": 1},
        {"types": 0},
        {"intents": 1},
        {"units": 0},
        {"layers": 0},
        {"embedding_dim": 0},
        {"character_dim": 0},
        {"filters": 0},
        {"word_length": 0},
        {"dropout": 1.0},
        {"word_dropout": -0.1},
    ],
    tensors={"shapes": lambda shape, length, steps, random: np.pad(random.integers(1, 15, length), (0, steps - length))},
    tasks={
        "tagger with intents": functools.partial(task_of, intents=("Play", "Weather"), cell="lstm"),
        "tagger": functools.partial(task_of, cell="gru"),
    },
    inputs={"text": TEXTS},
    signatures=signatures,
    data=lambda: splits(columns(*[JAZZ, RAIN] * 4)),
    misfits={
        "labels of whole texts": ((["a"], [0]), r"label string \[\?\]"),
        "one span": ((["a"], ["genre"], [0], [1], ["Play"]), r"label string \[\?\]"),
    },
    recipes=(Recipe(name="snips_slots", small="--units 4", generator=drawn_commands.drawn_commands),),
)
