"""A language model: its state goes on, its texts depend on their seeds alone, its scores are those of single steps."""

import functools
import shutil

import numpy as np
import pytest
import small_cards
import tensorflow as tf
import tiny
from family import Family, Recipe
from small import splits

import zoo
from zoo import decoding
from zoo.artefacts import streaming
from zoo.cli import main
from zoo.data.drawn_plays import drawn_plays
from zoo.layers.carried import BeginAnew
from zoo.models import language_model
from zoo.tasks.writer import allowed

PROMPTS = ["ANNA:\n", "", "CLERK:\nThe king", " \t ", "xyzzy 漢字 😀\r\n", "Stay, my lord! " * 40]
TEXT = {"text": "string [N]"}
STATE = 33  # numbers in the state of both tasks


def tiny_task(seed, *, pieces="characters", **arguments):
    """A `LanguageModel` that writes 12 tokens."""
    texts = tf.data.Dataset.from_tensor_slices([drawn_plays(60, 1, 1)["train"]])
    words = zoo.LanguageModel.characters(texts) if pieces == "characters" else zoo.LanguageModel.sub_words(texts, size=160)
    model = zoo.create_model("language_model", vocabulary_size=words.size, **arguments)
    task = zoo.LanguageModel(model, words, length=12, examples=PROMPTS[:3])
    random = np.random.default_rng(seed)

    def new(weight):
        is_matrix = len(weight.shape) > 1 and "embedding" not in weight.path
        return random.normal(0, 0.8 / np.sqrt(weight.shape[0]) if is_matrix else 0.4, weight.shape)

    tiny.randomise(task.model, new)
    return task


def state_row(shape, length, steps, random):
    """A state, whatever the length."""
    return random.normal(size=shape).astype("float32")


def signatures(task):
    """What clients depend on."""
    state, logits = {"state": f"float [N, {task.state_size}]"}, {"logits": f"float [N, {task.words.size}]"}
    options = {
        "length": "int32 [N]",
        "temperature": "float [N]",
        "top_k": "int32 [N]",
        "top_p": "float [N]",
        "seed": "int64 [N]",
    }
    prompt = {"prompt": "string [N]"}
    return {
        "serving_default": (prompt, TEXT),
        "generate": (prompt | options, TEXT),
        "score": (TEXT, {"log_prob": "float [N]", "tokens": "int32 [N]", "log_probs": "float [N, ?]"}),
        "read": (prompt, logits | state),
        "step": ({"token": "int32 [N]"} | state, {"piece": "string [N]"} | logits | state),
    }


FAMILY = Family(
    builder="language_model",
    common={"vocabulary_size": 20, "units": 4},
    tiny=[
        {"cell": "rnn", "layers": 1},
        {"cell": "gru", "embedding_dim": 3, "state_dropout": 0.5},
        {"cell": "lstm", "tied": False, "dropout": 0.5, "weight_dropout": 0.5},
        {"cell": "transformer", "context": 3},
    ],
    wrong=[
        {"cell": "qrnn"},
        {"vocabulary_size": 4},
        {"units": 0},
        {"layers": 0},
        {"embedding_dim": 0},
        {"context": 0},
        {"dropout": 1.0},
        {"weight_dropout": -0.1},
        {"state_dropout": 1.0},
    ],
    tensors={"state": state_row},
    tasks={
        "language model gru": functools.partial(tiny_task, 1, cell="gru", units=11, layers=3, embedding_dim=6),
        "language model transformer": functools.partial(
            tiny_task, 2, pieces="sub-words", cell="transformer", units=4, context=2
        ),
    },
    inputs={
        "prompt": PROMPTS,
        "text": PROMPTS,
        "length": [9, 5, 0, 12, 7, 3],
        "temperature": [1.0, 0.0, 0.5, 2.0, 1.0, 1.0],
        "top_k": [0, 0, 5, 0, 3, 0],
        "top_p": [1.0, 1.0, 1.0, 0.9, 1.0, 0.5],
        "seed": [0, 1, 2, 3, 4, 2**40],
        "token": [2, 5, 6, 7, 8, 9],
        "state": np.random.default_rng(0).normal(size=(6, STATE)).astype("float32"),
    },
    signatures=signatures,
    data=lambda: splits(([drawn_plays(30, 1, 1)["train"]], [""])),
    misfits={
        "classes of texts": ((["a", "b"], [0, 1]), r"part string.*\(string, int32\)"),
        "image files": (([tiny.FILES[0]], ["a"]), r"not UTF-8"),
    },
    recipes=(
        Recipe(
            name="shakespeare_text",
            generator=drawn_plays,
            small="--units 8 --embedding-dim 8 --window 16 --length 10",
            refused={"--text few.csv": "few.csv has 56 characters; a text to learn from has 2,000 at least"},
        ),
    ),
)


@pytest.fixture(scope="session", params=FAMILY.tasks)
def export(request, export_of):
    return export_of(request.param)


@pytest.fixture
def model(export, tmp_path):
    """The export with a card, loaded."""
    shutil.copytree(export.directory, tmp_path / "model")
    promised = {name: {"inputs": inputs, "outputs": outputs} for name, (inputs, outputs) in signatures(export.task).items()}
    return zoo.load(small_cards.write(tmp_path / "model", name="language", signatures=promised))


# Besides those of `PROMPTS`.
ODD = [
    b"",
    "\x00\x01\x7f\u200b\ufeff",
    b"\xff\xfe bytes \xc3( cut off \xe2\x82",
    "word " * 2_000,
    "😀👩‍👩‍👧",
    "\u202e",
    "e\u0301" * 50,
]


def generated(export, prompts, **options):
    """Texts of the signature `generate`."""
    options = {"length": 10, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0} | options
    rows = {name: value if isinstance(value, list) else [value] * len(prompts) for name, value in options.items()}
    return [text.decode() for text in export.ask("generate", prompt=prompts, **rows)["text"]]


def stepped(export, ids):
    """Logits after each of some tokens, asked one by one, and the last state."""
    state, found = np.zeros([1, STATE], "float32"), []
    for token in ids:
        answers = export.ask("step", token=[token], state=state)
        state = answers["state"]
        found.append(answers["logits"][0])
    return np.array(found), state


def test_steps_over_a_text_say_what_score_and_read_say(export):
    text = "CLERK:\nThe king fears the long war in winter.\n" * 2
    ids = export.task.words(tf.constant([text])).numpy()[0]
    logits, state = stepped(export, [2, *ids])
    log_probs = tf.gather(tf.nn.log_softmax(logits[:-1]), ids, batch_dims=1).numpy()
    scores = export.ask("score", text=[text, "A"])
    np.testing.assert_allclose(scores["log_probs"][0], log_probs, atol=1e-5)
    np.testing.assert_allclose(scores["log_prob"][0], log_probs.sum(), rtol=1e-5)
    assert scores["tokens"][0] == len(ids)
    read = export.ask("read", prompt=[text, "A"])
    np.testing.assert_allclose(read["logits"][0], logits[-1], atol=1e-5)
    np.testing.assert_allclose(read["state"][0], state[0], atol=1e-5)


def test_pieces_of_steps_are_the_text(export):
    text = "The sea fears her name."
    ids = export.task.words(tf.constant([text])).numpy()[0]
    pieces = export.ask("step", token=[2, *ids, 0, 1, 10**6, -7], state=np.zeros([len(ids) + 5, STATE]))["piece"]
    assert b"".join(pieces[: len(ids) + 1]).decode().strip() == text
    assert [piece.decode() for piece in pieces[-4:]] == ["", "\ufffd", "\ufffd", "\ufffd"]


def test_a_long_text_is_scored_in_windows_like_a_short_one(export, monkeypatch):
    text = ["The king fears the crown. Stay, old man! " * 3]
    tokens = export.task.words(tf.constant(text))
    before, lengths = tf.pad(tokens, [[0, 0], [1, 0]], constant_values=2)[:, :-1], tf.constant([tokens.shape[1]])
    found = []
    for window in (7, 10_000):
        monkeypatch.setattr(language_model, "WINDOW", window)
        found.append(export.task._read(before, lengths, tokens))
    for some, other in zip(*found, strict=True):
        np.testing.assert_allclose(some, other, atol=1e-5)


def test_odd_texts_have_answers(export):
    for text in export.ask(prompt=ODD)["text"]:
        text.decode("utf-8")
    scores = export.ask("score", text=ODD)
    assert np.isfinite(scores["log_probs"]).all()
    assert (scores["log_prob"] <= 0).all()
    assert (scores["tokens"][0], scores["log_prob"][0]) == (0, 0)
    assert scores["tokens"][3] >= 2_000
    assert np.isfinite(export.ask("read", prompt=ODD)["state"]).all()


def test_of_a_very_long_prompt_the_end_is_read(export):
    end = "x?" * language_model.PROMPT
    states = export.ask("read", prompt=["The king. " + end, end, "My " * 999 + end])["state"]
    np.testing.assert_allclose(states, states[[1, 1, 1]], atol=1e-6)


def test_a_text_depends_on_its_seed_alone(export):
    prompts = ["ANNA:\n"] * 6
    texts = generated(export, prompts, seed=[3, 4, 5, 3, 6, 7])
    assert texts[0] == texts[3]
    assert len(set(texts)) >= 4
    assert generated(export, prompts[:1], seed=[5], length=10) == texts[2:3]
    long = generated(export, prompts[:2], seed=[3, 3], length=[10, 40])
    assert long[0] == texts[0]
    assert long[1].startswith(texts[0])


def test_options_count_row_by_row(export):
    greedy, one, none, most, cut = generated(
        export, ["ANNA:\n"] * 5, temperature=[0.0, 5.0, 1.0, 1.0, 1.0], top_k=[0, 1, 0, 0, 0], length=[8, 8, 0, -1, 10**9]
    )
    assert greedy == one
    assert none == most == ""
    assert len(cut) <= 20 * language_model.LONGEST
    assert greedy.strip() == plainly(export, "ANNA:\n", 8).strip()


def plainly(export, prompt, length):
    """The likeliest text by a plain loop over single steps."""
    tokens = [2, *export.task.words(tf.constant([prompt])).numpy()[0]]
    start = len(tokens)
    while len(tokens) < start + length:
        token = int(np.argmax(allowed(stepped(export, tokens)[0][-1])))
        if token == 3:
            break
        tokens.append(token)
    return export.task.words.decode(tf.constant([tokens[start:]])).numpy()[0].decode()


def test_a_stream_is_a_text_piece_by_piece(model):
    pieces = list(model.stream("ANNA:\n", length=15, seed=1))
    assert 0 < len(pieces) <= 15
    assert pieces == list(model.stream("ANNA:\n", length=15, seed=1))
    assert any(pieces != list(model.stream("ANNA:\n", length=15, seed=seed)) for seed in range(2, 5))
    assert list(model.stream("ANNA:\n", length=0)) == []
    (answer,) = model.predict(
        [{"prompt": "ANNA:\n", "length": 9, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}], signature="generate"
    )
    assert "".join(model.stream("ANNA:\n", length=9, temperature=0)) == answer["text"]


def test_the_command_line_streams_one_prompt(model, capsys):
    command = ["predict", str(model.directory), "ANNA:\n", "--stream"]
    main(command)
    assert capsys.readouterr().out == "".join(model.stream("ANNA:\n")) + "\n"
    for more in (["--json"], ["another"], ["--signature", "score"]):
        with pytest.raises(SystemExit):
            main([*command, *more])
        assert "--stream writes what follows one input, and nothing else" in capsys.readouterr().err


def test_what_cannot_be_streamed_is_said(model):
    for options in ({"length": -1}, {"temperature": float("nan")}, {"seed": -3}):
        with pytest.raises(zoo.ZooError, match="0 or more"):
            model.stream("A", **options)
    with pytest.raises(zoo.ZooError, match="one text, not list"):
        model.stream(["A"])
    del model.signatures["step"]
    with pytest.raises(zoo.ZooError, match="language writes no text step by step: it has no signature step"):
        model.stream("A")


def test_measure_is_the_mean_of_the_scores_of_each_part(model):
    texts = ["The king fears the crown. " * 30, "Stay, old man! " * 20]
    test = tf.data.Dataset.from_tensor_slices((texts, ["", "last 10 %"]))
    scores = zoo.LanguageModel.measure(model, test)
    assert list(scores) == [f"{unit} a character{part}" for part in ("", ", last 10 %") for unit in ("nats", "bits")]
    for text, part in zip(texts, ("", ", last 10 %"), strict=True):
        (said,) = model.predict([text], signature="score")
        score = scores[f"nats a character{part}"]
        assert score["n"] == len(text)
        assert score["value"] == pytest.approx(-said["log_prob"] / len(text), rel=1e-5)
        assert score["low"] <= score["value"] <= score["high"]
        assert scores[f"bits a character{part}"]["value"] == pytest.approx(score["value"] / np.log(2))


def test_every_rate_changes_training_alone():
    arguments = {"vocabulary_size": 20, "units": 8}
    inputs = {"tokens": tf.constant([[5, 6, 7]] * 64), "state": tf.random.stateless_normal([64, 32], [0, 0])}
    for name in ("dropout", "weight_dropout", "state_dropout"):
        model = zoo.create_model("language_model", **arguments, **{name: 0.5})
        same, other = (model(inputs, training=training)["logits"].numpy() for training in (False, True))
        np.testing.assert_array_equal(same, model(inputs, training=False)["logits"])
        assert np.abs(same - other).max() > 1e-3, name


def test_rows_that_forget_begin_with_the_start():
    layer = BeginAnew(0.5, 2)
    tokens, state = tf.fill([200, 3], 9), tf.ones([200, 4])
    some, states = (each.numpy() for each in layer(tokens, state, training=True))
    forgot = some[:, 0] == 2
    assert 60 < forgot.sum() < 140
    assert set(some[:, 1:].ravel()) == {9}
    np.testing.assert_array_equal(states, np.where(forgot[:, None], 0, 1) * np.ones([1, 4]))


def test_a_draw_is_that_of_the_search():
    logits = np.array([9.0, 9.0, 9.0, 1.0, 3.0, 2.0, -1.0])
    options = {"temperature": 0.7, "top_k": 3, "top_p": 0.9}
    random = np.random.default_rng(0)
    counts = np.bincount([streaming.draw(logits, **options, random=random) for _ in range(500)], minlength=7) / 500

    def step(tokens, position, state, context):
        return allowed(tf.tile(tf.constant(logits[None], tf.float32), [tf.shape(tokens)[0], 1])), state

    rows = {name: tf.fill([500], value) for name, value in options.items()}
    found = decoding.sample(step, (), (), start=2, end=-1, limits=tf.fill([500], 1), seeds=tf.range(500), **rows)
    assert np.abs(counts - np.bincount(found.tokens[:, 0], minlength=7) / 500).max() < 0.1
    assert set(np.flatnonzero(counts)) == {4, 5}
    assert streaming.draw(logits, temperature=0, top_k=0, top_p=1.0, random=random) == 4
