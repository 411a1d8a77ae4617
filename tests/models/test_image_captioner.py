"""A captioner: files that are no images, what is drawn and looked at, and training behind an encoder that stays."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from family import Family, Recipe, image
from small import columns, splits

import zoo
from zoo.data import photos
from zoo.data.drawn_scenes import drawn_scenes
from zoo.models.image_captioner import plain
from zoo.preprocessing import SubWords

IMAGE = {"image_bytes": "string [N]"}
CAPTION = {"caption": "string [N]", "score": "float [N]", "error": "string [N]"}
OPTIONS = {"seed": "int32 [N]", "temperature": "float [N]", "top_k": "int32 [N]", "top_p": "float [N]"}


def tiny_task(weights, **arguments):
    """An `ImageCaptioner` whose captions have at most 12 pieces."""
    files, captions = zip(*drawn_scenes(60, 1, 1)["train"], strict=True)
    dataset = tf.data.Dataset.from_tensor_slices((list(files), list(captions)))
    words = SubWords.fit(dataset.flat_map(zoo.ImageCaptioner.sentences), size=80, limit=12, file="words.txt")
    arguments = {"vocabulary_size": words.size, "image_size": 32, **arguments}
    task = zoo.ImageCaptioner(zoo.create_model("image_captioner", **arguments), words, examples=photos.examples())
    tiny.randomise_writer(task.model, **weights)
    return task


FAMILY = Family(
    builder="image_captioner",
    common={"vocabulary_size": 20, "image_size": 32, "units": 8},
    tiny=[
        {"cell": "rnn", "layers": 1, "attention": "additive"},
        {"cell": "gru", "dropout": 0.5},
        {"cell": "lstm", "embedding_dim": 3},
        {"cell": "transformer"},
        {"encoder": "efficientnet_lite0", "image_size": 64},
    ],
    wrong=[
        {"encoder": "vgg"},
        {"cell": "qrnn"},
        {"attention": "loud"},
        {"image_size": 33},
        {"vocabulary_size": 4},
        {"units": 0},
        {"layers": 0},
        {"embedding_dim": 0},
        {"dropout": -0.1},
    ],
    tensors={"image": image},
    tasks={
        "captioner lstm": functools.partial(
            tiny_task, {"seed": 5, "gain": 1, "embedding": 1}, cell="lstm", attention="additive", units=16
        ),
    },
    inputs={
        "image_bytes": tiny.FILES,
        "seed": list(range(len(tiny.FILES))),
        "temperature": [1.0, 0.0, 0.7, 1.0, 1.0, 1.0, 2.0],
        "top_k": [0, 5, 0, 0, 0, 0, 20],
        "top_p": [1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0],
    },
    signatures=lambda task: {
        "serving_default": (IMAGE, CAPTION),
        "greedy": (IMAGE, CAPTION),
        "sample": (IMAGE | OPTIONS, CAPTION),
        "attention": (IMAGE, CAPTION | {"tokens": "string [N, ?]", "weights": "float [N, ?, 2, 2]"}),
    },
    data=lambda: splits(columns(drawn_scenes(8, 1, 1)["train"])),
    misfits={
        "one caption": (
            (tiny.FILES[:1], ["a dog"]),
            r"captions string \[\?\]\); the train split has \(string, string\)",
        ),
        "texts": ((["a"], [["a dog"]]), r"not a PNG or JPEG image"),
    },
    recipes=(
        Recipe(
            name="flickr8k_captioning",
            generator=drawn_scenes,
            small="--encoder convolutional --image-size 32 --layers 1 --units 8 --embedding-dim 8 --vocabulary-size 150",
            megabytes=14.5,
        ),
    ),
)


@pytest.fixture(scope="session", params=FAMILY.tasks)
def export(request, export_of):
    return export_of(request.param)


def noise(*shape, largest=255):
    dtype = np.uint8 if largest == 255 else np.uint16
    return np.random.default_rng(0).integers(0, largest, shape, endpoint=True).astype(dtype)


PHOTO = photos.examples()[0]
# What a file is → its content, and the error it has.
ODD = {
    "empty": (b"", "empty"),
    "junk": (b"junk \x00\xff" * 99, "not a PNG or JPEG image"),
    "a text": ("¿Dónde?".encode(), "not a PNG or JPEG image"),
    "cut off": (PHOTO[: len(PHOTO) // 2], "the image data is damaged"),
    "its beginning": (PHOTO[:4], "the image data is damaged"),
    "one pixel": (tf.io.encode_png(noise(1, 1, 3)).numpy(), ""),
    "20 megapixels": (tf.io.encode_png(np.zeros((4000, 5000, 1), np.uint8)).numpy(), ""),
    "16 bits": (tf.io.encode_png(noise(9, 7, 3, largest=65535)).numpy(), ""),
    "transparent": (tf.io.encode_png(noise(9, 7, 4)).numpy(), ""),
    "grey": (tf.io.encode_jpeg(noise(9, 7, 1)).numpy(), ""),
}


@pytest.mark.parametrize("signature", ["serving_default", "attention"])
def test_odd_files_have_errors_where_due_and_harm_no_others(export, signature):
    files = [PHOTO, *(content for content, _ in ODD.values()), photos.examples()[1]]
    answers = export.ask(signature, image_bytes=files)
    assert answers["error"].tolist() == [b"", *(error.encode() for _, error in ODD.values()), b""]
    assert np.isfinite(answers["score"]).all()
    for row, content in enumerate(files):
        if answers["error"][row]:
            assert answers["caption"][row] == b""
            assert answers["score"][row] == 0
            if signature == "attention":
                assert not answers["weights"][row].any()
                assert set(answers["tokens"][row]) == {b""}
        else:
            assert answers["score"][row] < 0
            tiny.assert_same_row(answers, row, export.ask(signature, image_bytes=[content]))


def test_attention_is_over_the_grid_for_each_token_written(export):
    answers = export.answers["attention"]
    for name, value in export.answers["serving_default"].items():
        np.testing.assert_array_equal(answers[name], value)
    np.testing.assert_allclose(answers["weights"].sum(axis=(2, 3)), answers["tokens"] != b"", atol=1e-5)
    for row, tokens in enumerate(answers["tokens"].tolist()):
        written = [token for token in tokens if token]
        assert written[-1:] == ([] if answers["error"][row] else [b"</s>"])
        assert b"".join(written[:-1]).decode().replace("▁", " ").strip().encode() == answers["caption"][row]


def test_a_seed_draws_a_caption_and_without_choice_it_is_greedy(export):
    count = 8
    options = {"temperature": [1.0] * count, "top_k": [0] * count, "top_p": [1.0] * count}
    drawn = export.ask("sample", image_bytes=[PHOTO] * count, seed=[3, *range(1, count)], **options)
    assert drawn["caption"][0] == drawn["caption"][3]
    assert len(set(drawn["caption"])) == count - 1
    greedy = export.ask("greedy", image_bytes=[PHOTO])
    for name, value in (("temperature", [0.0]), ("top_k", [1]), ("top_p", [0.0])):
        options = {"temperature": [1.0], "top_k": [0], "top_p": [1.0]} | {name: value}
        tiny.assert_same(export.ask("sample", image_bytes=[PHOTO], seed=[1], **options), greedy)


CAPTIONS = [["A red circle.", "red", ""], ["Large, a blue square!", "a small square " * 9, "blue"]]


def batch(task):
    """Two images with three captions each, as training has them."""
    return task.finish_batch(*task.encode_example(tf.constant(photos.examples()[:2]), tf.constant(CAPTIONS)))


def test_a_batch_has_a_row_for_each_caption(export):
    task = export.task
    inputs, targets = batch(task)
    before, targets, words = inputs["target"].numpy(), targets.numpy(), task.words
    ids = [row[row > 0].tolist() for row in words(plain(tf.constant(CAPTIONS[0] + CAPTIONS[1]))).numpy()]
    assert [len(row) for row in ids].count(words.limit) == 1  # one is cut, and has no end
    assert before.shape == targets.shape == (6, max(len(row) + (len(row) < words.limit) for row in ids))
    for row, tokens in enumerate(ids):
        written = tokens + [SubWords.END] * (len(tokens) < words.limit)
        assert targets[row].tolist() == written + [0] * (targets.shape[1] - len(written))
        assert before[row][: len(tokens) + 1].tolist() == [SubWords.START, *tokens][: targets.shape[1]]
        assert not before[row][len(tokens) + 1 :].any()


@pytest.fixture(scope="module")
def frozen():
    """A captioner whose encoder is not trained."""
    weights = {"seed": 0, "gain": 1, "embedding": 1}
    return tiny_task(weights, cell="gru", units=8, encoder="efficientnet_lite0", image_size=64)


@pytest.mark.parametrize("name", ["frozen", "learnt"])
def test_what_is_trained_says_the_same_as_the_whole_model(name, export, request):
    task = request.getfixturevalue("frozen") if name == "frozen" else export.task
    inputs, _ = batch(task)
    images = task.images(tf.constant(photos.examples()[:2]))[0]
    size = images.shape[1]
    assert inputs["image"].shape[1:] == ([size // 32, size // 32, 1280] if name == "frozen" else [size, size, 3])
    logits = task.trained({**inputs, "image": tf.cast(inputs["image"], tf.float32)})
    whole = task.model({"image": tf.repeat(images, 3, axis=0), "target": inputs["target"]})
    np.testing.assert_allclose(logits, whole["logits"], atol=0.02)  # images and grids are kept in float16


@pytest.mark.parametrize("name", ["frozen", "learnt"])
def test_an_encoder_from_elsewhere_stays_as_it_is(name, export, tmp_path, request):
    task = request.getfixturevalue("frozen") if name == "frozen" else export.rebuilt(tmp_path / "artefact")
    before = {weight.path: weight.numpy() for weight in task.model.weights}
    task.trained.compile("sgd", task.losses(), metrics=task.metrics(), run_eagerly=True)
    logs = task.trained.train_on_batch(*batch(task), return_dict=True)
    assert np.isfinite(logs["loss"])
    task.monitor.check(logs)
    stays = {weight.path for weight in task.encoder.weights} if name == "frozen" else set()
    assert task.is_frozen == (name == "frozen")
    for weight in task.model.weights:
        assert np.array_equal(weight.numpy(), before[weight.path]) == (weight.path in stays), weight.path


def test_captions_are_learnt_in_lower_case_without_punctuation():
    captions = ["  Two dogs , one's BLACK-and-white . ", "«Ünï» № 5!", "", "...", "a  b\tc\nd"]
    expected = ["two dogs one's black and white", "ünï 5", "", "", "a b c d"]
    assert [caption.decode() for caption in plain(tf.constant(captions)).numpy()] == expected
