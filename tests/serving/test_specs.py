"""Signatures that no artefact has, by REST and gRPC: what TensorFlow Serving answers, never an error of the server's own."""

import gzip
import json
import threading

import grpc
import numpy as np
import pytest
import requests
import small_cards
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import zoo
from zoo.errors import ZooError
from zoo.serving import tensors
from zoo.serving.batching import Batching
from zoo.serving.models import ModelConfig

DTYPES = "float16 bfloat16 float32 float64 complex64 uint8 int8 int32 int64 uint64 bool string".split()
NAME = "model a%2Fü"  # a name that a path must encode


class Signatures(tf.Module):
    """One signature for each kind of specification."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.ones([1, 2]))

    def signatures(self):
        def make(function, *inputs):
            return tf.function(function, input_signature=[tf.TensorSpec(*spec) for spec in inputs])

        numbers, texts = ([None], tf.float32, "x"), ([None], tf.string, "x")
        made = {f"same_{name}": make(lambda x: {"y": tf.identity(x)}, (None, tf.as_dtype(name), "x")) for name in DTYPES}
        made |= {
            "half_plus_two": make(lambda x: {"y": 0.5 * x + 2}, ([None, 1], tf.float32, "x")),
            "product": make(lambda x: {"y": tf.matmul(x, self.weights)}, ([None, 1], tf.float32, "x")),
            "scalar": make(lambda x: {"y": x + 1}, ([], tf.float32, "x")),
            "words": make(lambda x: {"y": tf.strings.reduce_join(x, -1)}, ([None, None], tf.string, "x")),
            "bytes": make(lambda x: {"y_bytes": x}, texts),
            "twice": make(lambda x: {"y": tf.concat([x, x], 0)}, numbers),
            "unequal": make(lambda x: {"a": x, "b": x[:1]}, numbers),
            "total": make(lambda x: {"y": tf.reduce_sum(x)}, numbers),
            "checked": make(self.check, numbers),
            "number": make(lambda x: {"y": tf.strings.to_number(x)}, texts),
            "file": make(lambda x: {"y": tf.map_fn(tf.io.read_file, x)}, texts),
            "pair": make(lambda x, y: {"sum": x + y, "x": x}, numbers, ([None], tf.float32, "y")),
            "nothing": make(lambda: {"y": tf.constant([1.0])}),
        }
        return made

    @staticmethod
    def check(x):
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "must not be negative")]):
            return {"y": tf.sqrt(x)}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The base path of an artefact that has them."""
    base = tmp_path_factory.mktemp("specs")
    module = Signatures()
    module.functions = module.signatures()
    tf.saved_model.save(module, str(base / "1"), signatures=module.functions)
    small_cards.write(base / "1")
    return base


@pytest.fixture(scope="module")
def running(base, module_serve):
    """A server of it, whose requests wait for one another for a while."""
    return module_serve([ModelConfig(NAME, base)], batching=Batching(batch_timeout=0.02))


def ask(running, signature, body, **options):
    """Status and JSON of the reply."""
    if not isinstance(body, bytes):
        body = json.dumps({"signature_name": signature, **body}).encode()
    url = f"http://{running.rest}/v1/models/{requests.utils.quote(NAME, safe='')}"
    reply = requests.post(f"{url}{options.pop('rest', ':predict')}", data=body, timeout=30, **options)
    return reply.status_code, reply.json()


def call(running, signature, **inputs):
    """Outputs of a gRPC call with `TensorProto`s or arrays."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = NAME, signature
    for name, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    with grpc.insecure_channel(running.grpc) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30).outputs


ANSWERS = [
    ("half_plus_two", {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),  # TensorFlow Serving's README
    ("half_plus_two", {"instances": [[1.0], [2.0]]}, {"predictions": [[2.5], [3.0]]}),
    ("half_plus_two", {"inputs": [[[1.0]]]}, {"outputs": [[[2.5]]]}),
    ("half_plus_two", {"inputs": 20000000}, {"outputs": 10000002.0}),
    ("same_float32", {"instances": [1435774380]}, {"predictions": [1435774300.0]}),  # the shortest that is this float32
    ("same_float64", {"instances": [1435774381]}, {"predictions": [1435774381.0]}),
    ("same_float32", {"inputs": []}, {"outputs": []}),
    ("same_float32", {"instances": [[], []]}, {"predictions": [[], []]}),
    ("same_float32", {"inputs": [[[[1.5]]]]}, {"outputs": [[[[1.5]]]]}),
    ("same_int32", {"inputs": {"x": [[1, -2]]}}, {"outputs": [[1, -2]]}),
    ("same_uint8", {"instances": [[0, 255]]}, {"predictions": [[0, 255]]}),
    ("same_int64", {"inputs": 2**63 - 1}, {"outputs": 2**63 - 1}),
    ("same_uint64", {"inputs": [2**64 - 1]}, {"outputs": [2**64 - 1]}),
    ("same_bool", {"instances": [True, False]}, {"predictions": [True, False]}),
    ("same_string", {"inputs": [[["a"], [{"b64": "Yg=="}]]]}, {"outputs": [[["a"], ["b"]]]}),
    ("same_string", {"inputs": {"b64": "Yg=="}}, {"outputs": "b"}),
    ("words", {"instances": [["a", "b"], ["c", {"b64": "ZA=="}]]}, {"predictions": ["ab", "cd"]}),
    ("bytes", {"instances": [{"b64": "/w=="}]}, {"predictions": [{"b64": "/w=="}]}),
    ("scalar", {"inputs": 3}, {"outputs": 4.0}),
    ("scalar", {"inputs": {"x": 3}}, {"outputs": 4.0}),
    ("scalar", {"instances": [3]}, {"predictions": [4.0]}),
    ("twice", {"instances": [1, 2]}, {"predictions": [1.0, 2.0, 1.0, 2.0]}),
    ("unequal", {"inputs": [1, 2]}, {"outputs": {"a": [1.0, 2.0], "b": [1.0]}}),
    ("total", {"inputs": [1, 2]}, {"outputs": 3.0}),
    ("pair", {"instances": [{"x": 1, "y": 2}]}, {"predictions": [{"sum": 3.0, "x": 1.0}]}),
    ("pair", {"inputs": {"x": [1], "y": [2], "z": [3]}}, {"outputs": {"sum": [3.0], "x": [1.0]}}),
]


@pytest.mark.parametrize(("signature", "body", "reply"), ANSWERS, ids=lambda value: value if isinstance(value, str) else "")
def test_answers(running, signature, body, reply):
    assert ask(running, signature, body) == (200, reply)


ERRORS = [
    ("same_float16", {"inputs": [1]}, 501, "Conversion of JSON Value: 1 to type: float16"),
    ("same_bfloat16", {"instances": [1]}, 400, "Conversion of JSON Value: 1 to type: bfloat16"),
    ("same_complex64", {"instances": [1]}, 400, "complex64"),
    ("product", {"instances": [1.0]}, 400, "input x has the shape [1]; the signature says (None, 1)"),
    ("product", {"instances": [[1.0, 2.0]]}, 400, "Matrix size-incompatible"),
    ("same_float32", {"inputs": [[1], [2, 3]]}, 400, "Encountered list at unexpected size: 2"),
    ("unequal", {"instances": [1, 2]}, 400, "Tensor name: b has inconsistent batch size: 1 expecting: 2"),
    ("total", {"instances": [1, 2]}, 400, "Tensor name: y has no shape information"),
    ("checked", {"instances": [1, -1]}, 400, "assertion failed: [must not be negative."),
    ("number", {"instances": ["q"]}, 400, "StringToNumberOp could not correctly convert string: q"),
    ("file", {"instances": ["/nowhere/at/all.txt"]}, 404, "all.txt; No such file"),
    ("pair", {"inputs": [1]}, 400, "inputs is a plain value/list, but expecting an object"),
    ("pair", {"instances": [{"x": 1}]}, 400, "keys must be equal to: x,y"),
    ("nothing", {"inputs": {}}, 400, "Failed to get input map"),
]


@pytest.mark.parametrize(("signature", "body", "status", "message"), ERRORS, ids=lambda value: str(value)[:30])
def test_errors(running, signature, body, status, message):
    found, reply = ask(running, signature, body)
    assert (found, message in reply["error"]) == (status, True), reply
    for place in ("{{node", "Graph execution", "Detected at", "[Op:", "/nowhere"):
        assert place not in reply["error"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [[], [2], [0, 3], [1, 2, 1]], ids=str)
def test_every_dtype_by_grpc_in_its_typed_field(running, dtype, shape):
    dtype = tf.as_dtype(dtype)
    array = np.ones(shape, dtype.as_numpy_dtype)
    if dtype == tf.string:
        array = np.full(shape, b"text\0", object)
    for sent in (tf.make_tensor_proto(array, dtype), tensors.to_proto(array)):
        reply = call(running, f"same_{dtype.name}", x=sent)["y"]
        assert reply == tensors.to_proto(array)
        assert not reply.tensor_content


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."),
        ({"z": [1.0]}, "Sent extra: {z}. Missing but required: {x}."),
        ({"x": [1.0], "z": [1.0]}, "2!=1"),
        ({"x": np.int32([1])}, "input x has the type int32; the signature takes float32"),
    ],
)
def test_wrong_inputs_by_grpc(running, inputs, message):
    with pytest.raises(grpc.RpcError) as caught:
        call(running, "product", **inputs)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()


def test_a_badly_shaped_request_harms_none_that_waits_beside_it(running):
    bodies = [[[1.0]], [1.0], [[1.0, 2.0]], [[2.0]], [[[3.0]]], [[4.0], [5.0]]] * 4
    replies = [None] * len(bodies)

    def send(index):
        replies[index] = ask(running, "product", {"instances": bodies[index]})

    threads = [threading.Thread(target=send, args=(index,)) for index in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for body, (status, reply) in zip(bodies, replies, strict=True):
        right = np.shape(body)[1:] == (1,)
        assert status == (200 if right else 400), reply
        if right:
            assert reply["predictions"] == [[row[0]] * 2 for row in body]


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_other_methods_say_what_the_signature_is_for(running, method):
    status, reply = ask(running, "", {"examples": [{"x": 1.0}]}, rest=f":{method}")
    assert (status, reply["error"]) == (400, "No signature was found with the name: serving_default")


def test_compressed_bodies(running):
    body = json.dumps({"signature_name": "same_float32", "instances": [3.0]}).encode()
    packed = gzip.compress(body[:10]) + gzip.compress(body[10:])
    for sent, coding, status in (
        (packed, "gzip", 200),
        (packed + b"\0\0", "x-gzip", 200),
        (body, "identity", 200),
        (body, "utf-8", 200),
        (packed[:-4], "gzip", 400),
        (packed + b"junk", "gzip", 400),
        (body, "gzip", 400),
        (packed, "", 400),
        (body, "br", 415),
    ):
        found, reply = ask(running, "", sent, headers={"Content-Encoding": coding})
        assert (found, list(reply)) == (status, ["predictions" if status == 200 else "error"]), (coding, reply)


def test_metrics_are_named_as_those_of_tensorflow_serving(running):
    ask(running, "same_float32", {"instances": [3.0]})
    call(running, "same_float32", x=np.float32([1]))
    ask(running, "product", {"instances": [1.0]})
    page = requests.get(f"http://{running.rest}/monitoring/prometheus/metrics", timeout=30).text
    lines = {line.rpartition(" ")[0] for line in page.splitlines()}
    metric = ":tensorflow:serving:"
    assert f"# TYPE {metric}request_count counter" in page
    for line in (
        f'{metric}request_count{{model_name="{NAME}",status="OK"}}',
        f'{metric}request_count{{model_name="{NAME}",status="INVALID_ARGUMENT"}}',
        f'{metric}request_latency_bucket{{API="predict",entrypoint="REST",le="10",model_name="{NAME}"}}',
        f'{metric}request_latency_bucket{{API="predict",entrypoint="REST",le="708235",model_name="{NAME}"}}',
        f'{metric}request_latency_bucket{{API="predict",entrypoint="REST",le="1.27482e+06",model_name="{NAME}"}}',
        f'{metric}request_latency_bucket{{API="predict",entrypoint="REST",le="+Inf",model_name="{NAME}"}}',
        f'{metric}request_latency_count{{API="Predict",entrypoint="GRPC",model_name="{NAME}"}}',
        f'{metric}runtime_latency_sum{{API="Predict",model_name="{NAME}",runtime="TF1"}}',
    ):
        assert line in lines
    with zoo.GrpcClient(running.grpc, retry_for=0) as client:
        client.predict(NAME, [1], signature="same_float32")
    again = requests.get(f"http://{running.rest}/monitoring/prometheus/metrics", timeout=30).text
    assert "GetModelMetadata" not in again
    counted = f'{metric}request_count{{model_name="{NAME}",status="OK"}} '
    before, after = (float(text.split(counted)[1].split()[0]) for text in (page, again))
    assert after == before + 1
    assert "_total" not in page
    assert "_created" not in page


PAIR = [{"x": 1.0, "y": 2}, {"x": np.float32(3), "y": np.array(4)}]
TAKEN = [
    ("same_float32", [1, 2.5, True], None),
    ("same_float32", np.float64([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ("same_float32", np.array([20000000]), [2e7]),
    ("same_float32", tf.constant([[1.0, 2.0]]), [[1, 2]]),
    ("same_float32", [tf.constant([1.0, 2.0]), np.float32([3, 4])], [[1, 2], [3, 4]]),
    ("same_float32", [[1, 2], [3], [4, 5], []], [[1, 2], [3], [4, 5], []]),
    ("same_float32", tf.ragged.constant([[1.0, 2.0], [3.0]]), [[1, 2], [3]]),
    ("same_float32", [np.float32(1), np.array(2)], [1, 2]),
    ("same_float32", ((1, 2), (3, 4)), [[1, 2], [3, 4]]),
    ("same_float32", [[1], [[2, 3]]], [[1], [[2, 3]]]),
    ("same_float32", [[[1], [2, 3]]], None),
    ("same_float32", ["1"], None),
    ("same_float32", [1e39], None),
    ("same_float32", [None], None),
    ("same_float32", [], []),
    ("same_int32", np.array([[1, 2]]), [[1, 2]]),
    ("same_int32", [1.5], None),
    ("same_int32", [2**31], None),
    ("same_uint8", np.array([[0, 255]]), [[0, 255]]),
    ("same_uint8", [256], None),
    ("same_bool", np.array([True]), [True]),
    ("same_string", ["a", b"b", np.str_("c"), np.bytes_(b"d"), bytearray(b"e")], ["a", "b", "c", "d", "e"]),
    ("same_string", np.array(["ab", "c"]), ["ab", "c"]),
    ("same_string", np.array([b"ab", b"c"]), ["ab", "c"]),
    ("same_string", np.array(["ab", b"c"], object), ["ab", "c"]),
    ("same_string", [["a", "b"], ["c"]], [["a", "b"], ["c"]]),
    ("same_string", tf.constant(["a"]), ["a"]),
    ("same_string", [{"b64": "Yg=="}], ["b"]),
    ("same_string", ["\ud800"], None),
    ("same_string", [3], None),
]


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
@pytest.mark.parametrize(("signature", "inputs", "expected"), TAKEN, ids=lambda value: str(value)[:30].replace("\n", " "))
def test_clients_take_lists_arrays_and_tensors_and_answer_alike(running, kind, signature, inputs, expected):
    with kind(running.rest if kind is zoo.Client else running.grpc, retry_for=0) as client:
        if expected is None:
            with pytest.raises(ZooError):
                client.predict(NAME, inputs, signature=signature)
        else:
            assert [row["y"] for row in client.predict(NAME, inputs, signature=signature)] == expected


@pytest.fixture(scope="module")
def loaded(base):
    return zoo.load(base, trusted=True)


@pytest.mark.parametrize(("signature", "inputs", "expected"), TAKEN, ids=lambda value: str(value)[:30].replace("\n", " "))
def test_a_loaded_model_takes_what_clients_take(loaded, signature, inputs, expected):
    if expected is None:
        with pytest.raises(ZooError, match="Input"):
            loaded.predict(inputs, signature=signature)
    else:
        answers = loaded.predict(inputs, signature=signature, batch_size=1)  # rows of different lengths
        assert [row["y"] for row in answers] == expected


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
def test_clients_keep_every_row_and_say_what_has_none(running, kind):
    with kind(running.rest if kind is zoo.Client else running.grpc, retry_for=0) as client:
        assert client.predict(NAME, PAIR, signature="pair") == [{"sum": 3, "x": 1}, {"sum": 7, "x": 3}]
        assert client.predict(NAME, [1, 2], signature="twice") == [{"y": 1}, {"y": 2}, {"y": 1}, {"y": 2}]
        assert client.predict(NAME, [b"\xff", b"a"], signature="bytes") == [{"y_bytes": b"\xff"}, {"y_bytes": b"a"}]
        assert client.predict(NAME, [*range(5)], signature="same_float32", batch_size=2) == [{"y": n} for n in range(5)]
        for signature in ("unequal", "total"):
            with pytest.raises(ZooError, match=r"Tensor name|not one row each"):
                client.predict(NAME, [1, 2], signature=signature)
        for wrong in ({"batch_size": -1}, {"batch_size": 0}, {"version": -1}, {"version": "1"}, {"version": 2**63}):
            with pytest.raises(ZooError, match="whole number"):
                client.predict(NAME, [1], signature="same_float32", **wrong)
        with pytest.raises(ZooError, match="name of a model"):
            client.predict("", [1])
        with pytest.raises(ZooError, match="a list with one item per example"):
            client.predict(NAME, np.array(3))


def test_grpc_carries_what_json_does_not(running):
    with zoo.GrpcClient(running.grpc, retry_for=0) as client:
        for dtype, value in (("float16", 0.5), ("bfloat16", 0.5), ("complex64", 1 + 2j)):
            assert client.predict(NAME, [value], signature=f"same_{dtype}") == [{"y": value}]
    with zoo.Client(running.rest, retry_for=0) as client, pytest.raises(ZooError, match="GrpcClient carries it"):
        client.predict(NAME, np.complex64([1j]), signature="same_complex64")
