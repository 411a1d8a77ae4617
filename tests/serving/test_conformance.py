"""Requests and replies of TensorFlow Serving's documented API, asked of the local server, or of a real one:

    pytest tests/serving/test_conformance.py --serving-url localhost:8501 --serving-grpc localhost:8500

The real one serves `saved_models/` under the names of the artefacts: docs/serving.md has the command.
"""

import asyncio
import base64
import functools
import json
import math
import subprocess
from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import zoo

IMDB, DIGITS, SPANISH, SERIES = "imdb_sentiment", "mnist_digits", "spanish_to_english", "vanishing_gradients"
GOOD, BAD = "A wonderful film.", "Dull, long and stupid."


@dataclass(frozen=True)
class Case:
    """A request and what is documented of the reply."""

    what: str
    path: str
    body: object = None  # JSON, or bytes as they are; None for GET
    status: int = 200
    reply: object = None  # a function that the JSON of the reply must satisfy, or a part of the error
    method: str = ""
    headers: dict = field(default_factory=dict)

    def __str__(self):
        return self.what.replace(" ", "_")


@functools.cache
def example(name):
    return zoo.load(name).card["examples"][0]


def image():
    return example(DIGITS)["input"]


def rows(*labels):
    return lambda reply: [row["label"] for row in reply["predictions"]] == list(labels)


@functools.cache
def version():
    return int(zoo.load(IMDB).directory.name)


def models(name, rest=":predict"):
    return f"/v1/models/{name}{rest}"


ANSWERS = [
    Case("rows of one input", models(IMDB), {"instances": [GOOD, BAD]}, reply=rows("positive", "negative")),
    Case("rows of a named input", models(IMDB), {"instances": [{"text": GOOD}]}, reply=rows("positive")),
    Case(
        "rows have every output",
        models(IMDB),
        {"instances": [GOOD]},
        reply=lambda r: len(r["predictions"][0]["probabilities"]) == 2,
    ),
    Case(
        "columns of one input",
        models(IMDB),
        {"inputs": [GOOD, BAD]},
        reply=lambda r: r["outputs"]["label"] == ["positive", "negative"],
    ),
    Case(
        "columns of a named input",
        models(IMDB),
        {"inputs": {"text": [BAD]}},
        reply=lambda r: r["outputs"]["label"] == ["negative"],
    ),
    Case(
        "a named signature",
        models(IMDB),
        {"signature_name": "parts", "instances": [GOOD]},
        reply=lambda r: set(r["predictions"][0]) == {"ngrams", "recurrent"},
    ),
    Case(
        "one output has no name",
        models(SERIES),
        {"instances": [[[0.5, 1.0], [0.25, 1.0]]]},
        reply=lambda r: len(r["predictions"][0]) == 1,
    ),
    Case(
        "one output in columns",
        models(SERIES),
        {"inputs": [[[0.5, 1.0]]]},
        reply=lambda r: len(r["outputs"]) == 1 and len(r["outputs"][0]) == 1,
    ),
    Case(
        "whole numbers for floats",
        models(SERIES),
        {"instances": [[[1, 1], [0, 0]]]},
        reply=lambda r: isinstance(r["predictions"][0][0], float),
    ),
    Case(
        "several inputs",
        models(SPANISH),
        {"signature_name": "score", "instances": [{"text": "Hola.", "translation": "Hello."}]},
        reply=lambda r: r["predictions"][0]["score"] < 0,
    ),
    Case(
        "several inputs in columns",
        models(SPANISH),
        {"signature_name": "score", "inputs": {"text": ["Hola."], "translation": ["Hello."]}},
        reply=lambda r: r["outputs"]["tokens"][0] > 0,
    ),
    Case(
        "a translation",
        models(SPANISH),
        lambda: {"instances": [example(SPANISH)["input"]]},
        reply=lambda r: r["predictions"][0]["translation"] == example(SPANISH)["output"]["translation"],
    ),
    Case(
        "other alphabets",
        models(SPANISH),
        {"instances": ["¿Dónde está el niño? 日本 🙂"]},
        reply=lambda r: isinstance(r["predictions"][0]["translation"], str),
    ),
    Case(
        "an image in base64",
        models(DIGITS),
        lambda: {"instances": [image()]},
        reply=lambda r: r["predictions"][0]["error"] == "",
    ),
    Case(
        "a named image in base64",
        models(DIGITS),
        lambda: {"instances": [{"image_bytes": image()}]},
        reply=lambda r: r["predictions"][0]["error"] == "",
    ),
    Case(
        "images in columns",
        models(DIGITS),
        lambda: {"inputs": {"image_bytes": [image(), image()]}},
        reply=lambda r: r["outputs"]["error"] == ["", ""],
    ),
    Case(
        "a broken image fails alone",
        models(DIGITS),
        lambda: {"instances": [{"b64": "AAAA"}, image()]},
        reply=lambda r: [row["error"] != "" for row in r["predictions"]] == [True, False],
    ),
    Case(
        "a text in base64",
        models(IMDB),
        {"instances": [{"b64": base64.b64encode(GOOD.encode()).decode()}]},
        reply=rows("positive"),
    ),
    Case(
        "an empty text",
        models(IMDB),
        {"instances": [""]},
        reply=lambda r: math.isclose(sum(r["predictions"][0]["probabilities"]), 1, rel_tol=1e-3),
    ),
    Case(
        "NaN and Infinity are numbers",
        models(SERIES),
        b'{"instances": [[[NaN, 1.0], [0.5, 0.0]]]}',
        reply=lambda r: math.isnan(r["predictions"][0][0]),
    ),
    Case(
        "an exponent", models(SERIES), b'{"instances": [[[5e-1, 1E0]]]}', reply=lambda r: math.isfinite(r["predictions"][0][0])
    ),
    Case(
        "large whole numbers for floats",
        models(SERIES),
        {"instances": [[[20000000, 1], [1435774380, 0]]]},
        reply=lambda r: isinstance(r["predictions"][0][0], float),
    ),
    Case("a version", lambda: models(IMDB, f"/versions/{version()}:predict"), {"instances": [GOOD]}, reply=rows("positive")),
    Case("unknown keys are ignored", models(IMDB), {"instances": [GOOD], "comment": "?"}, reply=rows("positive")),
    Case(
        "the type of the content does not matter",
        models(IMDB),
        {"instances": [GOOD]},
        reply=rows("positive"),
        headers={"Content-Type": "text/plain"},
    ),
    Case(
        "status",
        models(IMDB, ""),
        reply=lambda r: (
            [(one["version"], one["state"], one["status"]) for one in r["model_version_status"]]
            == [(str(version()), "AVAILABLE", {"error_code": "OK", "error_message": ""})]
        ),
    ),
    Case(
        "status of a version",
        lambda: models(IMDB, f"/versions/{version()}"),
        reply=lambda r: r["model_version_status"][0]["version"] == str(version()),
    ),
    Case(
        "metadata",
        models(IMDB, "/metadata"),
        reply=lambda r: (
            r["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["text"]["dtype"] == "DT_STRING"
        ),
    ),
    Case(
        "metadata names the model",
        lambda: models(IMDB, f"/versions/{version()}/metadata"),
        reply=lambda r: r["model_spec"] == {"name": IMDB, "signature_name": "", "version": str(version())},
    ),
]
ERRORS = [
    Case("unknown model", models("nothing"), {"instances": [GOOD]}, 404, "Servable not found for request: Latest(nothing)"),
    Case(
        "unknown version",
        models(IMDB, "/versions/987:predict"),
        {"instances": [GOOD]},
        404,
        f"Servable not found for request: Specific({IMDB}, 987)",
    ),
    Case(
        "unknown label",
        models(IMDB, "/labels/nothing:predict"),
        {"instances": [GOOD]},
        400,
        "Unrecognized servable version label: nothing",
    ),
    Case(
        "unknown signature",
        models(IMDB),
        {"signature_name": "nothing", "instances": [GOOD]},
        400,
        'Serving signature name: "nothing" not found in signature def',
    ),
    Case("a signature that is no name", models(IMDB), {"signature_name": 3, "instances": [GOOD]}, 400, "signature_name"),
    Case("status of an unknown model", models("nothing", ""), None, 404, "nothing"),
    Case("status of an unknown version", models(IMDB, "/versions/987"), None, 404, "987"),
    Case("metadata of an unknown model", models("nothing", "/metadata"), None, 404, "nothing"),
    Case("no body", models(IMDB), b"", 400, "JSON Parse error: The document is empty"),
    Case("broken JSON", models(IMDB), b'{"instances": [', 400, "JSON Parse error"),
    Case("bytes that are no text", models(IMDB), b"\xff\xfe\x00", 400, "JSON"),
    Case("no object", models(IMDB), [GOOD], 400, "object"),
    Case("neither rows nor columns", models(IMDB), {"texts": [GOOD]}, 400, "Missing 'inputs' or 'instances' key"),
    Case("rows and columns", models(IMDB), {"instances": [GOOD], "inputs": [GOOD]}, 400, "one of"),
    Case("rows that are no list", models(IMDB), {"instances": GOOD}, 400, "instances"),
    Case("no rows", models(IMDB), {"instances": []}, 400, "instances"),
    Case("a number for a text", models(IMDB), {"instances": [3]}, 400, "string"),
    Case("null for a text", models(IMDB), {"instances": [None]}, 400, "Null"),
    Case("a text for a number", models(SERIES), {"instances": [[["a", "b"]]]}, 400, "float"),
    Case("a list of texts in a row", models(IMDB), {"instances": [[GOOD]]}, 400, ""),
    Case("a wrong last dimension", models(SERIES), {"instances": [[[1.0, 2.0, 3.0]]]}, 400, ""),
    Case("lists of different lengths", models(SERIES), {"instances": [[[1.0, 2.0], [1.0]]]}, 400, "size"),
    Case("rows of different shapes", models(SERIES), {"instances": [[[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]]]}, 400, ""),
    Case("an unknown input", models(IMDB), {"instances": [{"txt": GOOD}]}, 400, ""),
    Case("a missing input", models(SPANISH), {"signature_name": "score", "instances": [{"text": "Hola."}]}, 400, ""),
    Case(
        "a missing input in columns",
        models(SPANISH),
        {"signature_name": "score", "inputs": {"text": ["Hola."]}},
        400,
        "Missing named input: translation",
    ),
    Case(
        "a plain row for several inputs",
        models(SPANISH),
        {"signature_name": "score", "instances": ["Hola."]},
        400,
        "list of objects",
    ),
    Case("objects and values mixed", models(IMDB), {"instances": [{"text": GOOD}, GOOD]}, 400, "Expecting object"),
    Case("broken base64", models(IMDB), {"instances": [{"b64": "!"}]}, 400, "base64 decode"),
    Case("a number too large", models(SERIES), b'{"instances": [[[1e40, 1.0]]]}', 400, "precision"),
    Case("no such path", "/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
    Case("a prediction by GET", models(IMDB), None, 400, "Malformed request: GET", method="GET"),
    Case("a version that is no number", models(IMDB, "/versions/one:predict"), {"instances": [GOOD]}, 400, "Malformed request"),
    Case("a classification", models(IMDB, ":classify"), {"examples": [{"text": GOOD}]}, 400, "tensorflow/serving/classify"),
    Case("a regression", models(IMDB, ":regress"), {"examples": [{"text": GOOD}]}, 400, "tensorflow/serving/regress"),
]


def ask(address, case):
    """Status and JSON of the reply."""
    path, body = (value() if callable(value) else value for value in (case.path, case.body))
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    method = case.method or ("GET" if data is None else "POST")
    reply = requests.request(method, f"http://{address.rest}{path}", data=data, headers=case.headers, timeout=30)
    assert reply.headers["Content-Type"].startswith("application/json")
    return reply.status_code, reply.json()


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_a_request_is_answered_as_documented(address, case):
    status, reply = ask(address, case)
    assert status == 200, reply
    assert case.reply(reply), reply


@pytest.mark.parametrize("case", ERRORS, ids=str)
def test_a_wrong_request_gets_the_documented_error(address, case):
    status, reply = ask(address, case)
    assert set(reply) == {"error"}
    assert (status, case.reply in reply["error"]) == (case.status, True), reply


def test_curl_as_the_documentation_writes_it(address):
    url = f"http://{address.rest}/v1/models/{IMDB}:predict"
    body = '{"instances": ["A wonderful film."]}'
    done = subprocess.run(["curl", "-s", "-d", body, url], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] == "positive"


@pytest.fixture(scope="module")
def stubs(address):
    """The official stubs: of predictions and of models."""
    with grpc.insecure_channel(address.grpc) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def predict_request(name=IMDB, signature="", inputs=None, **spec):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    for key, value in (inputs if inputs is not None else {"text": [GOOD, BAD]}).items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_predict_over_grpc(stubs):
    response = stubs[0].Predict(predict_request(version=version()), timeout=30)
    assert tf.make_ndarray(response.outputs["label"]).tolist() == [b"positive", b"negative"]
    assert tf.make_ndarray(response.outputs["probabilities"]).shape == (2, 2)
    assert response.model_spec.name == IMDB
    assert response.model_spec.version.value == version()
    assert response.model_spec.signature_name == "serving_default"


def test_the_outputs_can_be_chosen_over_grpc(stubs):
    request = predict_request()
    request.output_filter.append("label")
    assert set(stubs[0].Predict(request, timeout=30).outputs) == {"label"}


def test_numbers_are_in_the_typed_fields_over_grpc(stubs):
    """Where clients in Go, Java or JavaScript look for them."""
    outputs = stubs[0].Predict(predict_request(), timeout=30).outputs
    assert list(outputs["label"].string_val) == [b"positive", b"negative"]
    assert len(outputs["probabilities"].float_val) == 4
    assert not outputs["probabilities"].tensor_content


def test_one_value_stands_for_all_over_grpc(stubs):
    request = predict_request(SERIES, inputs={"series": np.zeros([3, 5, 2], np.float32)})
    request.inputs["series"].ClearField("tensor_content")
    request.inputs["series"].float_val.append(0.0)
    assert len(stubs[0].Predict(request, timeout=30).outputs["value"].float_val) == 3


def test_floats_over_grpc(stubs):
    series = np.zeros([3, 5, 2], np.float32)
    response = stubs[0].Predict(predict_request(SERIES, inputs={"series": series}), timeout=30)
    assert tf.make_ndarray(response.outputs["value"]).shape == (3, 1)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (predict_request("nothing"), "NOT_FOUND"),
        (predict_request(version=987), "NOT_FOUND"),
        (predict_request(label="nothing"), "INVALID_ARGUMENT"),
        (predict_request(signature="nothing"), "FAILED_PRECONDITION"),
        (predict_request(inputs={}), "INVALID_ARGUMENT"),
        (predict_request(inputs={"txt": [GOOD]}), "INVALID_ARGUMENT"),
        (predict_request(inputs={"text": [1.0]}), "INVALID_ARGUMENT"),
        (predict_request(SERIES, inputs={"series": np.zeros([1, 2, 3], np.float32)}), "INVALID_ARGUMENT"),
    ],
    ids=["model", "version", "label", "signature", "no_input", "name", "type", "shape"],
)
def test_a_wrong_request_over_grpc_gets_a_status(stubs, request_, code):
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].Predict(request_, timeout=30)
    assert caught.value.code().name == code
    assert caught.value.details()


def test_metadata_over_grpc(stubs):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = IMDB
    response = stubs[0].GetModelMetadata(request, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "parts"}
    assert signatures.signature_def["serving_default"].method_name == "tensorflow/serving/predict"


def test_status_over_grpc(stubs):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = IMDB
    (status,) = stubs[1].GetModelStatus(request, timeout=30).model_version_status
    assert (status.version, status.state) == (version(), get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.name = "nothing"
    with pytest.raises(grpc.RpcError) as caught:
        stubs[1].GetModelStatus(request, timeout=30)
    assert caught.value.code().name == "NOT_FOUND"


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
@pytest.mark.parametrize("name", [IMDB, DIGITS, SPANISH, SERIES])
def test_the_zoos_clients_give_what_load_gives(address, kind, name):
    model = zoo.load(name)
    inputs = [example["input"] for example in model.card["examples"]]
    where = address.rest if kind is zoo.Client else address.grpc
    with kind(where) as client:
        answers = client.predict(name, inputs)
    for answer, expected in zip(answers, model.predict(inputs), strict=True):
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            assert answer[key] == (pytest.approx(value, abs=1e-5) if not isinstance(value, str) else value)


def test_the_client_of_kserve_is_answered(address):
    """One of another house: KServe's first protocol asks for predictions as TensorFlow Serving does."""
    kserve = pytest.importorskip("kserve", reason="needs pip install kserve")

    async def ask():
        client = kserve.InferenceRESTClient(kserve.inference_client.RESTConfig(protocol="v1"))
        reply = await client.infer(f"http://{address.rest}", {"instances": [GOOD, BAD]}, model_name=IMDB)
        await client.close()
        return reply

    assert rows("positive", "negative")(asyncio.run(ask()))
