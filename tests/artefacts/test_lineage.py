"""Where weights come from: what another model takes of an artefact, and how its names decide."""

import re

import numpy as np
import pytest
import tensorflow as tf
from families import TASKS
from small import SENTIMENTS, assert_equal, columns, splits, weights

import zoo
from zoo.artefacts import lineage
from zoo.data.film_reviews import film_reviews

# One step at a rate that moves nothing: what differs afterwards was overwritten.
STILL = {"max_steps": 1, "epochs": 1, "learning_rate": 1e-20}


@pytest.fixture
def task(tiny_artefact):
    return zoo.load_task(tiny_artefact)


# Other classes on the same words


def test_a_task_with_other_labels_keeps_all_that_is_below_its_head(task, tiny_artefact, tmp_path, capsys):
    labels = ("angry", "calm", "happy")
    own = zoo.load_task(tiny_artefact, labels=labels)
    said = capsys.readouterr().out
    assert (own.labels, own.assets["labels.txt"]) == (labels, list(labels))
    assert own.words.vocabulary == task.words.vocabulary
    head = {path for path in weights(own.model) if path.startswith(("classes/", "ngram_linear/"))}
    kept = [path for path in weights(own.model) if path not in head]
    assert lineage.fresh(own.model) == head
    assert_equal(weights(own.model), weights(task.model), kept)
    taken, total = (
        int(number.replace(",", "")) for number in re.match(r"([\d,]+) of ([\d,]+) weights \(\d+ %\) from", said).groups()
    )
    assert taken == sum(weights(task.model)[path].size for path in kept)
    assert total == own.model.count_params()
    assert set(said.split("fresh: ")[1].split()) >= head

    texts, _ = columns(film_reviews(30, 1, 1)["train"])
    data = splits((texts, [number % 3 for number in range(30)]), labels)
    zoo.fit(own, data, zoo.RunConfig(runs=tmp_path, **STILL))
    assert_equal(weights(own.model), weights(task.model), kept)
    assert lineage.fresh(own.model) == set()  # the head is made of the artefact's
    assert np.count_nonzero(own.model.get_layer("ngram_linear").factors) > 0
    assert own.signatures()["serving_default"](tf.constant(["a"]))["probabilities"].shape == (1, 3)


def test_labels_of_the_same_names_are_the_artefacts_own(task, tiny_artefact, capsys):
    same = zoo.load_task(tiny_artefact, labels=["positive", "negative"])
    assert same.labels == SENTIMENTS
    assert_equal(weights(same.model), weights(task.model))
    count = f"{task.model.count_params():,}"
    assert f"{count} of {count} weights (100 %) from imdb_sentiment" in capsys.readouterr().out
    as_many = zoo.load_task(tiny_artefact, labels=["bad", "good"])
    assert as_many.labels == ("bad", "good")
    assert {"classes/kernel", "ngram_linear/owners"} <= lineage.fresh(as_many.model)
    assert not as_many.model.get_layer("ngram_linear").factors.numpy().any()


@pytest.mark.parametrize("export", ["translator gru"], indirect=True)
def test_labels_that_are_none(tiny_artefact, export, tmp_path):
    for labels in ((), ("one",), ("a", "a"), "word", ("a\nb", "c")):
        with pytest.raises(zoo.ZooError, match="names of at least two classes"):
            zoo.load_task(tiny_artefact, labels=labels)
    export.rebuilt(tmp_path / "artefact")
    with pytest.raises(zoo.ZooError, match="A sequence_to_sequence has no labels"):
        zoo.load_task(tmp_path / "artefact", labels=("a", "b"))
    for name in ("classifier gru", "image classifier"):
        task = TASKS[name].tasks[name]()
        with pytest.raises(zoo.ZooError, match=r"The model has \d+ classes, and there are 3 labels: 'a', 'b', 'c'"):
            codecs = [task.words] if name == "classifier gru" else []
            type(task)(task.model, *codecs, ("a", "b", "c"), examples=task.examples)


# Other models from the weights


def test_a_model_takes_the_artefacts_own_arguments_and_says_what_is_fresh(task, tiny_artefact, capsys):
    model = zoo.create_model("text_classifier", vocabulary_size=task.words.size, num_classes=5, weights=tiny_artefact)
    said = capsys.readouterr().out
    assert model.built_by.arguments == task.config()["arguments"] | {"num_classes": 5}
    fresh = {path for path in weights(model) if path.startswith(("classes/", "ngram_linear/"))}
    assert lineage.fresh(model) == fresh
    assert_equal(weights(model), weights(task.model), set(weights(model)) - fresh)
    kept = sum(weights(model)[path].size for path in set(weights(model)) - fresh)
    share = 100 * kept // model.count_params()
    assert said.startswith(f"{kept:,} of {model.count_params():,} weights ({share} %) from imdb_sentiment, run ")
    assert "classes/kernel (32, 5)" in said

    # not even the size of the vocabulary has to be given, and None is no argument
    whole = zoo.create_model("text_classifier", cell=None, weights=tiny_artefact)
    assert whole.built_by.arguments == task.config()["arguments"]
    assert lineage.fresh(whole) == set()
    assert "fresh" not in capsys.readouterr().out
    with pytest.raises(zoo.ZooError, match="is a text_classifier"):
        zoo.create_model("series_regressor", features=2, weights=tiny_artefact)


def test_a_layer_is_taken_whole_or_not_at_all(task, tiny_artefact):
    model = zoo.create_model("text_classifier", embedding_dim=5, weights=tiny_artefact)
    cells = [path for path in weights(model) if "rnn_cell" in path]
    assert len(cells) == 6
    assert lineage.fresh(model) == {"embedding/embeddings", *cells}  # also the recurrent kernels, which would have fitted


def test_words_of_ones_own_have_the_vectors_of_the_same_words(task, tiny_artefact, capsys):
    theirs, table = task.words.vocabulary, task.model.get_layer("embedding").embeddings.numpy()
    for count in (len(theirs), 40):  # a vocabulary of the same size, and of another
        own = ["zyzzyva", *reversed(theirs[: count - 1])]
        words = zoo.preprocessing.Words(own, limit=32)
        model = zoo.create_model("text_classifier", vocabulary_size=words.size, num_classes=2, weights=tiny_artefact)
        capsys.readouterr()
        zoo.TextClassifier(model, words, SENTIMENTS)
        said = capsys.readouterr().out
        moved = model.get_layer("embedding").embeddings.numpy()
        np.testing.assert_array_equal(moved[:2], table[:2])
        np.testing.assert_allclose(moved[2], table[2:].mean(axis=0), atol=1e-6)
        np.testing.assert_array_equal(moved[3:], table[2 : count + 1][::-1])
        assert f"{count + 1:,} of {count + 2:,} rows of embedding/embeddings" in said
        # pairs of words are hashed by their ids, which are others now
        assert lineage.fresh(model) == {"bigram_embedding/embeddings"}
        assert "fresh: bigram_embedding/embeddings" in said


def test_words_that_have_nothing_in_common_start_fresh(task, tiny_artefact):
    words = zoo.preprocessing.Words(["zyzzyva", "qoph"], limit=32)
    model = zoo.create_model("text_classifier", num_classes=2, weights=tiny_artefact)
    zoo.TextClassifier(model, words, SENTIMENTS)
    assert lineage.fresh(model) == {"embedding/embeddings", "bigram_embedding/embeddings"}
    too_many = zoo.preprocessing.Words([f"w{number}" for number in range(500)], limit=32)
    with pytest.raises(zoo.ZooError, match=r"has \d+ rows, too few for the 502 ids of vocabulary\.txt"):
        zoo.TextClassifier(model, too_many, SENTIMENTS)


def test_labels_decide_whether_a_head_is_taken(task, tiny_artefact):
    for labels, is_fresh in ((SENTIMENTS, False), (SENTIMENTS[::-1], False), (("bad", "good"), True)):
        model = zoo.create_model("text_classifier", weights=tiny_artefact)
        own = zoo.TextClassifier(model, task.words, labels)
        assert ("classes/kernel" in lineage.fresh(model)) == is_fresh
        assert ("ngram_linear/owners" in lineage.fresh(model)) == is_fresh
        if not is_fresh:  # the head says the same of a name, wherever it stands
            own.temperature = task.temperature  # it is no weight: `zoo.fit` finds it
            found = own.signatures()["serving_default"](tf.constant(list(task.examples)))
            expected = task.signatures()["serving_default"](tf.constant(list(task.examples)))
            assert found["label"].numpy().tolist() == expected["label"].numpy().tolist()
            order = [SENTIMENTS.index(label) for label in labels]
            np.testing.assert_allclose(found["probabilities"], expected["probabilities"].numpy()[:, order], atol=1e-6)
    trained = zoo.create_model("text_classifier", weights=tiny_artefact)
    trained.get_layer("classes").bias.assign([1, 2])
    zoo.TextClassifier(trained, task.words, ("bad", "good"))
    np.testing.assert_array_equal(trained.get_layer("classes").bias, [1, 2])  # someone's own


@pytest.mark.parametrize("export", ["translator gru"], indirect=True)
def test_pieces_of_ones_own_have_the_vectors_and_biases_of_the_same_pieces(export, tmp_path):
    task = export.rebuilt(tmp_path / "artefact")
    source, target = (
        zoo.preprocessing.SubWords(words.vocabulary[::-1], **words.config()) for words in (task.source_words, task.target_words)
    )
    model = zoo.create_model("sequence_to_sequence", weights=tmp_path / "artefact")
    zoo.Translator(model, source, target)
    now, before = weights(model), weights(task.model)
    for path in ("source_embedding/embeddings", "decoder/embedding/embeddings", "decoder/bias"):
        np.testing.assert_array_equal(now.pop(path), np.concatenate([before[path][:4], before[path][4:][::-1]]), err_msg=path)
    assert_equal(now, before, now)
