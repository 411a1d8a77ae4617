"""Raw values on their way in and out: what is the content of a file stays what it is, in Python, in JSON and on disk."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
import sounds

import zoo
from zoo.artefacts import card as cards
from zoo.artefacts import values
from zoo.cli import main

CONTENT = b"\0\x80MThd\xc3(" + sounds.NOISE
TEXT = base64.b64encode(CONTENT).decode()


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return sounds.save(tmp_path_factory.mktemp("sounds") / "sounds" / "1")


@pytest.fixture
def here(artefact, tmp_path, monkeypatch):
    """An empty working directory but for a sound, an empty file and the artefact."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.wav").write_bytes(CONTENT)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "sounds").symlink_to(artefact)
    return tmp_path


def test_files_are_given_as_bytes_paths_or_base64_and_come_as_bytes(artefact, here):
    model = zoo.load(artefact)
    given = [CONTENT, here / "in.wav", {"b64": TEXT}, {"b64": f"{TEXT[:40]}\r\n {TEXT[40:].rstrip('=')}\n"}, bytearray(CONTENT)]
    assert model.predict(given) == [sounds.answer(CONTENT)] * 5
    assert model.predict([{"audio_bytes": one} for one in given]) == [sounds.answer(CONTENT)] * 5
    both = [{"audio_bytes": one, "volume": 0.5} for one in given]
    assert model.predict(both, signature="louder") == [sounds.answer(CONTENT)] * 5
    for wrong, message in ((3, "a Path or {'b64': ...}: 3 is no"), (here / "x.wav", "x.wav cannot be read: No such file")):
        with pytest.raises(zoo.ZooError, match=rf"Input 1, 'audio_bytes', must be .*{message}"):
            model.predict([CONTENT, wrong])


@pytest.mark.parametrize("text", ["?", "YQ=a", "Y", "Y\u00e4==", "YWI=YWI="])
def test_what_is_no_base64_is_said(text):
    with pytest.raises(zoo.ZooError, match="must hold base64"):
        values.content({"b64": text})


def test_a_text_is_never_the_content_of_a_file_and_the_other_way_round():
    column = np.array([b"caf\xe9\0", b"tea"], object)
    assert values.as_python(column, "label") == ["caf\ufffd\0", "tea"]
    assert values.as_python(column, "midi_bytes") == [b"caf\xe9\0", b"tea"]
    assert values.as_python(np.float32([0.5]), "size_in_bytes") == [0.5]
    answer = {"video_bytes": CONTENT, "frames": [[1, 2]], "label": "tea"}
    assert values.from_json(json.loads(json.dumps(values.as_json(answer)))) == answer


def test_a_client_needs_no_tensorflow():
    code = "import sys, zoo; zoo.Client('localhost:1').close(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# zoo predict


def test_predict_prints_a_size_or_base64(here, capsys):
    main(["predict", "sounds", "in.wav", "empty.wav"])
    size = len(CONTENT) + len(sounds.NOISE)
    assert capsys.readouterr().out == f"({size:,} bytes)\t{size}\nerror: empty\n"
    main(["predict", "sounds", "in.wav", "--json"])
    assert values.from_json(json.loads(capsys.readouterr().out)) == sounds.answer(CONTENT)
    main(["predict", "sounds", "--json", "--signature", "louder", json.dumps({"audio_bytes": {"b64": TEXT}, "volume": 1})])
    assert values.from_json(json.loads(capsys.readouterr().out)) == sounds.answer(CONTENT)


def test_predict_writes_a_file(here, capsys):
    (here / "out.wav").write_bytes(b"older")
    main(["predict", "sounds", "in.wav", "--out", "out.wav"])
    assert (here / "out.wav").read_bytes() == CONTENT + sounds.NOISE
    assert capsys.readouterr().err == "File: out.wav\n"
    (here / "all").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["predict", "sounds", "in.wav", "empty.wav", "in.wav", "--out", "all"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("error: No file was written for input 2: empty.\n")
    written = {path.name: path.read_bytes() for path in (here / "all").iterdir()}
    assert written == {"1.wav": CONTENT + sounds.NOISE, "3.wav": CONTENT + sounds.NOISE}


OUT_ERRORS = {
    "in.wav empty.wav --out out.wav": "--out out.wav is one file, and there are 2 inputs; give a directory that is there",
    "in.wav --out nowhere/out.wav": "nowhere/out.wav cannot be written: there is no directory nowhere",
    "in.wav --out nowhere/": "there is no directory nowhere/",
    "empty.wav in.wav --out full": "full/2.wav exists already; nothing was overwritten",
    "a --signature both --out out.wav": "this gives audio_bytes, midi_bytes: --json has them in base64",
    "in.wav --signature text --out out.wav": "--out writes an output that is the content of a file, such as audio_bytes; this",
}


@pytest.mark.parametrize("arguments", OUT_ERRORS)
def test_where_no_file_can_be_written_is_known_before_the_model_is_loaded(arguments, here, monkeypatch, capsys):
    monkeypatch.setattr("zoo.artefacts.load.load", None)
    text = {"inputs": {"audio_bytes": "string [N]"}, "outputs": {"label": "string [N]", "size_bytes": "int64 [N]"}}
    card = cards.read(here / "sounds")
    monkeypatch.setattr(cards, "read", lambda _: card | {"signatures": card["signatures"] | {"text": text}})
    (here / "full").mkdir()
    (here / "full" / "2.wav").touch()
    with pytest.raises(SystemExit) as ended:
        main(["predict", "sounds", *arguments.split()])
    assert ended.value.code == 2
    assert OUT_ERRORS[arguments] in capsys.readouterr().err
    assert not (here / "out.wav").exists()


# The card


def test_a_card_shows_a_file_as_a_path_and_as_a_size(artefact):
    card = cards.read(artefact)
    outputs = values.as_json(sounds.answer(CONTENT))
    card["examples"] = [{"input": {"b64": TEXT}, "output": outputs}]
    size = len(CONTENT) + len(sounds.NOISE)
    rendered, said = cards.render(card), f"{{'audio_bytes': '({size:,} bytes)', 'error': '', 'size': {size}}}"
    assert 'from pathlib import Path\n\nimport zoo\n\nmodel = zoo.load("some_artefact")\n' in rendered
    assert f'model.predict([Path("audio.wav")])\n# {said}\n' in rendered
    card["examples"][0]["input"] = {"midi_bytes": {"b64": TEXT}, "tempo": 1.5, "title": 'Path("'}
    assert 'model.predict([{"midi_bytes": Path("tune.mid"), "tempo": 1.5, "title": "Path(\\""}])\n' in cards.render(card)
