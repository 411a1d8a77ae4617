"""A text classifier: what its probabilities are, its recipe's settings, and texts of one's own."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe
from small import reviews

import zoo
from zoo import config as configs
from zoo.data.film_reviews import film_reviews
from zoo.preprocessing import Words

PNG = tiny.FILES[0]
TEXTS = [
    b"A truly charming film, never dull.",
    b"",
    b" \t\r\n ",
    "😀🎬 superb 👩‍👩‍👧".encode(),
    "Этот фильм был скучным. 映画は最高でした".encode(),
    b"broken \xff\xfe bytes \xc3( and a cut off one \xe2\x82",
    b"<p>Silly<br /><br />plot &amp; a <b>great</b> cast <",
    b"boring " * 50_000,
]


def tiny_task(**arguments):
    """A `TextClassifier` of texts of at most 48 words."""
    texts, labels = zip(*film_reviews(300, 1, 1)["train"], strict=True)
    dataset = tf.data.Dataset.from_tensor_slices((list(texts), list(labels)))
    words = Words.fit(dataset, size=200, limit=48)
    model = zoo.create_model("text_classifier", vocabulary_size=words.size, num_classes=2, units=8, **arguments)
    task = zoo.TextClassifier(model, words, ("negative", "positive"))
    if "ngram_order" in arguments:
        task.adapt(dataset)
    tiny.shake(model)
    return task


def signatures(task):
    text, pair = {"text": "string [N]"}, "float [N, 2]"
    parts = {"parts": (text, {"recurrent": pair, "ngrams": pair})} if task.ngrams else {}
    return {"serving_default": (text, {"label": "string [N]", "probabilities": pair})} | parts


FAMILY = Family(
    builder="text_classifier",
    common={"vocabulary_size": 20, "num_classes": 2, "units": 4},
    tiny=[
        {"cell": "rnn"},
        {"cell": "gru"},
        {"cell": "lstm"},
        {"cell": "transformer"},
        {"cell": "lstm", "bidirectional": False, "layers": 2},
        {"cell": "transformer", "bidirectional": False, "layers": 2, "embedding_dim": 6},
        {"cell": "gru", "attention": True, "num_classes": 3, "dropout": 0.5},
        {"cell": "gru", "window": 4, "word_dropout": 0.3},
        {"cell": "rnn", "bigram_dim": 3},
        {"cell": "rnn", "window": 3, "attention": True, "ngram_order": 2, "ngram_buckets": 256},
    ],
    wrong=[
        {"cell": "qrnn"},
        {"num_classes": 1},
        {"vocabulary_size": 0},
        {"units": 0},
        {"layers": 0},
        {"embedding_dim": -1},
        {"window": 0},
        {"bigram_dim": -1},
        {"dropout": 1.5},
        {"word_dropout": 1},
        {"ngram_order": -1},
    ],
    tasks={
        "classifier gru": functools.partial(tiny_task, cell="gru"),
        "classifier rnn with n-grams": functools.partial(
            tiny_task, cell="rnn", bidirectional=False, ngram_order=1, ngram_buckets=2**10
        ),
        "classifier transformer": functools.partial(tiny_task, cell="transformer"),
        "classifier stacked lstm with n-grams": functools.partial(
            tiny_task, cell="lstm", layers=2, window=8, attention=True, ngram_order=2, ngram_buckets=2**10
        ),
    },
    inputs={"text": TEXTS},
    signatures=signatures,
    data=reviews,
    trained="classifier rnn with n-grams",
    misfits={
        "arrays": ((np.zeros((3, 8, 8, 3), "uint8"), [0, 1, 0]), r"label int64\).*uint8 \[8, 8, 3\]"),
        "image files": (([PNG] * 3, [0, 1, 0]), r"any of the first 3 train .*not UTF-8.*begins with"),
        "numbers": ((np.zeros(3, "float32"), [0, 1, 0]), r"text string.*has \(float32, int32\)"),
        "names for class numbers": ((["a", "b"], ["negative", "positive"]), r"label int64.*\(string, string\)"),
        "no class numbers": ((["a", "b"],), r"takes unbatched examples .*has \(string\)"),
        "a dict": ({"text": ["a"], "label": [0]}, r"a dict of text, label"),
        "batches": (([["a", "b"]], [[0, 1]]), r"unbatched.*string \[2\], int32 \[2\]"),
        "class numbers too high": ((["a", "b"], [1, 2]), r"from 1 to 2; those of .* 2 classes are 0 to 1"),
        "class numbers too low": ((["a", "b"], [-1, 1]), r"from -1 to 1"),
    },
    recipes=(
        Recipe(
            name="imdb_sentiment",
            small="--batch-size 64 --cell rnn --max-words 32 --units 8 --embedding-dim 8 --vocabulary-size 300",
            refused={
                "--csv wrong.csv": "Line 2 of wrong.csv has 3 fields, the header has 2",
                "--csv few.csv": "The validation split is empty",
            },
        ),
    ),
)


@pytest.mark.parametrize("export", FAMILY.tasks, indirect=True)
def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(export):
    answers = export.answers["serving_default"]
    probabilities = answers["probabilities"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert np.ptp(probabilities[:, 0]) > 0.01  # the texts make a difference
    assert list(answers["label"]) == [[b"negative", b"positive"][index] for index in probabilities.argmax(axis=1)]


@pytest.mark.parametrize("export", ["classifier stacked lstm with n-grams"], indirect=True)
def test_the_whole_is_the_mean_of_the_parts(export):
    parts = export.answers["parts"]
    for probabilities in parts.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert np.ptp(probabilities[:, 0]) > 0.01
    product = np.sqrt(parts["recurrent"] * parts["ngrams"])  # the mean of the logits
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(export.answers["serving_default"]["probabilities"], expected, rtol=0, atol=1e-5)


# The recipe


@pytest.mark.parametrize(
    "flags",
    [
        "--cell lstm --ngram-order 0",
        "--cell gru --ngram-order 0 --average 0 --window 8",
        "--cell transformer --ngram-order 0 --precision mixed_bfloat16",
    ],
)
def test_other_settings(flags, imdb, tiny_flags, tmp_path, request):
    import keras

    request.addfinalizer(lambda: keras.config.set_dtype_policy("float32"))
    model = configs.run(imdb.main, [*tiny_flags, "--runs", str(tmp_path), *flags.split()])
    for flag, value in zip(flags.split()[::2], flags.split()[1::2], strict=True):
        assert str(model.card["run"]["config"][flag[2:].replace("-", "_")]) in (value, value + ".0")
    assert ("parts" in model.signatures) == ("--ngram-order 0" not in flags)
    for answer in model.predict(["A wonderful film.", ""]):
        assert answer["label"] in model.card["labels"]
        assert np.isfinite(answer["probabilities"]).all()
    assert next(iter(model.card["scores"])) == "accuracy"


LABELLED = (("dull", "böse"), ("fine", "gut"), ("odd", "unsure, really"))


def test_own_texts_from_a_file(imdb, tiny_flags, tmp_path):
    """Three classes from a CSV file, whose labels come back."""
    rows = [f'"{word} film number {i}, truly {word}","{label}"' for i in range(60) for word, label in LABELLED]
    (tmp_path / "texts.csv").write_text("\n".join(["body,mood", *rows]), encoding="utf-8")
    own = ["--csv", str(tmp_path / "texts.csv"), "--text-column", "body", "--label-column", "mood", "--ngram-order", "1"]
    model = configs.run(imdb.main, [*tiny_flags, *own, "--max-steps", "20", "--runs", str(tmp_path / "runs")])
    assert model.card["labels"] == sorted(label for _, label in LABELLED)
    answers = model.predict([f"{word} film" for word, _ in LABELLED])
    assert [answer["label"] for answer in answers] == [label for _, label in LABELLED]
    assert len(answers[0]["probabilities"]) == 3
    assert model.card["data"]["source"] == "own"
    own_texts = {row.split('"')[1] for row in rows}
    assert {example["input"] for example in model.card["examples"]} < own_texts
