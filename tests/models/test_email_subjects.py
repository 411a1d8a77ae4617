"""A summarizer: what it reads, how it writes, what it says of itself; and the recipe `email_subjects`."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Recipe

import zoo
from zoo import config as configs
from zoo.data.drawn_emails import drawn_emails
from zoo.preprocessing import SubWords
from zoo.tasks.writer import allowed

RECIPES = (
    Recipe(
        name="email_subjects",
        generator=drawn_emails,
        small="--units 8 --embedding-dim 8 --vocabulary-size 300 --max-tokens 40 --longest 8",
        refused={"--pairs wrong.csv": "wrong.csv has no line with a sentence, a tab and its translation"},
    ),
)
MAILS = [body for body, _ in drawn_emails(4, 1, 1, seed=1)["train"]]
ODD = [b"", b" \n\t\r ", b"\xff\xfe bytes \xc3(", "word " * 2_000, "x" * 20_000, "😀👩‍👩‍👧", "\u202e", "?" * 500, "ÀÉ " * 30]


@pytest.fixture(scope="module")
def export(export_of):
    return export_of("summarizer gru")


def test_odd_texts_have_a_summary(export):
    for signature in ("serving_default", "greedy", "beam", "attention"):
        answers = export.ask(signature, text=ODD)
        for text in answers["summaries" if signature == "beam" else "summary"].ravel():
            text.decode("utf-8")
        for row in (0, 1):  # there is nothing to sum up
            tiny.assert_same_row(answers, row, export.ask(signature, text=[""]))
    empty = export.ask(text=[""])
    assert (empty["summary"].tolist(), empty["score"].tolist(), empty["cut"].tolist()) == ([b""], [0], [False])


def test_a_text_that_is_too_long_is_cut_and_says_so(export):
    limit = export.task.words.limit
    word = next(piece for piece in export.task.words.vocabulary if len(piece) > 3 and piece.startswith("▁"))[1:]
    fits, longer = " ".join([word] * limit), " ".join([word] * (limit + 1))
    lengths = [int(tf.math.count_nonzero(export.task.words.limited(2 * limit)(tf.constant([text])))) for text in (fits, longer)]
    assert lengths == [limit, limit + 1]
    for signature in ("serving_default", "greedy", "beam", "attention"):
        answers = export.ask(signature, text=[fits, longer])
        assert answers["cut"][1]
        assert export.ask(signature, text=[longer])["cut"].tolist() == [True]
        seen = {name: value for name, value in answers.items() if name != "cut"}  # what is beyond counts for nothing
        tiny.assert_same(*({name: value[row : row + 1] for name, value in seen.items()} for row in (0, 1)))


def greedily(task, text):
    """Greedy search in plain Python: the tokens of one text, the sum of their log-probabilities, and whether it ended."""
    source = task.inputs(tf.constant([text]))
    memory, decoder = task._encode(source), task.model.get_layer("decoder")
    state, context = decoder.prepare(memory, source != 0, task.longest + 1, source)
    tokens, log_prob, token = [], 0.0, SubWords.START
    while len(tokens) < task.longest:
        logits, state = decoder.step(tf.constant([token]), tf.constant(len(tokens)), state, context)
        log_probs = tf.nn.log_softmax(allowed(logits))[0].numpy()
        token = int(log_probs.argmax())
        log_prob += log_probs[token]
        if token == SubWords.END:
            return tokens, log_prob, True
        tokens.append(token)
    return tokens, log_prob, False


def test_greedy_is_a_plain_loop_and_its_score_is_that_of_the_same_text(export):
    answers = export.ask("greedy", text=MAILS)
    scores = export.ask("score", text=MAILS, summary=answers["summary"])["score"]
    words, alike = export.task.target_words, 0
    for row, text in enumerate(MAILS):
        tokens, log_prob, ended = greedily(export.task, text)
        summary = words.decode(tf.constant([tokens], tf.int32, [1, len(tokens)]))
        assert answers["summary"][row].lower() == summary.numpy()[0]
        assert answers["score"][row] == pytest.approx(log_prob, abs=1e-3)
        again = words(summary).numpy()[0]
        if again[again > 0].tolist() == tokens:  # a text may be cut into other pieces than it was written in
            assert scores[row] == pytest.approx(log_prob, abs=1e-3)
            alike += 1
        assert answers["cut"][row] == (not ended or len(words.limited(1_000)(tf.constant([text]))[0]) > 40)
    assert alike >= 1


def test_the_first_of_the_beam_is_the_summary(export):
    answers, beam = export.answers["serving_default"], export.answers["beam"]
    np.testing.assert_array_equal(beam["summaries"][:, 0], answers["summary"])
    np.testing.assert_allclose(beam["scores"][:, 0], answers["score"], rtol=1e-6)


def test_attention_is_where_it_points_at_each_token_written(export):
    answers = export.ask("attention", text=MAILS)
    np.testing.assert_array_equal(answers["summary"], export.ask(text=MAILS)["summary"])
    source, target = answers["source_tokens"] != b"", answers["target_tokens"] != b""
    np.testing.assert_allclose(answers["weights"].sum(axis=2), target & source.any(axis=1, keepdims=True), atol=1e-5)
    for row, tokens in enumerate(answers["target_tokens"].tolist()):
        written = b"".join(token for token in tokens if token not in (b"", b"</s>")).decode()
        assert written.replace("▁", " ").strip() == answers["summary"][row].decode().lower()


def test_a_summary_has_the_capitals_of_its_text(export):
    quiet = export.ask("greedy", text=MAILS)["summary"]
    loud = export.ask("greedy", text=[text.upper() for text in MAILS])["summary"]
    shown = 0
    for text, one, other in zip(MAILS, quiet, loud, strict=True):
        assert one.lower() == other.lower()
        assert one[:1] == one[:1].upper()
        shown += any(word in text.upper().split() and word != word.lower() for word in other.decode().split())
    assert shown


def test_an_example_is_in_lower_case_and_no_longer_than_a_summary_may_be(export):
    task = export.task
    inputs, targets = task.encode_example(tf.constant(["Budget MEETING"] * 2), tf.constant(["The budget", "Meeting " * 30]))
    assert task.words.decode(inputs["source"])[0] == b"budget meeting"
    assert targets.shape[1] == inputs["target"].shape[1] == task.longest + 1
    ids = targets.numpy()[0]
    assert task.words.decode(ids[None])[0] == b"the budget"
    assert ids[ids > 0][-1] == SubWords.END
    assert SubWords.END not in targets.numpy()[1]  # that of what is too long is not known
    length = task.length({"source": inputs["source"][0], "target": inputs["target"][0]}, targets[0])
    assert [int(each) for each in tf.nest.flatten(length)] == [
        np.count_nonzero(inputs["source"][0]),
        np.count_nonzero(ids),
        np.count_nonzero(ids),
    ]


def test_the_length_penalty_is_chosen_on_validation_where_none_was_given(export, monkeypatch, capsys):
    task = copy.copy(export.task)
    given = task.length_penalty

    def answer(text):
        return {"summary": tf.where(task.length_penalty == 1.5, text, "-")}

    monkeypatch.setattr(task, "signatures", lambda: {"serving_default": answer})
    texts = [f"budget {number}" for number in range(120)]
    validation = tf.data.Dataset.from_tensor_slices((texts, texts))
    for is_open, held_out, chosen in ((False, validation, given), (True, validation.take(20), given), (True, validation, 1.5)):
        task.is_open = is_open
        task.calibrate(held_out)
        assert task.length_penalty == chosen
    assert "Length penalty 1.5, by the mean ROUGE of 120 of validation" in capsys.readouterr().out
    assert task.config()["length_penalty"] == 1.5
    assert not task.from_config(task.config(), task.assets, task.examples).is_open


def test_a_summary_has_a_token(export):
    with pytest.raises(zoo.ZooError, match="longest must be at least 1, not 0"):
        zoo.Summarizer(export.task.model, export.task.words, longest=0)


def test_what_is_in_the_text_alone_is_learnt_to_be_copied():
    """The tokens of the test are none of training's: a decoder that does not copy has never written them."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)

    def batch(low, high, rows=64):
        source = random.integers(low, high, (rows, 6))
        source[:, 2] = 4  # what stands behind it is wanted
        target = np.stack([source[:, 3], source[:, 4], np.full(rows, SubWords.END)], axis=1)
        before = np.concatenate([np.full((rows, 1), SubWords.START), target[:, :-1]], axis=1)
        return {"source": source.astype("int32"), "target": before.astype("int32")}, target

    model = zoo.create_model("sequence_to_sequence", source_size=60, target_size=60, units=24, layers=1, copy=True)
    trained = keras.Model(model.input, model.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    for _ in range(150):
        trained.train_on_batch(*batch(5, 45))
    inputs, target = batch(45, 60)
    right = np.argmax(trained(inputs), axis=2) == target
    assert right.mean() > 0.8


def test_own_texts_from_a_file(import_recipe, request, tmp_path):
    recipe = import_recipe(request.config.rootpath / "recipes" / "email_subjects.py")
    pairs = [f"{number} раз, и ещё раз\t{number} раз" for number in range(300)]
    (tmp_path / "pairs.tsv").write_text("\n".join(pairs), encoding="utf-8")
    flags = [*RECIPES[0].small.split(), "--pairs", str(tmp_path / "pairs.tsv"), "--max-steps", "3", "--no-copy"]
    model = configs.run(recipe.main, [*flags, "--runs", str(tmp_path / "runs")])
    assert model.card["data"]["source"] == "own"
    assert model.card["task"]["arguments"]["copy"] is False
    assert set(model.predict(["7 раз"])[0]) == {"summary", "score", "cut"}
