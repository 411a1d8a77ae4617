"""Every published artefact: it is whole, small, and answers as its card says."""

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from families import RECIPES

import zoo
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.artefacts.publish import PUBLISHED, write_index
from zoo.artefacts.values import as_python

ROOT = Path(__file__).parents[1] / "saved_models"
SHIPPED = sorted(path.parent for path in ROOT.glob("*/*/card.json"))

LARGEST_TOGETHER = 60  # megabytes, since git keeps them


def megabytes(directory):
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6


@pytest.fixture(scope="module", params=SHIPPED, ids=lambda path: "/".join(path.parts[-2:]))
def model(request):
    """The loaded artefact; the hashes of its files have been checked."""
    return zoo.load(request.param)


def assert_as_said(answer, said):
    """An answer as the card has it, numbers nearly: another processor rounds otherwise."""
    assert type(answer) is type(said)
    if isinstance(said, dict):
        assert answer.keys() == said.keys()
        for key, value in said.items():
            assert_as_said(answer[key], value)
    elif isinstance(said, list):
        answer, said = _without_padding(answer), _without_padding(said)
        assert len(answer) == len(said)
        for one, other in zip(answer, said, strict=True):
            assert_as_said(one, other)
    elif isinstance(said, float):
        assert answer == pytest.approx(said, abs=1e-3)
    else:
        assert answer == said


def _without_padding(values):
    """Texts without the empty ones at their end: there are as many of these as batch-mates have more."""
    while values and values[-1] == "":
        values = values[:-1]
    return values


def test_it_answers_its_examples_as_its_card_says(model):
    examples = model.card["examples"]
    for batch_size in (1, len(examples)):
        answers = model.predict([example["input"] for example in examples], batch_size=batch_size)
        for answer, example in zip(answers, examples, strict=True):
            assert_as_said(answer, example["output"])


def test_its_files_are_those_of_the_card_and_few(model):
    assert cards.hashes(model.directory) == model.card["files"]
    assert megabytes(model.directory) <= RECIPES[model.card["name"]].megabytes
    assert sum(map(megabytes, SHIPPED)) <= LARGEST_TOGETHER
    assert find.versions(model.directory.parent) == [int(model.directory.name)]  # one version of each


def test_it_is_a_whole_run_on_real_data(model):
    assert model.card["data"]["source"] in PUBLISHED
    assert model.card["run"]["max_steps"] is None
    assert model.card["name"] == model.directory.parent.name
    assert (ROOT.parent / "recipes" / f"{model.card['name']}.py").is_file()


def test_a_tf1_session_gives_the_same_answers(model):
    inputs = [example["input"] for example in model.card["examples"]]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(model.directory))
        signature = graph.signature_def["serving_default"]
        fetched = {name: tensor.name for name, tensor in signature.outputs.items()}
        (source,) = signature.inputs.values()
        raw = [item if isinstance(item, (str, list)) else base64.b64decode(item["b64"]) for item in inputs]
        answers = session.run(fetched, {source.name: np.array(raw, object)})
    for row, example in enumerate(model.card["examples"]):
        assert_as_said({name: as_python(value[row], name) for name, value in answers.items()}, example["output"])


def test_its_warm_up_fits_its_signatures(model):
    from tensorflow_serving.apis import prediction_log_pb2

    warmed = set()
    for record in tf.data.TFRecordDataset(str(model.directory / "assets.extra" / "tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        name = request.model_spec.signature_name
        specs = model.signatures[name].structured_input_signature[1]
        assert request.inputs.keys() == specs.keys()
        for key, spec in specs.items():
            values = tf.make_ndarray(request.inputs[key])
            assert tf.as_dtype(request.inputs[key].dtype) == spec.dtype
            assert spec.shape.is_compatible_with(values.shape)
        warmed.add(name)
    assert warmed == model.signatures.keys() == model.card["signatures"].keys()


def test_its_readme_is_its_card(model):
    assert (model.directory / "README.md").read_text(encoding="utf-8") == cards.render(model.card)


def test_the_table_is_that_of_the_cards(tmp_path):
    for directory in SHIPPED:
        copy = tmp_path / directory.relative_to(ROOT)
        copy.mkdir(parents=True)
        shutil.copy(directory / find.CARD, copy)
    write_index(tmp_path)
    assert (ROOT / "README.md").read_text(encoding="utf-8") == (tmp_path / "README.md").read_text(encoding="utf-8")
