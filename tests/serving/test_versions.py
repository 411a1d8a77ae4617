"""Which directories are versions, and what happens to a model when one of them cannot be loaded."""

import shutil

import pytest
import requests
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from zoo.artefacts.find import numbered
from zoo.errors import ZooError
from zoo.serving.models import ModelConfig


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """SavedModels that multiply by 1, 2 and 3."""
    root = tmp_path_factory.mktemp("saved")
    for factor in (1, 2, 3):
        module = tf.Module()
        module.multiply = tf.function(
            lambda x, factor=factor: {"y": factor * x}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")]
        )
        tf.saved_model.save(module, str(root / str(factor)), signatures=module.multiply)
    return root


@pytest.fixture
def add(saved, tmp_path):
    """add(name of a version's directory, factor) puts a version below model/; no factor makes a broken one."""

    def put(name, factor=None):
        part = tmp_path / "part"
        if factor:
            shutil.copytree(saved / str(factor), part)
        else:
            part.mkdir()
            (part / "saved_model.pb").write_bytes(b"broken")
        (tmp_path / "model").mkdir(exist_ok=True)
        return part.rename(tmp_path / "model" / name)

    return put


def answer(running, rest=":predict"):
    reply = requests.post(f"http://{running.rest}/v1/models/model{rest}", json={"instances": [1.0]}, timeout=30).json()
    return reply.get("predictions", reply)


def states(running):
    reply = requests.get(f"http://{running.rest}/v1/models/model", timeout=30).json()
    return {int(one["version"]): (one["state"], one["status"]["error_message"]) for one in reply["model_version_status"]}


def refresh(running):
    running(running.server.service.models.refresh())


def test_the_directories_that_are_versions(tmp_path):
    for name in (
        "1",
        "00000123",
        "²",
        "١٢",
        "9" * 20,
        "9223372036854775808",
        "-3",
        "+4",
        "1.0",
        " 7",
        "8 ",
        "1_0",
        "a",
        ".2",
        "",
    ):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "5").write_text("a file")
    for name in ("007", "7", "0"):
        (tmp_path / name).mkdir()
    (tmp_path / "0008").mkdir()
    (tmp_path / "8").write_text("a file")
    found = {version: path.name for version, path in numbered(tmp_path).items()}
    assert found == {1: "1", 123: "00000123", 7: "7", 0: "0", 8: "0008"}


def test_zeros_before_a_version_and_names_that_are_none(serve, add, tmp_path):
    for name, factor in (("00000122", 1), ("00000123", 2), ("²", 3), ("9" * 20, 3), ("1.0", 3)):
        add(name, factor)
    (tmp_path / "model" / "500").write_text("a file")
    running = serve({"model": tmp_path / "model"})
    assert answer(running) == [2.0]
    assert answer(running, "/versions/123:predict") == [2.0]
    assert states(running) == {123: ("AVAILABLE", "")}


def test_a_graph_in_text_form(serve, add, tmp_path):
    directory = add("1", 3)
    model = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    (directory / "saved_model.pbtxt").write_text(text_format.MessageToString(model))
    (directory / "saved_model.pb").unlink()
    assert answer(serve({"model": tmp_path / "model"})) == [3.0]


def test_a_broken_newest_version_takes_no_older_one_down_at_the_start(serve, add, tmp_path):
    """As after a restart of a server that went on serving the older one."""
    for name, factor in (("1", 1), ("2", 2), ("3", None), ("4", None)):
        add(name, factor)
    running = serve({"model": tmp_path / "model"})
    assert answer(running) == [2.0]
    found = states(running)
    assert found[2] == ("AVAILABLE", "")
    assert {found[3][0], found[4][0]} == {"END"}
    assert found[4][1]
    assert str(tmp_path) not in str(found)
    assert 1 not in found  # no need of it
    shutil.rmtree(tmp_path / "model" / "4")
    add("4", 3)  # mended
    refresh(running)
    assert answer(running) == [3.0]
    shutil.rmtree(tmp_path / "model" / "3")
    refresh(running)
    assert set(states(running)) == {2, 4}


def test_a_broken_new_version_takes_no_older_one_down_later(serve, add, tmp_path):
    add("1", 1)
    running = serve({"model": tmp_path / "model"})
    add("2")
    (tmp_path / "model" / "3").mkdir()
    refresh(running)
    refresh(running)
    assert answer(running) == [1.0]
    found = states(running)
    assert found[1] == ("AVAILABLE", "")
    assert found[2][0] == "END"
    assert found[3] == ("END", "3 holds no SavedModel: there is neither saved_model.pb nor saved_model.pbtxt in it.")
    shutil.rmtree(tmp_path / "model")  # nor does a directory that is gone
    refresh(running)
    assert answer(running) == [1.0]


def test_the_two_newest_that_can_be_loaded(serve, add, tmp_path):
    for name, factor in (("1", 1), ("2", 2), ("3", None), ("4", 3)):
        add(name, factor)
    running = serve([ModelConfig("model", tmp_path / "model", latest=2)])
    assert {version for version, state in states(running).items() if state[0] == "AVAILABLE"} == {2, 4}
    assert [answer(running, f"/versions/{version}:predict") for version in (2, 4)] == [[2.0], [3.0]]


def test_of_specific_versions_those_that_can_be_loaded(serve, add, tmp_path):
    for name, factor in (("1", 1), ("2", None), ("3", 3)):
        add(name, factor)
    running = serve([ModelConfig("model", tmp_path / "model", specific=(1, 2))])
    assert answer(running) == [1.0]
    assert set(states(running)) == {1, 2}


def test_when_none_can_be_loaded_every_reason_is_said(serve, add, tmp_path):
    add("2")
    add("3")
    with pytest.raises(ZooError, match=r"model cannot be served: version 3: .*; version 2: "):
        serve({"model": tmp_path / "model"})


def test_a_graph_for_training_only_is_said(serve, add, tmp_path):
    directory = add("1", 1)
    model = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    model.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    (directory / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(ZooError, match="no graph with the tag 'serve'; there is train"):
        serve({"model": tmp_path / "model"})
