"""A translator: its examples, its searches, its scores, and texts that are none."""

import dataclasses
import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe
from small import columns, splits

import zoo
from zoo import config as configs
from zoo.data import pair_profile
from zoo.data.drawn_emails import drawn_emails
from zoo.data.spanish_phrases import spanish_phrases
from zoo.preprocessing import SubWords
from zoo.tasks.writer import allowed

SOURCES = ["Tengo dos gatos negros.", "", "¿Dónde está la biblioteca?", " \t ", "xyzzy 漢字 😀", "veintidós " * 40]
TEXT, CUT = {"text": "string [N]"}, {"cut": "bool [N]"}
TOKENS = {"source_tokens": "string [N, ?]", "target_tokens": "string [N, ?]", "weights": "float [N, ?, ?]"}


def tiny_task(weights, **arguments):
    """A `Translator` of texts of at most 24 pieces."""
    sides = zip(*spanish_phrases(300, 1, 1)["train"], strict=True)
    source, target = (
        SubWords.fit(tf.data.Dataset.from_tensor_slices(list(texts)), size=160, limit=24, file=file)
        for texts, file in zip(sides, ("source.txt", "target.txt"), strict=True)
    )
    sizes = {"source_size": source.size, "target_size": target.size}
    task = zoo.Translator(zoo.create_model("sequence_to_sequence", **sizes, **arguments), source, target)
    tiny.randomise_writer(task.model, **weights)
    return task


def tiny_summarizer(weights, **arguments):
    """A `Summarizer` of texts of at most 40 pieces, that copies."""
    texts = [text for pair in drawn_emails(150, 1, 1)["train"] for text in pair]
    words = SubWords.fit(tf.data.Dataset.from_tensor_slices(texts), size=160, limit=40, lower=True)
    sizes = {"source_size": words.size, "target_size": words.size}
    model = zoo.create_model("sequence_to_sequence", **sizes, copy=True, coverage=True, **arguments)
    task = zoo.Summarizer(model, words, longest=8)
    tiny.randomise_writer(task.model, **weights)
    return task


def signatures(task):
    """Those of a `Translator` or a `Summarizer`."""
    one, several = task.answer
    answer = {one: "string [N]", "score": "float [N]", **CUT}
    return {
        "serving_default": (TEXT, answer),
        "greedy": (TEXT, answer),
        "beam": (TEXT, {several: "string [N, 5]", "scores": "float [N, 5]", **CUT}),
        "attention": (TEXT, {one: "string [N]", **TOKENS, **CUT}),
        "score": (TEXT | {one: "string [N]"}, {"score": "float [N]", "tokens": "int32 [N]", "right": "int32 [N]"}),
    }


ANSWERS = ["I have two cats.", "nothing", "", " ", "漢字", "twenty " * 2_000]

FAMILY = Family(
    builder="sequence_to_sequence",
    common={"source_size": 20, "target_size": 20, "units": 4},
    tiny=[
        {"cell": "rnn", "layers": 1, "bidirectional": False},
        {"cell": "gru", "attention": "additive", "encoder_layers": 2},
        {"cell": "lstm", "embedding_dim": 3, "dropout": 0.5},
        {"cell": "transformer", "encoder_layers": 2},
        {"cell": "gru", "copy": True, "coverage": True},
        {"cell": "transformer", "copy": True},
    ],
    wrong=[
        {"cell": "qrnn"},
        {"attention": "loud"},
        {"source_size": 1},
        {"target_size": 4},
        {"units": 0},
        {"layers": 0},
        {"encoder_layers": 0},
        {"embedding_dim": 0},
        {"dropout": 1.0},
        {"source_size": 21, "copy": True},
        {"coverage": True},
    ],
    tasks={
        "translator gru": functools.partial(tiny_task, {"seed": 6, "gain": 1, "embedding": 1}, cell="gru", units=16),
        "translator transformer": functools.partial(
            tiny_task, {"seed": 1, "gain": 2, "embedding": 0.3}, cell="transformer", encoder_layers=2, units=8
        ),
        "summarizer gru": functools.partial(tiny_summarizer, {"seed": 6, "gain": 1, "embedding": 1}, cell="gru", units=16),
    },
    inputs={"text": SOURCES, "translation": ANSWERS, "summary": ANSWERS},
    signatures=signatures,
    data=lambda: splits(columns(spanish_phrases(20, 1, 1)["train"])),
    misfits={
        "classes of texts": ((["a", "b"], [0, 1]), r"translation string.*\(string, int32\)"),
        "image files": (([tiny.FILES[0]], ["a"]), r"not UTF-8"),
    },
    recipes=(
        Recipe(
            name="spanish_to_english",
            generator=spanish_phrases,
            small="--units 8 --embedding-dim 8 --vocabulary-size 300 --max-tokens 12",
            refused={"--pairs wrong.csv": "wrong.csv has no line with a sentence, a tab and its translation"},
        ),
    ),
)

# Beside those of `SOURCES`.
ODD = [
    b"",
    b" \n\t\r ",
    "\x00\x01\x7f\u200b\ufeff",
    b"\xff\xfe bytes \xc3( and a cut off one \xe2\x82",
    "palabra " * 2_000,
    "x" * 20_000,
    "😀👩‍👩‍👧 🇪🇸",
    "Где находится библиотека? 図書館はどこですか。 أين المكتبة؟",
    "\u202e",
    "¿" * 500,
    "e\u0301" * 50,
]


@pytest.fixture(scope="session", params=[name for name in FAMILY.tasks if name.startswith("translator")])
def export(request, export_of):
    return export_of(request.param)


def test_odd_texts_have_an_answer(export):
    limit = export.task.target_words.limit
    for signature in ("serving_default", "greedy", "beam", "attention"):
        answers = export.ask(signature, text=ODD)
        for text in answers["translations" if signature == "beam" else "translation"].ravel():
            text.decode("utf-8")
        if signature == "attention":
            assert answers["target_tokens"].shape[1] <= limit + 1
        else:
            scores = answers["scores" if signature == "beam" else "score"]
            assert np.isfinite(scores).all()
            assert (scores <= 0).all()
        for row in (0, 1, 2):  # there is nothing to translate
            tiny.assert_same_row(answers, row, export.ask(signature, text=[""]))
    empty = export.ask(text=[""])
    assert (empty["translation"].tolist(), empty["score"].tolist()) == ([b""], [0])


LONG = ["Tengo dos gatos negros.", "¿Dónde está la biblioteca?", "No sé.", "Mi casa es nueva."] * 10


def test_a_long_text_is_translated_sentence_by_sentence(export):
    for signature, text, score in (
        ("serving_default", "translation", "score"),
        ("greedy", "translation", "score"),
        ("beam", "translations", "scores"),
    ):
        each = export.ask(signature, text=LONG)
        (whole,), (total,), (cut,) = (export.ask(signature, text=[" ".join(LONG)])[name] for name in (text, score, "cut"))
        joined = [b" ".join(part for part in column if part) for column in each[text].reshape(len(LONG), -1).T]
        assert whole.ravel().tolist() == joined if signature == "beam" else [whole] == joined
        np.testing.assert_allclose(total, each[score].sum(axis=0), rtol=1e-4)
        assert cut == each["cut"].any()
    attention = export.ask("attention", text=[" ".join(LONG)])
    assert attention["cut"].tolist() == [True]
    alone = export.ask("attention", text=LONG[:1])
    assert attention.keys() == alone.keys()
    for name in alone.keys() - {"cut"}:
        tiny.assert_same({name: attention[name]}, {name: alone[name]})


def test_what_is_cut_is_said(export):
    texts = ["x" * 20_000, "palabra " * 2_000, "Sí. " * 100, "", "Hola. " * 3]
    for signature in ("serving_default", "greedy", "beam"):
        cut = export.ask(signature, text=texts)["cut"].tolist()
        assert cut[:4] == [True, True, True, False]


def test_an_answer_that_does_not_end_is_cut(export):
    answers = export.ask("greedy", text=LONG[:4])
    for text, cut in zip(LONG, answers["cut"], strict=False):
        tokens, *_ = greedily(export.task, text)
        limit = int(export.task._limits(export.task.inputs(tf.constant([text])))[0])
        assert cut == (len(tokens) >= limit)


def test_capitals_are_answered_in_capitals(export):
    for signature in ("serving_default", "greedy", "attention"):
        loud, quiet = (export.ask(signature, text=[text]) for text in ("¿DÓNDE ESTÁ LA CASA?", "¿Dónde está la casa?"))
        assert loud["translation"][0].decode() == quiet["translation"][0].decode().upper()
        others = loud.keys() - {"translation"}
        tiny.assert_same({name: loud[name] for name in others}, {name: quiet[name] for name in others})


def test_a_language_in_capitals_is_read_as_it_is(export):
    task = export.task
    words = SubWords(["▁", *"ABCD"], limit=8)
    model = zoo.create_model("sequence_to_sequence", source_size=words.size, target_size=task.target_words.size, units=4)
    pieces = words.pieces(zoo.Translator(model, words, task.target_words)._rows(tf.constant(["ABBA CD"])).ids)
    assert b"".join(pieces.numpy()[0]).decode() == "▁ABBA▁CD"


def test_texts_are_whole_where_the_sources_to_learn_from_have_several_sentences(export):
    def taught(*sources):
        task = export.task.from_config(export.task.config(), export.task.assets, export.task.examples)
        task.adapt(tf.data.Dataset.from_tensor_slices((list(sources), ["Yes."] * len(sources))))
        return task

    one, several = taught("Sí.", "No.", "Ven aquí."), taught("Sí. No.", "Ven. No.", "No.")
    assert (one.config()["by_sentence"], several.config()["by_sentence"]) == (True, False)
    assert [len(task._rows(tf.constant(["No. Sí."])).ids) for task in (one, several)] == [2, 1]


def test_capitals_are_read_as_they_are_where_their_targets_have_small_letters(export):
    def folds(*pairs):
        task = export.task.from_config(export.task.config(), export.task.assets, export.task.examples)
        task.adapt(tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*pairs, strict=True)))))
        return task.config()["fold"]

    usual = ("No sé.", "I don't know.")
    assert folds(usual, ("¡NO SÉ!", "I DON'T KNOW!"))
    assert not folds(usual, ("EEUU", "the United States"), ("ONU", "the United Nations"))


def test_no_target_of_the_training_split_is_too_long_to_be_written(export):
    task = export.task.from_config(export.task.config(), export.task.assets, export.task.examples)
    long = "one two three four five six seven"
    needed = int(tf.math.count_nonzero(task.target_words(tf.constant([long]))))
    source = tf.constant(["Sí"])

    def limit():
        return int(task._limits(task.inputs(source))[0])

    assert limit() <= needed
    task.adapt(tf.data.Dataset.from_tensor_slices((["Sí"], [long])))
    assert needed < limit() <= task.target_words.limit
    assert task.buckets == (needed + 1,)  # no example of few is padded to more than it needs


def test_a_card_from_before_its_options_keeps_loading(export):
    task = export.task
    older = {name: value for name, value in task.config().items() if name not in ("expansion", "fold")}
    config = task.from_config(older, task.assets, task.examples).config()
    assert (config["expansion"], config["fold"]) == (2, True)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_fresh_encoder_hears_what_it_reads(cell):
    sizes = {"source_size": 50, "target_size": 50, "units": 32}
    model = zoo.create_model("sequence_to_sequence", **sizes, cell=cell, source_scale=1.0)
    encoder = keras.Model(model.get_layer("source").output, model.get_layer("memory_dropout").output)
    memory = encoder(tf.range(4, 50)[:, None])
    assert float(tf.reduce_mean(tf.math.reduce_std(memory, axis=0))) > 0.05


def strings(count, draw):
    rng = random.Random(0)
    return tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*(draw(rng) for _ in range(count)), strict=True))))


def a_string(rng):
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 12)))
    return text, text[::-1]


def digits(rng):
    numbers = [rng.randrange(10) for _ in range(5)]
    return "".join(map(str, numbers)), " ".join("nil one two three four five six seven eight nine".split()[n] for n in numbers)


def a_sentence(rng):
    rare = "".join(rng.choices("aeiou", k=8))
    return f"Veo un {rare}.", f"I see a {rare}."


@pytest.mark.parametrize(
    ("draw", "least", "dropout"), [(a_string, [None, None], 0.1), (digits, [10, 10], 0.1), (a_sentence, [10, 10], 0.2)]
)
def test_what_suits_own_pairs_is_looked_up_in_them(draw, least, dropout, import_recipe, request):
    config = import_recipe(request.config.rootpath / "recipes" / "spanish_to_english.py").Config()
    profile = pair_profile.look(strings(300, draw))
    arguments, vocabularies = zoo.Translator.suited(profile, config)
    assert [options["least"] for options in vocabularies] == least
    assert arguments == {"units": 128, "embedding_dim": 128, "dropout": dropout, "source_scale": 1.0}
    assert zoo.Translator.learning_rate(profile, config) == 3e-3
    given = dataclasses.replace(config, units=8, dropout=0.0, pieces="characters")
    arguments, vocabularies = zoo.Translator.suited(profile, given)
    assert [options["least"] for options in vocabularies] == [None, None]
    assert arguments == {"units": 8, "embedding_dim": 128, "dropout": 0.0, "source_scale": 1.0}


def test_what_suits_tatoeba_is_what_the_shipped_model_has(import_recipe, request):
    config = import_recipe(request.config.rootpath / "recipes" / "spanish_to_english.py").Config()
    arguments, vocabularies = zoo.Translator.suited(pair_profile.TATOEBA, config)
    shipped = zoo.load("spanish_to_english").card["task"]
    assert arguments.items() <= shipped["arguments"].items()
    assert {options["size"] for options in vocabularies} == {shipped["arguments"]["source_size"]}
    assert pair_profile.TATOEBA.is_translation
    assert zoo.Translator.learning_rate(pair_profile.TATOEBA, config) is None


def test_odd_translations_have_a_score(export):
    count = len(ODD)
    answers = export.ask("score", text=["No sé."] * count + ODD, translation=ODD + ["I do not know."] * count)
    assert np.isfinite(answers["score"]).all()
    assert (answers["score"] < 0).all()
    assert ((answers["tokens"] >= 1) & (answers["tokens"] <= export.task.target_words.limit)).all()
    assert (answers["right"] <= answers["tokens"]).all()
    assert answers["tokens"][0] == 1  # the end of an empty translation


def greedily(task, text):
    """Greedy search in plain Python: the tokens of one text, the sum of their log-probabilities, and whether it ended."""
    source = task._rows(tf.constant([text])).ids
    memory = task._encode(source)
    decoder, limit = task.model.get_layer("decoder"), int(task._limits(source)[0])
    state, context = decoder.prepare(memory, source != 0, limit + 1)
    tokens, log_prob, token = [], 0.0, SubWords.START
    while len(tokens) < limit:
        logits, state = decoder.step(tf.constant([token]), tf.constant(len(tokens)), state, context)
        log_probs = tf.nn.log_softmax(allowed(logits))[0].numpy()
        token = int(log_probs.argmax())
        log_prob += log_probs[token]
        if token == SubWords.END:
            return tokens, log_prob, True
        tokens.append(token)
    return tokens, log_prob, len(tokens) == task.target_words.limit


def test_greedy_is_a_plain_loop_and_its_score_is_that_of_the_same_text(export):
    texts = ["Tengo dos gatos negros.", "¿Dónde está la biblioteca?", "xyzzy 漢字 😀", "No"]
    answers = export.ask("greedy", text=texts)
    scores = export.ask("score", text=texts, translation=answers["translation"])["score"]
    words = export.task.target_words
    alike = 0
    for row, text in enumerate(texts):
        tokens, log_prob, ended = greedily(export.task, text)
        translation = words.decode(tf.constant([tokens], tf.int32, [1, len(tokens)]))
        assert answers["translation"][row] == translation.numpy()[0]
        assert answers["score"][row] == pytest.approx(log_prob, abs=1e-3)
        again = words(translation).numpy()[0]
        if ended and again[again > 0].tolist() == tokens:  # a text may be cut into other pieces than it was written in
            assert scores[row] == pytest.approx(log_prob, abs=1e-3)
            alike += 1
    assert alike >= 1


def test_the_first_of_the_beam_is_the_answer_and_no_two_are_alike(export):
    answers, beam = export.answers["serving_default"], export.answers["beam"]
    np.testing.assert_array_equal(beam["translations"][:, 0], answers["translation"])
    np.testing.assert_allclose(beam["scores"][:, 0], answers["score"], rtol=1e-6)
    rated = beam["scores"][0]  # all are at their limit, as long as each other
    assert (np.diff(rated) <= 0).all()
    assert len(set(rated)) == len(rated)


def test_attention_is_over_the_source_tokens_for_each_token_written(export):
    answers = export.answers["attention"]
    of_one_row = slice(0, 5)
    np.testing.assert_array_equal(
        answers["translation"][of_one_row], export.answers["serving_default"]["translation"][of_one_row]
    )
    source, target = answers["source_tokens"] != b"", answers["target_tokens"] != b""
    weights = answers["weights"]
    np.testing.assert_allclose(weights.sum(axis=2), target & source.any(axis=1, keepdims=True), atol=1e-5)
    assert not weights[np.broadcast_to(~source[:, None], weights.shape)].any()
    for row, tokens in enumerate(answers["target_tokens"].tolist()):
        written = [token for token in tokens if token]
        assert written[-1] == b"</s>"
        assert b"".join(written[:-1]).decode().replace("▁", " ").strip().encode() == answers["translation"][row]


def test_an_example_is_what_comes_before_each_token_and_the_token(export):
    task = export.task
    words = task.target_words
    texts = ["I have two cats.", "", "twenty " * 100]
    inputs, targets = task.encode_example(tf.constant(["Tengo dos gatos.", "", "veinte"]), tf.constant(texts))
    before, targets = inputs["target"].numpy(), targets.numpy()
    np.testing.assert_array_equal(inputs["source"], task.inputs(tf.constant(["Tengo dos gatos.", "", "veinte"])))
    assert before.shape == targets.shape == (3, words.limit + 1)
    ids = [row[row > 0].tolist() for row in words(tf.constant(texts)).numpy()]
    assert len(ids[2]) == words.limit
    ends = [[words.END], [words.END], []]  # that of the cut text is not known
    for row, (tokens, end) in enumerate(zip(ids, ends, strict=True)):
        room = words.limit - len(tokens)
        assert before[row].tolist() == [words.START, *tokens] + [0] * room
        assert targets[row].tolist() == tokens + end + [0] * (room + 1 - len(end))


def test_buckets_hold_all_lengths(export):
    task = export.task
    assert len(task.buckets) <= 4
    pairs = tf.constant(["", "Sí.", "palabra " * 100]), tf.constant(["", "I do not know.", "word " * 100])
    rows = tf.data.Dataset.from_tensor_slices(task.encode_example(*pairs))
    lengths = [int(task.length(*row)) for row in rows]
    assert lengths[0] == 1  # the end
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[2] == task.buckets[-1] == task.target_words.limit + 1


def test_a_rebuilt_translator_can_be_trained(export, tmp_path):
    task = export.rebuilt(tmp_path / "artefact")
    before = [weight.numpy() for weight in task.model.weights]
    trained = task.trained
    trained.compile("sgd", task.losses(), metrics=task.metrics(), run_eagerly=True)
    batch = task.encode_example(tf.constant(["Tengo dos gatos.", "No."]), tf.constant(["I have two cats.", "No."]))
    logs = trained.train_on_batch(*task.finish_batch(*batch), return_dict=True)
    assert np.isfinite(logs["loss"])
    task.monitor.check(logs)
    for weight, old in zip(task.model.trainable_weights, before, strict=True):
        # what is added to all keys alike makes no difference to a softmax
        assert np.any(weight.numpy() != old) or weight.path.endswith("key/bias"), weight.path


def test_own_sentence_pairs_from_a_file(import_recipe, request, tmp_path):
    """A vocabulary of their own, also of other scripts, and no picture of anybody else's data in the card."""
    recipe = import_recipe(request.config.rootpath / "recipes" / "spanish_to_english.py")
    pairs = [f"{number} раз\t{number} times" for number in range(400)]
    (tmp_path / "pairs.tsv").write_text("\n".join(pairs), encoding="utf-8")
    flags = [*FAMILY.recipes[0].small.split(), "--pairs", str(tmp_path / "pairs.tsv"), "--max-steps", "3"]
    model = configs.run(recipe.main, [*flags, "--runs", str(tmp_path / "runs")])
    assert model.card["data"]["source"] == "own"
    assert {"translation", "score", "cut"} == set(model.predict(["7 раз"])[0])
    assert "▁раз" in (model.directory / "assets" / "source.txt").read_text(encoding="utf-8").split("\n")
