"""Labelled texts: one's own from a file, and the sample that stands in for IMDB."""

import contextlib
import os
import threading

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.data import found, stable_bucket
from zoo.data.film_reviews import DESCRIPTION

PARTS = ("train", "validation", "test")


def read(dataset):
    return [(text.decode(), int(label)) for text, label in dataset.as_numpy_iterator()]


def everything(data):
    return [pair for part in PARTS for pair in read(getattr(data, part))]


@pytest.fixture
def write(tmp_path):
    """Content → `labelled_texts` of a file with it, by default in columns "text" and "label"."""

    def load(content, name="texts.csv", text_column="text", label_column="label"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return zoo.data.labelled_texts(zoo.RunConfig(), path=path, text_column=text_column, label_column=label_column)

    return load


def rows(count=60, labels=("good", "bad"), separator=","):
    return "".join(f"text number {i}{separator}{labels[i % len(labels)]}\n" for i in range(count))


def test_stable_bucket_is_the_same_on_every_machine():
    assert [stable_bucket(text) for text in ("", "a", "A fine film.")] == [76, 43, 86]
    assert stable_bucket("A  fine\nFILM. ") == stable_bucket("a fine film.")
    assert {stable_bucket(str(i), 10) for i in range(200)} == set(range(10))


@given(st.text(), st.integers(1, 100))
@settings(max_examples=20, deadline=None, database=None)
def test_stable_bucket_takes_any_text(text, buckets):
    assert 0 <= stable_bucket(text, buckets) < buckets


def test_own_texts(write):
    data = write("id,label,text\n" + "".join(f"{i},{'pos' if i % 3 else 'neg'}, Text number {i} \n" for i in range(60)))
    assert data.labels == ("neg", "pos")
    assert data.source == "own"
    pairs = everything(data)
    assert sorted(pairs) == sorted((f" Text number {i} ", int(i % 3 > 0)) for i in range(60))
    assert data.sizes == {part: len(read(getattr(data, part))) for part in PARTS}
    assert data.sizes["train"] > 40
    assert data.train.element_spec == (tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64))
    # what `zoo evaluate` calls again
    assert everything(getattr(zoo.data, data.loader)(zoo.RunConfig(), **data.arguments)) == pairs


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ("text\tlabel\n" + rows(separator="\t"), {"name": "texts.tsv"}),
        (b"\xef\xbb\xbf" + ("text,label\n" + rows()).encode(), {}),  # as Excel writes it
        ("text,label\r\n" + rows().replace("\n", "\r\n"), {}),
        ("text,label\n" + rows(labels=(" good", '"\nbad  "')), {}),
        ("body,stars\n" + rows(), {"text_column": "body", "label_column": "stars"}),
        ("text,label\n" + rows() + "no label,\n,good\n", {}),
        ("text;label\n" + rows(separator=";"), {}),
        (("text,label\n" + rows()).encode("utf-16"), {}),
    ],
    ids=["tsv", "mark", "windows", "space round labels", "other columns", "rows left out", "semicolons", "utf-16"],
)
def test_own_texts_may_be_written_differently(write, content, arguments):
    data = write(content, **arguments)
    assert data.labels == ("bad", "good")
    assert sorted(everything(data)) == sorted((f"text number {i}", 1 - i % 2) for i in range(60))


def test_quotes_commas_and_new_lines_are_kept(write):
    data = write('text,label\n"Dull, ""dull"",\nand dull.",bad\n' + rows())
    assert ('Dull, "dull",\nand dull.', 0) in everything(data)


def test_a_label_is_one_line(write):
    """An artefact keeps the labels one a line."""
    assert write("text,label\n" + rows(labels=('"very\n good"', "bad"))).labels == ("bad", "very good")


def test_equal_texts_are_never_in_two_splits(write):
    data = write("text,label\n" + rows(80) + rows(80).upper().replace("NUMBER ", "NUMBER   ") + rows(80))
    splits = [{" ".join(text.lower().split()) for text, _ in read(getattr(data, part))} for part in PARTS]
    assert sum(map(len, splits)) == len(set.union(*splits)) == 80


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\n" + rows(labels=["good"]), r"has 1 distinct label\(s\); a classifier needs two"),
        ("text,label\n", r"has 0 distinct label\(s\)"),
        ("text,label\n" + rows(labels=[" "]), r"0 distinct label\(s\).*read 60 rows, left out 60: 60 without a label"),
        ("text,label\n" + rows(4), "The .* split is empty: there are too few examples"),
        ("text,label\nfine,1\nfine,2\nawful,3\n", "has another label in each of 3 rows"),
    ],
    ids=["one class", "header only", "no label", "four rows", "numbers of the rows"],
)
def test_what_is_wrong_with_the_labels_is_said(write, content, message):
    with pytest.raises(zoo.ZooError, match=message):
        write(content)


def test_what_is_left_out_is_counted_and_shown(write, capsys):
    """38 rows without a label and 2 without a text among 640, as they might be in a table that is not ready."""
    lines = rows(600).splitlines()
    unlabelled = [f'"not yet,\nread {i}",\n' for i in range(38)]
    content = "".join(["text,label\n", *(f"{line}\n" for line in lines[:5]), *unlabelled, " ,good\n,bad\n,\n"])
    data = write(content + "".join(f"{line}\n" for line in lines[5:]))
    assert sum(data.sizes.values()) == 600
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "texts.csv: read 641 rows, left out 41: 38 without a label (lines 7, 9, 11, ...), 2 without a text (lines 83, 84),"
        " 1 with neither text nor label (line 85).",
        "2 classes: 'bad' 300, 'good' 300.",
    ]


def test_repeated_texts_are_shown_and_kept(write, capsys):
    data = write("text,label\n" + rows() + "Text  number 3,bad\nTEXT NUMBER 4,bad\n")
    assert sum(data.sizes.values()) == 62
    said = capsys.readouterr().out
    assert "texts.csv: text of an earlier row, with the same label: 1 (line 62).\n" in said
    assert "texts.csv: text of an earlier row, with another label: 1 (line 63).\n" in said


def test_numeric_labels_sort_as_numbers(write):
    stars = ("10", "9", "-1", "2.5", "1", "none")
    assert write("text,label\n" + rows(120, labels=stars)).labels == ("-1", "1", "2.5", "9", "10", "none")


def test_every_class_is_trained_on(write, capsys):
    """Also one with a single text, which the hash alone would test or validate."""
    rare = [f"rare {i}" for i in range(40)]
    alone = {text: part for text in rare if (part := {0: "test", 1: "validation"}.get(stable_bucket(text, 10)))}
    assert set(alone.values()) == {"test", "validation"}
    data = write("text,label\n" + rows(100) + "".join(f"{text},class {text}\n" for text in rare))
    assert {label for _, label in read(data.train)} == set(range(42))
    rare_elsewhere = [text for part in ("validation", "test") for text, _ in read(getattr(data, part)) if text in alone]
    assert rare_elsewhere == []
    said = capsys.readouterr().out
    assert "42 classes: 'bad' 50, 'good' 50, 'class rare 0' 1, 'class rare 1' 1, ..., " in said
    assert "Warning: 40 classes have fewer than 3 examples" in said
    assert f"Kept in train, since the hash had left nothing of the class there: 'class {min(alone)}'" in said


def test_classes_of_one_spelling_are_warned_of(write, capsys):
    write("text,label\n" + rows(90, labels=("Good", "good", "1", "1.0", "bad")))
    assert "seem to be spellings of one: '1' and '1.0', 'Good' and 'good'.\n" in capsys.readouterr().out


def test_a_path_that_no_card_can_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("text,label\n" + rows())
    with pytest.raises(zoo.ZooError, match=r"caf\\udce9.csv' is not in UTF-8, and a card has to name it"):
        zoo.data.labelled_texts(zoo.RunConfig(), path=path, text_column="text", label_column="label")


def test_a_path_with_signs(tmp_path):
    path = tmp_path / "a [b]* c?" / "texts [1].csv"
    path.parent.mkdir()
    path.write_text("text,label\n" + rows())
    data = zoo.data.labelled_texts(zoo.RunConfig(), path=path, text_column="text", label_column="label")
    assert everything(zoo.data.labelled_texts(zoo.RunConfig(), **data.arguments)) == everything(data)


@pytest.fixture
def nothing_at_hand(monkeypatch, tmp_path):
    """No prepared data set, no network."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(found, "_reachable", lambda address: False)


def test_the_sample_stands_in_for_imdb_and_says_so(nothing_at_hand, capsys):
    data = zoo.data.imdb_reviews(zoo.RunConfig())
    assert data.source == "sample"
    assert data.description == DESCRIPTION
    assert data.labels == ("negative", "positive")
    assert all({label for _, label in read(getattr(data, part))} == {0, 1} for part in PARTS)
    said = capsys.readouterr().out
    assert "imdb_reviews is not prepared in" in said
    assert "cannot be reached" in said
    assert "SAMPLE, not on IMDB" in said


def test_the_sample_can_be_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(found, "_reachable", None)  # nothing is looked for
    data = zoo.data.imdb_reviews(zoo.RunConfig(data="sample"))
    assert data.source == "sample"
    assert "SAMPLE, not on IMDB" in capsys.readouterr().out


def test_real_is_never_the_sample(nothing_at_hand):
    with pytest.raises(zoo.ZooError, match=r"imdb_reviews is not prepared in .* cannot be reached.*Give --data-dir"):
        zoo.data.imdb_reviews(zoo.RunConfig(data="real"))


def test_a_given_directory_is_not_passed_over(nothing_at_hand, tmp_path):
    with pytest.raises(zoo.ZooError, match=r"not prepared in .*Give the right --data-dir"):
        zoo.data.imdb_reviews(zoo.RunConfig(data_dir=tmp_path))
    with pytest.raises(zoo.ZooError, match="nowhere is not a readable directory"):
        zoo.data.imdb_reviews(zoo.RunConfig(data_dir=tmp_path / "nowhere"))


def test_a_download_that_fails_leaves_the_sample(monkeypatch, tmp_path, capsys):
    import tensorflow_datasets as tfds

    def load(name, *, download, **_):
        raise OSError("the disk is full" if download else "not prepared")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(found, "_reachable", lambda address: True)
    monkeypatch.setattr(tfds, "load", load)
    assert zoo.data.imdb_reviews(zoo.RunConfig()).source == "sample"
    assert "the download failed: the disk is full" in capsys.readouterr().out
    with pytest.raises(zoo.ZooError, match="the download failed: the disk is full"):
        zoo.data.imdb_reviews(zoo.RunConfig(data="real"))


def test_a_host_that_never_answers_is_given_up(monkeypatch):
    """Looking up a name can hang longer than any time-out of the request."""
    assert found.PROBE_SECONDS < 10
    over = threading.Event()

    def hang(*_, **__):
        over.wait(20)
        return contextlib.nullcontext()

    monkeypatch.setattr(found, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(found.urllib.request, "urlopen", hang)
    assert not found._reachable("https://example.org")
    over.set()
