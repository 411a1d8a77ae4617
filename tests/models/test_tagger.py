"""A tagger: its spans in raw texts, its intents, its scores, and how its answers are shown."""

import functools
import re
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe
from small import splits

import zoo
from zoo import cli, span_metrics
from zoo.artefacts import tagged
from zoo.data import drawn_commands, drawn_entities
from zoo.data.spans import TaggedText, dataset
from zoo.layers.small_letters import SmallLetters
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
        {"cell": "rnn", "intents": 2, "small_letters": 0.5},
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
        {"small_letters": 1.0},
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
    recipes=(
        Recipe(name="snips_slots", small="--units 4", generator=drawn_commands.drawn_commands),
        Recipe(
            name="named_entities",
            small="--units 4",
            generator=drawn_entities.drawn_entities,
            refused={"--conll wrong.csv": "wrong.csv, line 1: 'text,label' is no label; they are O, B-TYPE"},
        ),
    ),
)


# The task


def test_names_are_those_of_the_model():
    task = task_of()
    with pytest.raises(zoo.ZooError, match="2 types of spans and 0 intents, and there are 1 and 2 names"):
        zoo.Tagger(task.model, task.tokens, ["artist"], ("a", "b"), examples=())
    with pytest.raises(zoo.ZooError, match="reads 16 characters of a word, and the tokens have 5"):
        zoo.Tagger(task.model, Tokens(["a"], length=5), task.types, examples=())
    task.check_names(["genre"])
    with pytest.raises(zoo.ZooError, match="types of spans are artist, genre; the data have city too"):
        task.check_names(["genre", "city"])
    with pytest.raises(zoo.ZooError, match="intents are none; the data have Play too"):
        task.check_names([], ["Play"])


def test_words_and_spans_say_the_same():
    task = task_of(("Play", "Weather"), cell="rnn")
    texts = tf.constant([text if isinstance(text, str) else text.decode("utf-8", "replace") for text in TEXTS[:-1]])
    words, spans = task.serving_default(texts), task.entities(texts)
    plain = [text.decode() for text in texts.numpy()]
    for row, text in enumerate(plain):
        found = span_metrics.spans_of(*(spans[name][row].numpy() for name in ("label", "start", "end")))
        assert [text[start:end].encode() for _, start, end in found] == [each for each in spans["entity"][row].numpy() if each]
        tokens, tags = ([each.decode() for each in words[name][row].numpy()] for name in ("tokens", "tags"))
        assert span_metrics.bio(text.encode(), tokens, found) == [tag for tag in tags if tag]
        assert [piece for piece, label in tagged.pieces(text, tokens, tags) if label] == [text[a:b] for _, a, b in found]
    assert sum(len(row) for row in spans["label"].numpy()) > 0
    assert (words["score"].numpy() <= 1e-4).all()
    assert words["score"].numpy()[3] == 0  # of an empty text there is one path


def test_targets_are_labels_of_words_and_the_number_of_the_intent():
    task = task_of(("Play", "Weather"), cell="rnn")
    inputs, targets = task.encode_example(*map(tf.constant, columns(JAZZ, RAIN)))
    assert targets["tags"].numpy().tolist() == [[1, 4, 1, 2, 3], [1, 1, 1, 1, 0]]
    assert targets["intent"].numpy().tolist() == [0, 1]
    assert inputs["words"].numpy()[1].tolist()[4] == 0


def test_texts_without_capitals_are_what_people_type():
    tokens = Tokens(["a"])
    texts = ["U.S. It'S McD ÉTÉ 4TH x1 Ёлка A_B", "Stay As You Are"]
    cased, small = (tokens(tf.constant(each)) for each in (texts, [text.lower() for text in texts]))
    characters, shapes = SmallLetters(1 - 1e-7)(cased.characters, cased.shapes, training=True)
    np.testing.assert_array_equal(characters, small.characters)
    np.testing.assert_array_equal(shapes, small.shapes)
    layer = SmallLetters(0.5)
    assert (layer(cased.characters, cased.shapes)[1].numpy() == cased.shapes.numpy()).all()
    many = layer(tf.repeat(cased.characters[1:], 400, axis=0), tf.repeat(cased.shapes[1:], 400, axis=0), training=True)[
        1
    ].numpy()
    changed = (many != cased.shapes.numpy()[1:]).any(axis=1)
    assert 120 < changed.sum() < 280
    assert SmallLetters.from_config(layer.get_config()).rate == 0.5


# Scores


class Fake:
    """A model with given answers, whatever the capitals."""

    def __init__(self, answers):
        self.answers = {text.lower(): answer for text, answer in answers.items()}

    def predict(self, texts, *, signature, batch_size):
        return [self.answers[text.lower()][signature] for text in texts]


def test_scores_of_known_answers():
    texts = [JAZZ, RAIN, TaggedText("rain in Oslo", (("city", 8, 12),), "Weather")]

    def answer(text, spans, intent):
        tokens = text.text.replace("?", " ?").split()
        label, start, end = map(list, zip(*spans, ("", -1, -1), strict=True))
        words = {"tokens": [*tokens, ""], "tags": [*span_metrics.bio(text.text.encode(), tokens, spans), ""], "intent": intent}
        return {"entities": {"label": label, "start": start, "end": end}, "serving_default": words}

    answers = {text.text.encode(): answer(text, text.spans, text.about) for text in texts}
    # one type and one intent are others, and one span is too short
    answers[JAZZ.text.encode()] = answer(JAZZ, [("artist", 5, 9), ("artist", 13, 17)], "Play")
    answers[RAIN.text.encode()] = answer(RAIN, (), "Play")
    scores = span_metrics.tagging(Fake(answers), dataset(texts))
    values = {name: score["value"] for name, score in scores.items()}
    third = pytest.approx(1 / 3)
    assert values == {
        "span F1": third,
        "span precision": third,
        "span recall": third,
        "seqeval F1": third,
        "span F1, small letters": third,
        "intent accuracy": pytest.approx(2 / 3),
        "sentence accuracy": third,
    }
    assert all(score["low"] <= score["value"] <= score["high"] for score in scores.values())


def test_collections_are_scored_on_their_own():
    texts = [TaggedText("rain in Oslo", (("city", 8, 12),), about) for about in ("a", "b")]
    words = {"tokens": ["rain", "in", "Oslo"], "tags": ["O", "O", "B-city"]}
    answers = {b"rain in Oslo": {"entities": {"label": ["city"], "start": [8], "end": [12]}, "serving_default": words}}
    scores = span_metrics.tagging(Fake(answers), dataset(texts))
    assert [scores[name]["n"] for name in ("span F1", "span F1, a", "span F1, b")] == [2, 1, 1]
    assert "intent accuracy" not in scores


# How it is shown

ANSWER = {"tokens": ["play", "jazz", "by", "Nina", "Simone", ""], "tags": ["O", "B-genre", "O", "B-artist", "I-artist", ""]}


def test_a_text_is_shown_in_pieces():
    expected = [("play ", ""), ("jazz", "genre"), (" by ", ""), ("Nina  Simone", "artist"), ("!", "")]
    assert tagged.pieces("play jazz by Nina  Simone!", **ANSWER) == expected
    assert tagged.pieces("", [], []) == []


def test_labels_side_by_side_have_colours_of_their_own():
    labels = [*"abcdefgh", "LOC", "ORG"]
    assert len(set(tagged.colours(labels).values())) == len(labels)
    assert tagged.colours(["LOC"]).keys() == {"LOC"}
    assert len(tagged.colours(map(str, range(30)))) == 30


def test_a_terminal_shows_labels_in_colour_and_a_pipe_fields(monkeypatch, capsys):
    text = "play jazz by Nina Simone"
    assert not cli._in_colour(text, ANSWER)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert not cli._in_colour(text, {"label": "positive"})
    assert cli._in_colour(text, ANSWER | {"intent": "PlayMusic", "intent_probability": 0.5})
    said = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert " ".join(said.split()) == "play jazz genre by Nina Simone artist PlayMusic 0.5000"
    line = tagged.coloured(text, ANSWER)
    assert {str(span.style).split()[-1] for span in line.spans} == set(tagged.colours(["genre", "artist"]).values())


def test_sentences_are_drawn(tmp_path):
    from zoo.models.tagger import _draw_sentences

    answers = [{"label": ["genre", ""], "start": [5, -1], "end": [9, -1]}, {"label": [], "start": [], "end": []}]
    _draw_sentences(["play jazz", ""], answers, tmp_path / "sentences.png")
    assert (tmp_path / "sentences.png").read_bytes().startswith(b"\x89PNG")
