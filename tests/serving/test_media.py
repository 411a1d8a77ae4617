"""The content of a file goes to a server and comes back unharmed: REST in base64, gRPC as it is."""

import base64

import pytest
import requests
import sounds

import zoo

CONTENT = b"\0\x80MThd\xc3(" + sounds.NOISE
TEXT = base64.b64encode(CONTENT).decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory, module_serve):
    root = tmp_path_factory.mktemp("sounds")
    sounds.save(root / "1")
    return module_serve({"sounds": root})


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
def test_clients_take_and_give_files_as_a_loaded_model_does(running, kind, tmp_path):
    (tmp_path / "in.wav").write_bytes(CONTENT)
    given = [CONTENT, tmp_path / "in.wav", {"b64": TEXT}, {"b64": f"{TEXT[:40]}\n{TEXT[40:].rstrip('=')}"}, b""]
    expected = [sounds.answer(CONTENT)] * 4 + [sounds.answer(b"")]
    with kind(running.rest if kind is zoo.Client else running.grpc, retry_for=0) as client:
        assert client.predict("sounds", given) == expected
        assert client.predict("sounds", [{"audio_bytes": one} for one in given]) == expected
        both = [{"audio_bytes": one, "volume": 1} for one in given]
        assert client.predict("sounds", both, signature="louder") == expected
        for wrong in (tmp_path / "none.wav", {"b64": "?"}, 3):
            with pytest.raises(zoo.ZooError):
                client.predict("sounds", [wrong])


def test_json_has_files_in_base64(running):
    body = {"instances": [{"b64": TEXT}]}
    reply = requests.post(f"http://{running.rest}/v1/models/sounds:predict", json=body, timeout=30).json()
    expected = sounds.answer(CONTENT)
    expected["audio_bytes"] = {"b64": base64.b64encode(expected["audio_bytes"]).decode()}
    assert reply == {"predictions": [expected]}
