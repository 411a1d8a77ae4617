"""The card of a person's own data: its name, its code, its examples."""

import contextlib
import csv
import io
import json
import re
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small import columns

import zoo
from zoo import config as configs
from zoo import names
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.artefacts.examples import own_examples
from zoo.cli import main
from zoo.data.film_reviews import film_reviews

CLASSES = ("awful", "fine")


@pytest.fixture(scope="module")
def own(imdb, tiny_flags, tmp_path_factory):
    """The artefact of a person's table, and what was printed."""
    place = tmp_path_factory.mktemp("own")
    texts, sentiments = columns(film_reviews(200, 1, 1)["train"])
    with (place / "Film Reviews.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(text, CLASSES[sentiment]) for text, sentiment in zip(texts, sentiments, strict=True)]
        csv.writer(file).writerows([("text", "label"), *rows])
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.chdir(place):
        model = configs.run(imdb.main, [*tiny_flags, "--csv", "Film Reviews.csv"])
    return model, said.getvalue(), place


def test_it_is_named_for_its_file_and_loads_itself(own, monkeypatch, capsys):
    model, said, place = own
    assert model.card["name"] == "my_film_reviews"
    assert "Named my_film_reviews for its file; --name gives another name" in said
    monkeypatch.chdir(place)
    path = model.directory.relative_to(place)
    readme = (path / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# my_film_reviews\n")
    assert readme == cards.render(model.card, str(path))
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    found = {}
    exec(code, found)
    assert found["model"].directory == model.directory
    main(["info", str(path)])
    assert f'zoo.load("{path}")' in capsys.readouterr().out


def test_a_file_without_a_latin_letter_is_not_called_like_the_recipe(own, imdb, tiny_flags, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    _, _, place = own
    (tmp_path / "映画.csv").write_bytes((place / "Film Reviews.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["zoo.training.fit"], "_train", stop)
    with pytest.raises(SystemExit):
        configs.run(imdb.main, [*tiny_flags, "--csv", "映画.csv"])
    assert "Named my_text_classifier for its file" in capsys.readouterr().out


def test_published_it_is_loaded_by_its_name(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy = shutil.copytree(own[0].directory, tmp_path / "copy")
    facts = json.loads((copy / find.CARD).read_text(encoding="utf-8"))
    facts["name"] = facts["run"]["config"]["name"] = "films"
    facts["run"]["max_steps"] = None
    (copy / find.CARD).write_text(json.dumps(facts), encoding="utf-8")
    readme = (zoo.publish(copy) / "README.md").read_text(encoding="utf-8")
    assert 'zoo.load("films")' in readme
    assert "copy" not in readme
    assert zoo.load("films").card == facts


def test_what_else_answers_stands_beside_the_score(own):
    model, said, _ = own
    constant, linear = model.card["baselines"]
    (line,) = [line for line in said.splitlines() if line.startswith("accuracy on the ")]
    assert f"), {constant}: " in line
    assert f", {linear}: {cards.number(model.card['baselines'][linear]['value'])}" in line
    n = model.card["scores"]["accuracy"]["n"]
    assert f"Only {n} test examples: the interval is wide." in said
    counts = {(one["truth"], one["answer"]): one["count"] for one in model.card["confusion"]}
    assert sum(counts.values()) == n
    right = sum(count for (truth, answer), count in counts.items() if truth == answer)
    assert right / n == pytest.approx(model.card["scores"]["accuracy"]["value"])
    assert next(iter(model.card["scores"])) == "accuracy"
    assert "calibration error" in model.card["scores"]


def test_its_examples_are_of_its_own_texts_and_of_each_class(own, capsys):
    model, said, place = own
    with (place / "Film Reviews.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["text"]: row["label"] for row in csv.DictReader(file)}
    shown = [example["input"] for example in model.card["examples"]]
    assert {labels[text] for text in shown} == set(CLASSES)
    assert f"Its card shows {len(shown)} of your validation examples" in said


class Task:
    """What is asked of a task."""

    def __init__(self, name, example, labels=(), carried=()):
        self.examples, self.labels, self.carried = (example,), labels, carried
        self._declared = {name: tf.TensorSpec([None], tf.string)}


@pytest.fixture(autouse=True)
def _specs(monkeypatch):
    original = zoo.tasks.signatures.specs
    monkeypatch.setattr(
        "zoo.tasks.signatures.specs", lambda task, name: getattr(task, "_declared", None) or original(task, name)
    )


def test_texts_that_tell_something_are_chosen():
    texts = ["?", "", "so so", "A rather long text. " * 40, "It was quite a good one.", "Not one that I would see again."]
    data = tf.data.Dataset.from_tensor_slices((texts, tf.constant([0, 0, 1, 0, 0, 1], tf.int64)))
    chosen = own_examples(Task("text", "A film.", CLASSES), data)
    assert chosen == (texts[4], texts[5], texts[0])
    assert own_examples(Task("text", "A film."), data)[:2] == (texts[4], texts[5])  # a translator's: there are no classes
    assert own_examples(Task("series", [[0.5]]), data) == ([[0.5]],)


def test_of_one_long_text_lines_are_chosen():
    lines = ["Act I", "", "Enter a man with a large hat.", "He looks about him, and sits.", "?", "Nobody is there to see him."]
    data = tf.data.Dataset.from_tensor_slices((["\n".join(lines)], [""]))
    chosen = own_examples(Task("prompt", "A film.", carried=("state",)), data)
    assert {text.removesuffix("\n") for text in chosen} == {lines[2], lines[3], lines[5]}
    assert all(text.endswith("\n") for text in chosen)


def test_images_are_shown_small_and_without_what_else_the_file_tells(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "at home"
    pixels = np.random.default_rng(0).integers(0, 255, (300, 200, 3), "uint8")
    files = []
    for row in range(4):
        Image.fromarray(pixels + np.uint8(row)).save(tmp_path / f"{row}.jpg", exif=exif)
        files.append((tmp_path / f"{row}.jpg").read_bytes())
    assert b"at home" in files[0]
    data = tf.data.Dataset.from_tensor_slices((files, tf.constant([0, 1, 2, 2], tf.int64)))
    chosen = own_examples(Task("image_bytes", b"...", ("a", "b", "c")), data)
    assert len(chosen) == 3
    for content in chosen:
        assert b"at home" not in content
        assert tf.io.decode_image(content).shape == (128, 85, 3)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/data/Reviews.csv", "my_reviews"),
        ("my-reviews.tsv", "my_reviews"),
        ("Ärzte & Bücher (2).csv", "my_arzte_bucher_2"),
        ("photos/cats", "my_cats"),
        ("映画.csv", ""),
        ("a" * 200, "my_" + "a" * 97),
    ],
)
def test_a_name_for_a_file(file, name):
    assert names.name_for_file(file) == name
    assert not name or names.valid_name(name)
