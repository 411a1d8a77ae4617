"""An image classifier from a folder of one's own images to its artefact."""

import base64
import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe, image
from small import columns, splits

import zoo
from zoo import config as configs
from zoo.artefacts import card as cards
from zoo.data import photos
from zoo.data.drawn_digits import drawn_digits, examples
from zoo.data.image_profile import DIGITS, ImageProfile
from zoo.layers import efficientnet

ROOT = Path(__file__).parents[2]
IMAGE = {"image_bytes": "string [N]"}


def tiny_task(**arguments):
    """An `ImageClassifier` of drawn digits, 14 pixels square."""
    sizes = {"height": 14, "width": 14, "channels": 3, "num_classes": 10}
    model = zoo.create_model("image_classifier", **sizes, **arguments)
    tiny.shake(model)
    return zoo.ImageClassifier(model, tuple("0123456789"), dark_background=True, examples=examples())


FAMILY = Family(
    builder="image_classifier",
    common={"height": 9, "width": 6, "channels": 1, "num_classes": 3, "units": 4},
    tiny=[
        {},
        {"channels": 3, "layers": 1, "dropout": 0.5, "augment": True},
        {"encoder": "rows", "cell": "rnn"},
        {"encoder": "rows", "cell": "gru", "layers": 2, "bidirectional": False},
        {"encoder": "rows", "cell": "lstm", "channels": 3, "augment": True},
        {"encoder": "rows", "cell": "transformer", "bidirectional": False},
        {"encoder": "efficientnet_lite0", "height": 32, "width": 32, "channels": 3, "dropout": 0.5},
    ],
    wrong=[
        {"encoder": "columns"},
        {"cell": "qrnn"},
        {"height": 0},
        {"channels": 0},
        {"num_classes": 1},
        {"units": 0},
        {"layers": 0},
        {"dropout": 1.0},
        {"encoder": "efficientnet_lite0", "height": 32, "width": 64, "channels": 3},
        {"encoder": "efficientnet_lite0", "height": 48, "channels": 3, "width": 48},
        {"encoder": "efficientnet_lite0", "height": 32, "width": 32, "channels": 1},
        {"encoder": "efficientnet_lite0", "height": 32, "width": 32, "channels": 3, "augment": True},
    ],
    tensors={"images": image},
    tasks={"image classifier": functools.partial(tiny_task, units=4, layers=1)},
    inputs={"image_bytes": [*tiny.FILES, *examples()]},
    signatures=lambda task: {
        "serving_default": (IMAGE, {"label": "string [N]", "error": "string [N]", "probabilities": "float [N, 10]"})
    },
    data=lambda: splits(columns(drawn_digits(20, 1, 1)["train"]), tuple("0123456789")),
    misfits={
        "texts": ((["a", "b"], [0, 1]), r"any of the first 2 train .*not a PNG or JPEG image"),
        "pixels": ((np.zeros((3, 14, 14, 3)), [0, 1, 0]), r"string.*float64 \[14, 14, 3\]"),
    },
    recipes=(
        Recipe(
            name="mnist_digits",
            small="--units 4 --layers 2",
            generator=drawn_digits,
            refused={"--folder .": ". has 0 sub-folder(s); a classifier needs two or more"},
            megabytes=2,
        ),
    ),
)


@pytest.fixture(scope="module")
def recipe(import_recipe):
    return import_recipe(ROOT / "recipes" / "mnist_digits.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drawn ones and zeros in folders of these names, some of them dark on light."""
    path = tmp_path_factory.mktemp("own images")
    for number, (content, digit) in enumerate(drawn_digits(600, 1, 1)["train"]):
        if digit < 2:
            (path / ("zero", "one")[digit]).mkdir(exist_ok=True)
            image = tf.io.decode_png(content)
            image = 255 - image if number % 3 else image
            (path / ("zero", "one")[digit] / f"{number}.jpg").write_bytes(tf.io.encode_jpeg(image).numpy())
    return path


@pytest.fixture(scope="module")
def model(recipe, folder, tmp_path_factory):
    runs = str(tmp_path_factory.mktemp("runs"))
    flags = "--size 14 --units 8 --batch-size 16 --epochs 6 --learning-rate 1e-2 --no-augment --encoder rows --cell gru"
    return configs.run(recipe.main, ["--folder", str(folder), "--runs", runs, *flags.split()])


def test_names_and_shapes_are_frozen(model):
    """A client of the artefact relies on them."""
    assert model.card["signatures"] == {
        "serving_default": {
            "inputs": {"image_bytes": "string [N]"},
            "outputs": {"error": "string [N]", "label": "string [N]", "probabilities": "float32 [N, 2]"},
        }
    }


def test_it_learns(model):
    assert model.card["labels"] == ["one", "zero"]
    assert model.card["scores"]["accuracy"]["value"] > 0.9
    assert list(model.card["scores"]) == ["accuracy", "calibration error"]  # no bands by the number of words
    assert model.card["data"]["source"] == "own"


def test_a_file_is_given_by_path_content_or_as_in_a_card(model, folder):
    path = next(iter((folder / "one").iterdir()))
    content = path.read_bytes()
    first, second, third = model.predict([path, content, {"b64": base64.b64encode(content).decode()}])
    assert first == second == third
    assert first["label"] == "one"
    assert sum(first["probabilities"]) == pytest.approx(1)
    assert first["error"] == ""


def test_bad_files_answer_nothing_and_harm_no_others(model):
    good = examples()[0]
    answers = model.predict([good, b"", b"junk", good[:-20], good])
    assert [answer["error"] for answer in answers[1:4]] == ["empty", "not a PNG or JPEG image", "the image data is damaged"]
    for answer in answers[1:4]:
        assert answer["label"] == ""
        assert answer["probabilities"] == [0, 0]
    (alone,) = model.predict([good])
    for answer in (answers[0], answers[4]):
        assert answer["label"] == alone["label"]
        np.testing.assert_allclose(answer["probabilities"], alone["probabilities"], atol=1e-6)


def test_no_images_give_no_answers(model):
    answers = model.signatures["serving_default"](image_bytes=tf.zeros([0], tf.string))
    assert {name: tuple(value.shape) for name, value in answers.items()} == {
        "error": (0,),
        "label": (0,),
        "probabilities": (0, 2),
    }


def test_the_card_shows_images_of_the_folder(model, folder):
    inputs = [example["input"] for example in model.card["examples"]]
    shown = {tf.io.decode_image(base64.b64decode(item["b64"])).numpy().tobytes() for item in inputs}
    assert shown < {tf.io.decode_image(path.read_bytes()).numpy().tobytes() for path in folder.rglob("*.jpg")}
    assert [answer["label"] for answer in model.predict(inputs)] == [
        example["output"]["label"] for example in model.card["examples"]
    ]
    readme = cards.render(model.card)
    assert "from pathlib import Path\n\nimport zoo\n" in readme
    assert 'model.predict([Path("image.png")])' in readme


def test_a_task_is_rebuilt_with_its_weights(model):
    task = zoo.load_task(model.directory)
    assert task.images.dark_background
    answers = task.signatures()["serving_default"](tf.constant(examples()))
    expected = [answer["probabilities"] for answer in model.predict(list(examples()))]
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)


def test_convolutions_with_augmentation_are_exported(recipe, tmp_path, request, monkeypatch):
    """Their means of batches too, in float32 whatever they were trained in; nothing of the augmentation remains."""
    import keras

    request.addfinalizer(lambda: keras.config.set_dtype_policy("float32"))
    monkeypatch.setattr(drawn_digits, "__defaults__", (200, 20, 20, 0))
    flags = "--data sample --units 4 --max-steps 3 --layers 2 --augment --dropout 0.5 --precision mixed_bfloat16"
    model = configs.run(recipe.main, [*flags.split(), "--runs", str(tmp_path)])
    keras.config.set_dtype_policy("float32")
    task = zoo.load_task(model.directory)
    moving = [weight for weight in task.model.non_trainable_weights if "moving_mean" in weight.path]
    assert len(moving) == 4
    assert all(np.any(weight.numpy()) for weight in moving)
    first, second = (model.predict(list(examples())) for _ in range(2))
    assert first == second
    expected = task.signatures()["serving_default"](tf.constant(examples()))["probabilities"]
    np.testing.assert_allclose([answer["probabilities"] for answer in first], expected, atol=1e-5)


PHOTOS = ImageProfile(480, 640, is_colour=True, is_photo=True, is_plain=False, light=0.5, looked_at=9)
ICONS = ImageProfile(32, 128, is_colour=True, is_photo=False, is_plain=True, light=1.0, looked_at=9)


@pytest.fixture
def installed(monkeypatch):
    """Says whether the weights learnt on ImageNet seem to be installed."""

    def seem(is_installed):
        monkeypatch.setattr(efficientnet, "has_imagenet", lambda: is_installed)

    seem(True)
    return seem


def test_digits_are_taken_as_those_of_the_shipped_model(recipe, installed):
    expected = {"encoder": "convolutional", "height": 28, "width": 28, "channels": 1, "layers": 3}
    assert zoo.ImageClassifier.suited(DIGITS, recipe.Config()) == expected | {"augment": True, "dark_background": True}


def test_photos_are_read_by_the_network_that_knows_imagenet_where_it_is_installed(recipe, installed):
    chosen = zoo.ImageClassifier.suited(PHOTOS, recipe.Config())
    assert chosen == {
        "encoder": "efficientnet_lite0",
        "height": 224,
        "width": 224,
        "channels": 3,
        "layers": None,
        "augment": False,
        "dark_background": False,
    }
    assert not any("pip install" in line for line in zoo.ImageClassifier.words(PHOTOS, chosen))
    installed(False)
    chosen = zoo.ImageClassifier.suited(PHOTOS, recipe.Config())
    assert (chosen["encoder"], chosen["height"], chosen["width"]) == ("convolutional", 55, 74)  # of like proportions
    assert "pip install" in zoo.ImageClassifier.words(PHOTOS, chosen)[-1]


def test_icons_keep_their_colours_and_their_proportions(recipe, installed):
    chosen = zoo.ImageClassifier.suited(ICONS, recipe.Config())
    assert (chosen["encoder"], chosen["height"], chosen["width"], chosen["channels"]) == ("convolutional", 32, 128, 3)
    assert not chosen["dark_background"]


def test_flags_come_before_what_is_seen(recipe, installed):
    flags = {"size": 40, "channels": 1, "encoder": "rows", "augment": False, "dark_background": True, "layers": 2}
    chosen = zoo.ImageClassifier.suited(PHOTOS, recipe.Config(**flags))
    assert chosen.pop("height") == chosen.pop("width") == flags.pop("size")
    assert chosen == flags
    # what they leave open goes by them
    assert zoo.ImageClassifier.suited(PHOTOS, recipe.Config(encoder="convolutional"))["augment"]
    assert zoo.ImageClassifier.suited(ICONS, recipe.Config(encoder="efficientnet_lite0"))["height"] == 224


def test_behind_the_network_that_knows_imagenet_the_classes_alone_are_learnt(tmp_path):
    arguments = {"height": 32, "width": 32, "channels": 3, "num_classes": 3, "encoder": "efficientnet_lite0"}
    model = zoo.create_model("image_classifier", **arguments)
    task = zoo.ImageClassifier(model, ("a", "b", "c"), examples=photos.examples())
    data = splits((photos.examples(), np.int64([0, 1, 2])), ("a", "b", "c"))
    before = [weight.numpy() for weight in model.get_layer("encoder").weights]
    features, _ = task.encode_example(tf.constant(photos.examples()), tf.constant([0, 1, 2]))
    np.testing.assert_allclose(task.trained(features), model(task.inputs(tf.constant(photos.examples()))), atol=1e-5)
    run = zoo.fit(task, data, zoo.RunConfig(name="pets", epochs=30, learning_rate=0.05, runs=tmp_path))
    assert [row["loss"] for row in run.log][-1] < run.log[0]["loss"]
    for weight, value in zip(model.get_layer("encoder").weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    served = zoo.export(task, run, test=data.test)
    assert served.card["data"]["terms"].endswith(efficientnet.TERMS)
    expected = task.signatures()["serving_default"](tf.constant(photos.examples()))["probabilities"]
    answers = [answer["probabilities"] for answer in served.predict(photos.examples())]
    np.testing.assert_allclose(answers, expected, atol=0.02)  # the weights are kept in float16
    variables = (served.directory / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert variables < 2.5 * model.count_params()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], None),
        (["--augment"], True),
        (["--no-augment"], False),
        (["--augment", "False"], False),
        (["--augment", "None"], None),
    ],
)
def test_a_flag_may_be_true_false_or_open(recipe, flags, expected):
    def main(config: recipe.Config):
        return config

    config = configs.run(main, [*flags, "--seed", "3"])
    assert (config.augment, config.dark_background, config.seed) == (expected, None, 3)
