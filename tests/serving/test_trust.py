"""A server of published artefacts takes nothing that a stranger could have made it do, and one bad version harms no other."""

import shutil

import pytest
import requests
import small_cards
import tensorflow as tf

import zoo
from zoo import cli
from zoo.serving.models import ModelConfig, read_config


def reading(directory):
    """A SavedModel that answers with the file that it is asked for; it has no card."""
    spec = [tf.TensorSpec([None], tf.string, name="text")]
    function = tf.function(lambda text: {"content": tf.map_fn(tf.io.read_file, text)}, input_signature=spec)
    tf.saved_model.save(tf.Module(), str(directory), signatures=function)
    return directory


def test_a_version_of_a_stranger_is_not_served_and_the_others_are(serve, tmp_path):
    good = zoo.load("vanishing_gradients").directory
    (tmp_path / "good").mkdir()
    shutil.copytree(good, tmp_path / "good" / "1")
    shutil.copytree(good, tmp_path / "bad" / "1")
    small_cards.change(tmp_path / "bad" / "1", lambda card: card.update(scores=[]))
    running = serve([ModelConfig(name, tmp_path / name, trusted=False) for name in ("good", "bad")])

    def state(name, version):
        (one,) = requests.get(f"http://{running.rest}/v1/models/{name}/versions/{version}").json()["model_version_status"]
        return one["state"], one["status"]["error_message"]

    assert state("good", 1)[0] == "AVAILABLE"
    assert "'scores' must be an object" in state("bad", 1)[1]
    reading(tmp_path / ".new").rename(tmp_path / "good" / "2")  # whoever can write there could leave out the card
    running(running.server.service.models.refresh())
    assert state("good", 1)[0] == "AVAILABLE"
    assert "ReadFile" in state("good", 2)[1]
    series = {"instances": [[[0.5, 1.0], [0.2, 1.0]]]}
    assert requests.post(f"http://{running.rest}/v1/models/good:predict", json=series).ok


@pytest.mark.parametrize(("flags", "trusted"), [((), False), (("--trusted",), True)])
def test_a_name_alone_is_no_word(tmp_path, monkeypatch, flags, trusted):
    small_cards.write(tmp_path / "models" / "good" / "1")
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))
    served = []

    async def run(settings, started):
        served.extend(settings.models)
        raise zoo.ZooError("enough")

    monkeypatch.setattr("zoo.serving.server.run", run)
    with pytest.raises(SystemExit):
        cli.main(["serve", "good", "--port", "0", *flags])
    assert [model.trusted for model in served] == [trusted]


def test_a_models_config_is_the_users_own_word(serve, tmp_path):
    reading(tmp_path / "reader" / "1")
    (tmp_path / "file").write_text("content")
    (tmp_path / "models.config").write_text('model_config_list { config { name: "reader" base_path: "reader" } }')
    running = serve(read_config(tmp_path / "models.config"))
    asked = requests.post(f"http://{running.rest}/v1/models/reader:predict", json={"instances": [str(tmp_path / "file")]})
    assert asked.json() == {"predictions": ["content"]}
