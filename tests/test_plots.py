"""Pictures: that they are written, say what they should, and stand odd input."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import plots
from zoo.artefacts import card as cards
from zoo.artefacts import export as exporting
from zoo.artefacts import values
from zoo.data import photos
from zoo.tasks import Writer

RANDOM = np.random.default_rng(0)
ACCURACY = zoo.Monitor("accuracy")
LOG = [
    {"epoch": epoch, "step": epoch, "loss": 2 / epoch, "accuracy": 0.1 * epoch, "val_loss": 2.5 / epoch, "val_accuracy": best}
    for epoch, best in enumerate((0.1, 0.3, 0.5, 0.5, 0.4), start=1)
]


def translation(source, target, text="A text"):
    """What a translator's signature `attention` gives, with made-up weights."""
    weights = RANDOM.dirichlet([0.3] * len(source), len(target)) if source else np.zeros((len(target), 0))
    return {"translation": text, "source_tokens": source, "target_tokens": target, "weights": weights.tolist()}


def caption(text, tokens, shape=(6, 6), **changes):
    """What a captioner's signature `attention` gives, with made-up weights."""
    weights = RANDOM.dirichlet([0.1] * (shape[0] * shape[1]), len(tokens)).reshape(-1, *shape)
    return {"caption": text, "score": -1.0, "error": "", "tokens": tokens, "weights": weights.tolist(), **changes}


def pixels(path):
    """The picture in a file, which has something on it."""
    with Image.open(path) as image:
        values = np.asarray(image.convert("RGB"))
    assert values.std() > 5
    return values


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "picture.png"


# Alignment


def test_an_alignment_has_what_was_read_above_and_what_was_written_beside(path):
    answer = translation(["▁Mi", "▁herma", "na"], ["▁My", "▁sister", ".", "</s>"], "My sister.")
    map_, bar = plots.alignment(answer, path).axes
    assert labels(map_.xaxis) == ["·Mi", "·herma", "na"]
    assert labels(map_.yaxis) == ["·My", "·sister", ".", "</s>"]
    assert map_.xaxis.get_ticks_position() == "top"
    assert map_.get_title(loc="left") == "My sister."
    np.testing.assert_array_equal(map_.images[0].get_array(), answer["weights"])
    assert map_.get_ylim()[0] > map_.get_ylim()[1], "the first word is not at the top"
    assert bar.get_ylabel() == "weight"
    assert pixels(path).shape[0] > 100


def test_an_alignment_leaves_out_padding(path):
    answer = translation(["▁a", "", ""], ["▁b", "</s>", "", ""])
    map_, _ = plots.alignment(answer, path).axes
    assert map_.images[0].get_array().shape == (2, 1)


def test_an_alignment_grows_with_its_tokens(path):
    sizes = {}
    for count in (1, 20, 60):
        plots.alignment(translation(["▁word"] * count, ["▁word"] * count, "word " * count), path)
        height, width, _ = pixels(path).shape
        assert min(height, width) >= 25 * count, "too small to be read"
        sizes[count] = height * width
    assert sizes[1] < sizes[20] < sizes[60]


def test_texts_are_drawn_as_they_are(path):
    """No formula between two dollars, a box for what the font has not, no warning."""
    texts = ["▁$5_{a}$", "▁映画", "▁\\frac", "\ufffd"]
    map_, _ = plots.alignment(translation(texts, [*texts, "</s>"], "$x^$ 映画"), path).axes
    assert labels(map_.xaxis)[0] == "·$5_{a}$"
    pixels(path)


@pytest.mark.parametrize("source", [[], ["", ""]])
def test_an_alignment_of_nothing_is_refused(source, path):
    with pytest.raises(zoo.ZooError, match="nothing to draw: the text is empty"):
        plots.alignment(translation(source, ["</s>"], ""), path)
    assert not path.exists()


# Gaze


def test_a_gaze_has_a_panel_for_each_word(path):
    answer = caption("a cat is sitting", ["▁a", "▁cat", "▁is", "▁sit", "ting", "</s>", ""])
    image, *words = plots.gaze(answer, photos.examples()[0], path).axes
    assert image.get_title() == "a cat is sitting"
    assert [axes.get_title() for axes in words] == ["a", "cat", "is", "sitting"]
    weights = [axes.images[1].get_array() for axes in words]
    np.testing.assert_allclose(weights[1], answer["weights"][1])
    np.testing.assert_allclose(weights[3], np.mean(answer["weights"][3:5], axis=0))
    pixels(path)
    assert path.stat().st_size < 150_000


def test_a_gaze_is_bright_where_the_weight_is(path):
    answer = caption("cat", ["▁cat", "</s>"])
    answer["weights"][0] = np.zeros((6, 6))
    answer["weights"][0][0, 0] = 1
    plots.gaze(answer, photos.examples()[1], path)
    values = pixels(path).astype(int)
    height, width, _ = values.shape
    panel = values[: height // 2, 2 * width // 3 :]  # the image is grey here: colours are those of the weights
    colour = panel.max(-1) - panel.min(-1)
    (upper, lower), half = np.array_split(colour, 2), colour.shape[1] // 2
    assert upper[:, :half].mean() > 3 * max(upper[:, half:].mean(), lower[:, :half].mean(), lower[:, half:].mean())


@pytest.mark.parametrize("count", [0, 1, 25])
def test_a_gaze_of_few_and_many_words(count, path):
    answer = caption("word " * count, ["▁word"] * count + ["</s>"], shape=(12, 12))
    assert len(plots.gaze(answer, photos.examples()[2], path).axes) == 1 + count
    pixels(path)


def test_a_gaze_at_no_image_is_refused(path):
    with pytest.raises(zoo.ZooError, match="nothing to draw: not a PNG or JPEG image"):
        plots.gaze(caption("a", ["▁a", "</s>"]), b"text", path)


# Curves


def test_curves_show_loss_and_metric_and_the_epoch_that_was_kept(path):
    loss, metric = plots.curves(LOG, path, ACCURACY, 3).axes
    assert [loss.get_title(), metric.get_title()] == ["loss", "accuracy"]
    for axes, name in ((loss, "loss"), (metric, "accuracy")):
        kept, train, validation = axes.lines
        assert list(kept.get_xdata()) == [3, 3]
        assert list(train.get_ydata()) == [row[name] for row in LOG]
        assert list(validation.get_ydata()) == [row[f"val_{name}"] for row in LOG]
        assert axes.get_xlabel() == "epoch"
    assert [text.get_text() for text in metric.get_legend().get_texts()] == ["kept: epoch 3", "training", "validation"]
    pixels(path)


def test_curves_of_a_loss_that_was_watched_are_one_panel(path):
    (axes,) = plots.curves(LOG, path, zoo.Monitor("loss", "min"), 2).axes
    assert list(axes.lines[0].get_xdata()) == [2, 2]


def test_curves_of_one_epoch_and_of_none(path):
    loss, _ = plots.curves(LOG[:1], path, ACCURACY, 1).axes
    assert all(tick == int(tick) for tick in loss.get_xticks())
    pixels(path)
    with pytest.raises(zoo.ZooError, match="nothing to draw: the log has no epoch"):
        plots.curves([], path, ACCURACY, 1)


# Several models


def test_learning_curves_have_a_panel_for_each_title(path):
    panels = {
        "50 steps": {"rnn": ([10, 20], [0.2, 0.1]), "lstm": ([10, 20], [0.18, 1e-4])},
        "600 steps": {"rnn": ([10], [0.17])},
    }
    figure = plots.learning_curves(panels, path, measure="error", baseline=1 / 6, baseline_name="always 1")
    assert [axes.get_title() for axes in figure.axes] == list(panels)
    for axes, lines in zip(figure.axes, panels.values(), strict=True):
        *drawn, baseline = axes.lines
        assert [(line.get_label(), list(line.get_xdata()), list(line.get_ydata())) for line in drawn] == [
            (label, *values) for label, values in lines.items()
        ]
        assert baseline.get_ydata()[0] == 1 / 6
        assert axes.get_yscale() == "log"
        assert axes.get_ylim() == figure.axes[0].get_ylim(), "panels cannot be compared"
    assert figure.axes[0].get_ylabel() == "error"
    pixels(path)


def test_a_gradient_flow_states_the_factor_per_step(path):
    lags = np.arange(400)
    flows = {"rnn": 0.5 ** np.minimum(lags, 149.0) * (lags < 149), "lstm": 0.99**lags, "none": np.zeros(400)}
    figure = plots.gradient_flow({"$a": flows, "b": {"gru": [1.0, np.nan]}, "c": {"gru": [2.0, 4.0]}}, path, columns=2)
    axes, _, below = figure.axes
    assert axes.get_title() == "$a"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["rnn: ×0.5 a step", "lstm: ×0.99 a step", "none: ×nan a step"]
    assert 1e-16 < axes.get_ylim()[0] < 1e-10, "what has vanished takes up all the height"
    assert below.get_position().y1 < axes.get_position().y0
    pixels(path)


def test_no_panels_are_refused(path):
    with pytest.raises(zoo.ZooError, match="nothing to draw"):
        plots.gradient_flow({}, path)


# Any model


class Fake:
    """A loaded model that gives one answer."""

    def __init__(self, answer, signatures=("attention", "serving_default")):
        self.answer, self.signatures = answer, dict.fromkeys(signatures)

    def predict(self, inputs, signature):
        assert (len(inputs), signature) == (1, "attention")
        return [self.answer]


def test_attention_draws_what_fits_the_model(path, tmp_path):
    texts = Fake(translation(["▁a"], ["▁b", "</s>"]))
    assert len(plots.attention(texts, "a", path).axes) == 2
    images = Fake(caption("a dog", ["▁a", "▁dog", "</s>"]))
    content = photos.examples()[0]
    (tmp_path / "photo.jpg").write_bytes(content)
    for item in (content, tmp_path / "photo.jpg", values.as_json(content)):
        assert len(plots.attention(images, item, path).axes) == 3


def test_attention_of_what_cannot_be_drawn(path):
    with pytest.raises(zoo.ZooError, match="no signature 'attention' to draw; there are greedy, serving_default"):
        plots.attention(Fake({}, ("serving_default", "greedy")), "a", path)
    with pytest.raises(zoo.ZooError, match="nothing to draw: the image data is damaged"):
        plots.attention(Fake(caption("", [], error="the image data is damaged")), b"", path)


# Files


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".PNG", ".jpg"])
def test_other_types_of_files(suffix, tmp_path):
    plots.gaze(caption("a", ["▁a", "</s>"]), photos.examples()[0], tmp_path / f"picture{suffix}")
    assert (tmp_path / f"picture{suffix}").stat().st_size > 5000


BAD_PATHS = {
    "nowhere/a.png": "there is no directory nowhere",
    "a.xyz": "ends in one of .*png",
    "png": "ends in one of",
    "is_a_directory.png": "cannot be written: Is a directory",
}


@pytest.mark.parametrize("name", BAD_PATHS)
def test_where_no_picture_can_be_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "is_a_directory.png").mkdir()
    with pytest.raises(zoo.ZooError, match=BAD_PATHS[name]):
        plots.curves(LOG, name, ACCURACY, 1)


WITHOUT = """
import sys
sys.modules["matplotlib"] = None
from zoo.errors import ZooError
try:
    from zoo import plots
except ZooError as error:
    print(error, "tensorflow" in sys.modules)
"""


def test_without_matplotlib_it_is_said_how_to_get_it():
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True).stdout
    assert said == 'matplotlib is not installed: pip install "sequence-zoo[plots]". False\n'


# In an artefact


class Writes(Writer):
    """No more of a writer than its pictures need."""

    def __init__(self, *examples):
        self.examples = examples

    def serving_default(self, text):
        raise NotImplementedError


def test_an_artefact_gets_its_pictures(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "alignment", lambda answer, path: path.write_bytes(b"picture"))
    model = Fake(translation(["▁a"], ["▁b", "</s>"]))
    monkeypatch.setattr(model, "predict", lambda inputs, signature: drawn.extend(inputs) or [model.answer])
    task = Writes("short", "the longest text", "a text")
    titles = exporting._drawn(model, task, SimpleNamespace(log=LOG, monitor=ACCURACY, best_epoch=3), tmp_path / "pictures")
    assert drawn == ["the longest text"]
    assert titles == {"Training curves": "pictures/curves.png", "Attention": "pictures/attention.png"}
    assert set(cards.hashes(tmp_path)) == set(titles.values())
    assert (tmp_path / "pictures" / "curves.png").stat().st_size < 150_000


def test_what_cannot_be_drawn_stops_no_export(tmp_path, capsys):
    model = Fake(translation([], ["</s>"]))
    titles = exporting._drawn(
        model, Writes(""), SimpleNamespace(log=LOG, monitor=ACCURACY, best_epoch=3), tmp_path / "pictures"
    )
    assert titles == {"Training curves": "pictures/curves.png"}
    assert set(cards.hashes(tmp_path)) == {"pictures/curves.png"}
    assert capsys.readouterr().out == "Pictures left out: There is nothing to draw: the text is empty.\n"
