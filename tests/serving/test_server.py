"""The local server's own affairs: versions, limits, overload, shutdown, and requests that are none."""

import argparse
import contextlib
import gzip
import json
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests
import tensorflow as tf
from served import ask, save
from waiting import wait_for

import zoo
from zoo import cli
from zoo.errors import ZooError
from zoo.serving import errors, options, protocol
from zoo.serving import server as serving
from zoo.serving.models import ModelConfig, read_config
from zoo.serving.options import Batching


def add_version(base, source, number):
    part = base / f".{number}"
    shutil.copytree(source, part)
    part.rename(base / str(number))


def states(running, name="model"):
    reply = requests.get(f"http://{running.rest}/v1/models/{name}", timeout=30).json()
    return {int(one["version"]): one["state"] for one in reply["model_version_status"]}


def test_a_new_version_is_picked_up_and_the_old_one_dropped(serve, base, saved):
    running = serve({"model": base})
    assert ask(running, [3]).json() == {"predictions": [3.0]}
    add_version(base, saved / "2", 2)
    running(running.server.service.models.refresh())
    assert ask(running, [3]).json() == {"predictions": [6.0]}
    assert ask(running, [3], rest="/versions/1:predict").status_code == 404
    assert states(running) == {2: "AVAILABLE", 1: "END"}


def test_new_versions_are_looked_for(serve, base, saved):
    running = serve({"model": base}, poll_seconds=0.05)
    add_version(base, saved / "2", 2)
    wait_for(lambda: ask(running, [3]).json() == {"predictions": [6.0]})


def test_a_broken_new_version_leaves_the_old_one(serve, base, saved):
    running = serve({"model": base})
    (base / "2").mkdir()
    (base / "2" / "saved_model.pb").write_bytes(b"broken")
    running(running.server.service.models.refresh())
    assert ask(running, [3]).json() == {"predictions": [3.0]}
    assert states(running) == {2: "END", 1: "AVAILABLE"}
    shutil.rmtree(base / "2")
    add_version(base, saved / "2", 2)  # mended
    running(running.server.service.models.refresh())
    assert ask(running, [3]).json() == {"predictions": [6.0]}


def test_a_version_is_dropped_after_its_last_request(serve, saved, tmp_path):
    base = tmp_path / "model"
    base.mkdir()
    save(base / "1", 1.0, pause=0.5)
    running = serve({"model": base})
    replies = []
    slow = threading.Thread(target=lambda: replies.append(ask(running, [3]).json()))
    slow.start()
    wait_for(running.server.service.models.find("model").is_used)
    add_version(base, saved / "2", 2)
    running(running.server.service.models.refresh())
    assert ask(running, [3]).json() == {"predictions": [6.0]}
    slow.join()
    assert replies == [{"predictions": [3.0]}]


def test_labels_and_versions_by_tensorflow_servings_config(serve, base, saved, tmp_path):
    add_version(base, saved / "2", 2)
    (tmp_path / "models.config").write_text("""
        model_config_list { config {
          name: "model" base_path: "model" model_platform: "tensorflow"
          model_version_policy { specific { versions: 1 versions: 2 } }
          version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }
        } }""")
    (config,) = read_config(tmp_path / "models.config")
    assert config == ModelConfig("model", base, 1, (1, 2), {"stable": 1, "canary": 2})
    running = serve([config])
    assert ask(running, [3], rest="/labels/stable:predict").json() == {"predictions": [3.0]}
    assert ask(running, [3], rest="/labels/canary:predict").json() == {"predictions": [6.0]}
    assert ask(running, [3], rest="/labels/other:predict").status_code == 400


@pytest.mark.parametrize("text", ["", "nonsense {", "model_config_list { }"])
def test_a_config_that_says_nothing_is_refused(text, tmp_path):
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(ZooError, match=r"models\.config"):
        read_config(tmp_path / "models.config")


def test_one_bad_row_fails_alone_in_a_batch(serve, base):
    running = serve({"model": base}, batching=Batching(batch_timeout=0.2, num_batch_threads=1))
    replies = {}

    def call(value):
        replies[value] = ask(running, [value])

    threads = [threading.Thread(target=call, args=(value,)) for value in (1.0, -1.0, 2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {value: reply.status_code for value, reply in replies.items()} == {1.0: 200, -1.0: 400, 2.0: 200, 3.0: 200}
    assert "must not be negative" in replies[-1.0].json()["error"]
    assert replies[3.0].json() == {"predictions": [3.0]}


def test_overload_is_refused_at_once_and_counted(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=0.5)
    running = serve({"model": tmp_path / "model"}, batching=Batching(1, num_batch_threads=1, max_enqueued_rows=2))
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(ask(running, [1.0]))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(reply.status_code for reply in replies)
    assert codes.count(429) >= 2
    assert set(codes) == {200, 429}
    (refused, *_) = (reply for reply in replies if reply.status_code == 429)
    assert refused.headers["Retry-After"] == "1"
    metrics = requests.get(f"http://{running.rest}/metrics", timeout=30).text
    assert 'request_count{model_name="model",status="RESOURCE_EXHAUSTED"}' in metrics
    with zoo.Client(running.rest) as client:  # whoever comes back is served
        assert client.predict("model", [1.0]) == [{"y": 1.0}]


def test_a_deadline_is_kept(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=1.0)
    running = serve({"model": tmp_path / "model"}, timeout=0.3)
    assert ask(running, [1.0]).status_code == 504
    with zoo.GrpcClient(running.grpc, timeout=0.2) as client, pytest.raises(errors.DeadlineExceeded):
        client.predict("model", [1.0])


def test_a_computation_ends_when_nobody_waits_for_it(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=300.0)
    running = serve({"model": tmp_path / "model"}, timeout=0.3)
    assert ask(running, [1.0]).status_code == 504
    (batcher,) = running.server.service.models.find("model")._batchers.values()
    wait_for(lambda: not batcher._running)  # its thread is free
    with zoo.GrpcClient(running.grpc, timeout=0.2, retry_for=0) as client, pytest.raises(errors.DeadlineExceeded):
        client.predict("model", [1.0])
    wait_for(lambda: not batcher._running)


def series(shape, dtype=1, **values):
    """A gRPC call of a few bytes that stands for a value of any shape."""
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "model"
    tensor = request.inputs["x"]
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for name, value in values.items():
        getattr(tensor, name).append(value)
    return request


@pytest.mark.parametrize(
    "shape, dtype, values",
    [
        ([1, 1_200_000, 2], 1, {"float_val": 0.5}),
        ([1_200_000], 1, {"float_val": 0.5}),
        ([512, 2**20, 2], 1, {"float_val": 0.5}),
        ([2**62, 4], 1, {"float_val": 0.5}),
        ([2**32, 2**32], 1, {}),
        ([-1, 5], 1, {"float_val": 0.5}),
        ([1, 2**24], 7, {"string_val": b"a"}),
        ([1, 2**40], 7, {}),
    ],
)
def test_a_few_bytes_that_stand_for_a_large_value_are_refused(serve, tmp_path, shape, dtype, values):
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    type_ = tf.float32 if dtype == 1 else tf.string

    @tf.function(input_signature=[tf.TensorSpec(None, type_, name="x")])
    def same(x):
        return {"y": x}

    module = tf.Module()
    module.same = same
    tf.saved_model.save(module, str(tmp_path / "model" / "1"), signatures=same)
    running, before = serve({"model": tmp_path / "model"}), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with grpc.insecure_channel(running.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(series(shape, dtype, **values), timeout=60)
    assert caught.value.code().name == "INVALID_ARGUMENT"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= before + 30_000  # kilobytes


def test_grpc_calls_at_shutdown_are_answered_or_unavailable(serve, tmp_path):
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=0.2)
    running = serve({"model": tmp_path / "model"})
    codes, started = [], threading.Event()

    def client():
        with grpc.insecure_channel(running.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while True:
                try:
                    stub.Predict(series([1], float_val=1.0), timeout=60)
                    codes.append("OK")
                    started.set()
                except grpc.RpcError as error:
                    codes.append(error.code().name)
                    return

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    started.wait(60)
    running.stop()
    for thread in threads:
        thread.join()
    assert set(codes) == {"OK", "UNAVAILABLE"}


def test_shutting_down_answers_what_has_arrived(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=1.0)
    running = serve({"model": tmp_path / "model"})
    replies = []
    slow = threading.Thread(target=lambda: replies.append(ask(running, [5.0]).json()))
    slow.start()
    wait_for(running.server.service.models.find("model").is_used)
    running.stop()
    slow.join()
    assert replies == [{"predictions": [5.0]}]
    with zoo.Client(running.rest, retry_for=0) as client, pytest.raises(errors.Unavailable):
        client.predict("model", [1.0])


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve, base):
    running = serve({"model": base}, max_body=100_000)
    assert ask(running, [1.0] * 100).status_code == 200
    reply = ask(running, [1.0] * 100_000)
    assert (reply.status_code, set(reply.json())) == (413, {"error"})

    def chunks():
        for _ in range(1000):
            yield b"1" * 1000

    reply = requests.post(f"http://{running.rest}/v1/models/model:predict", data=chunks(), timeout=30)  # of no known length
    assert reply.status_code == 413
    assert ask(running, [1.0]).status_code == 200


def test_a_slow_client_is_not_waited_for(serve, base):
    running = serve({"model": base}, body_timeout=0.3)
    host, port = running.rest.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/models/model:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert b" 408 " in connection.recv(1000).splitlines()[0]
    assert ask(running, [1.0]).status_code == 200


def test_a_silent_connection_and_slow_or_endless_headers_are_ended(serve, base, monkeypatch):
    monkeypatch.setattr(protocol, "HEADERS_TIME", 0.3)
    running = serve({"model": base}, max_connections=3)
    address = running.rest.split(":")
    for sent in (b"", b"POST /v1/models/mo", b"POST / HTTP/1.1\r\nHost: x\r\nX: "):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(sent)
            assert connection.recv(1000) == b""  # closed
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nX: " + b"x" * 100_000)
        assert b" 431 " in connection.recv(1000)
    silent = [socket.create_connection(address, timeout=10) for _ in range(4)]
    assert b" 503 " in silent[3].recv(1000)
    for connection in silent:
        connection.close()
    wait_for(lambda: ask(running, [1.0]).status_code == 200)


def test_a_body_may_be_compressed_but_not_grow_without_end(serve, base):
    running = serve({"model": base}, max_body=100_000)
    url, headers = f"http://{running.rest}/v1/models/model:predict", {"Content-Encoding": "gzip"}
    body = gzip.compress(b'{"instances": [3.0]}')
    assert requests.post(url, data=body, headers=headers, timeout=30).json() == {"predictions": [3.0]}
    assert requests.post(url, data=gzip.compress(b" " * 10_000_000), headers=headers, timeout=30).status_code == 413
    assert requests.post(url, data=b"no gzip", headers=headers, timeout=30).status_code == 400


def test_what_is_no_http_gets_an_error(serve, base):
    running = serve({"model": base})
    with socket.create_connection(running.rest.split(":"), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b'{"error"' in connection.recv(1000)
    for method, path in (("TRACE", "/v1/models/model"), ("GET", "/v1/models/a%0Ab:predict"), ("GET", "/")):
        request = requests.Request(method, f"http://{running.rest}/").prepare()
        request.url = f"http://{running.rest}{path}"
        reply = requests.Session().send(request, timeout=30)
        assert (reply.status_code in (400, 404), list(reply.json())) == (True, ["error"])


def test_only_what_is_served_can_be_reached(serve, base, saved):
    shutil.copytree(saved / "2", base.parent / "secret" / "1")
    running = serve({"model": base})
    for name in ("secret", "..%2Fsecret", "%2e%2e%2fsecret", "model%2F..%2F..%2Fsecret", "model/../secret"):
        reply = requests.Request("POST", f"http://{running.rest}/v1/models/", data=json.dumps({"instances": [1.0]})).prepare()
        reply.url += f"{name}:predict"
        assert requests.Session().send(reply, timeout=30).status_code in (400, 404)


def test_a_port_that_is_taken_is_said(serve, base):
    running = serve({"model": base})
    with pytest.raises(ZooError, match=r"Cannot listen at .* Give another --port"):
        serve({"model": base}, port=running.server.port)
    with pytest.raises(ZooError, match="Give another --grpc-port"):
        serve({"model": base}, grpc_port=running.server.grpc_port)


def test_a_model_that_cannot_be_served_is_said(serve, tmp_path):
    with pytest.raises(ZooError, match="model cannot be served: there is no version below"):
        serve({"model": tmp_path})
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(ZooError, match="model cannot be served: version 1: "):
        serve({"model": tmp_path})


def test_a_damaged_artefact_is_not_served(serve, tmp_path):
    shutil.copytree(zoo.load("vanishing_gradients").directory, tmp_path / "model" / "1")
    (tmp_path / "model" / "1" / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(ZooError, match=r"version 1: .*saved_model\.pb"):
        serve({"model": tmp_path / "model"})


def noise(random_):
    """A request that is most likely wrong: method, path, headers and body."""
    names = ["model", "nothing", "", "..", "%00", "model/versions/1", "model/versions/99999999999999999999", "model/labels/a"]
    ends = [":predict", ":classify", "/metadata", "", ":", ":predict:predict"]
    path = f"/v1/models/{random_.choice(names)}{random_.choice(ends)}"
    values = [
        1,
        -1,
        "a",
        None,
        True,
        [],
        {},
        [1, [2]],
        float("nan"),
        float("inf"),
        10**400,
        {"b64": "AA=="},
        [[[]]],
        -1e39,
        "\ud800",
    ]
    bodies = [
        lambda: json.dumps(
            {random_.choice(["instances", "inputs", "x"]): random_.choice([*values, random_.sample(values, 3)])}
        ),
        lambda: json.dumps({"signature_name": random_.choice([*values, "nothing"]), "instances": [1.0]}),
        lambda: "[" * random_.choice([10, 100_000]),
        lambda: '{"instances": ' + "[" * (depth := random_.choice([40, 70, 500])) + "]" * depth + "}",
        lambda: '{"instances": [' + ",".join(["1"] * random_.choice([1, 2000])) + random_.choice(["]}", "]", "}"]),
        lambda: random_.randbytes(random_.choice([0, 1, 100])),
        lambda: '{"instances": [1.0]}',
    ]
    return random_.choice(["GET", "POST", "PUT", "DELETE", "HEAD"]), path, random_.choice(bodies)()


def test_a_thousand_senseless_requests_get_an_error_and_harm_nothing(serve, base):
    running, random_ = serve({"model": base}), random.Random(0)
    session = requests.Session()
    codes, before = set(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        method, path, body = noise(random_)
        request = requests.Request(method, f"http://{running.rest}/", data=body).prepare()
        request.url = f"http://{running.rest}{path}"
        reply = session.send(request, timeout=30)
        codes.add(reply.status_code)
        if reply.status_code != 200 and method != "HEAD":
            assert list(reply.json()) == ["error"], (method, path, body)
    assert codes <= {200, 400, 404}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= before + 200_000  # kilobytes
    assert ask(running, [1.0]).json() == {"predictions": [1.0]}


def test_senseless_tensors_get_an_error_and_harm_nothing(serve, base):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    running, random_ = serve({"model": base}), random.Random(0)
    with grpc.insecure_channel(running.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for _ in range(200):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "model"
            tensor = request.inputs["x"]
            tensor.dtype = random_.choice([0, 1, 3, 7, 9, 19, 21, 23])
            for size in random_.choice([[], [1], [-1], [2**40], [2**20, 2**20], [3, 1], [0]]):
                tensor.tensor_shape.dim.add(size=size)
            tensor.tensor_content = random_.randbytes(random_.choice([0, 3, 4, 12]))
            tensor.float_val.extend([1.0] * random_.choice([0, 1, 3]))
            try:
                assert len(stub.Predict(request, timeout=30).outputs) == 1
            except grpc.RpcError as error:
                assert error.code().name == "INVALID_ARGUMENT", (error.details(), request)
    assert ask(running, [1.0]).json() == {"predictions": [1.0]}


@contextlib.contextmanager
def started_by_command(tmp_path, *flags):
    """As a user would: a process, ended by SIGTERM. Gives it and its address."""
    config = tmp_path / "models.config"
    config.write_text('model_config_list { config { name: "model" base_path: "model" } }')
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", "--model-config-file", str(config)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = [process.stdout.readline() for _ in range(2)]
        yield process, said[1].split("http://")[1].split("/")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints


@pytest.mark.parametrize("flags", [(), ("--host", "::1")], ids=["IPv4", "IPv6"])
def test_it_starts_and_stops_by_the_command_line(tmp_path, base, flags):
    if flags and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with started_by_command(tmp_path, *flags) as (_, address), zoo.Client(address) as client:
        assert client.predict("model", [4.0]) == [{"y": 4.0}]


def test_a_computation_without_end_does_not_keep_it(tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=300.0)
    with (
        started_by_command(tmp_path, "--grace", "1") as (_, address),
        zoo.Client(address, timeout=0.5, retry_for=0) as client,
        pytest.raises(errors.DeadlineExceeded),
    ):
        client.predict("model", [4.0])


def test_wrong_options_are_said_before_anything_is_loaded(capsys):
    for flags in (("--poll-seconds", "-1"), ("--grace", "-1"), ("--batch-timeout-ms", "-1"), ("--timeout", "0")):
        with pytest.raises(SystemExit):
            cli.main(["serve", *flags])
        assert flags[0] in capsys.readouterr().err


def test_the_grpc_client_follows_a_version_with_other_inputs(serve, base):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="n")])
    def increase(n):
        return {"z": n + 1}

    running = serve({"model": base})
    with zoo.GrpcClient(running.grpc) as client:
        assert client.predict("model", [3.0]) == [{"y": 3.0}]
        module = tf.Module()
        module.increase = increase
        tf.saved_model.save(module, str(base / ".2"), signatures=increase)
        (base / ".2").rename(base / "2")
        running(running.server.service.models.refresh())
        assert client.predict("model", [3]) == [{"z": 4}]
        with pytest.raises(ZooError, match="not what the signature takes"):
            client.predict("model", ["three"])


def test_flags_become_options_in_the_units_of_the_server():
    parser = argparse.ArgumentParser()
    options.add_flags(parser)
    assert options.from_flags(parser.parse_args([]), ()) == serving.Options(())
    flags = "--batch-timeout-ms 2.5 --max-body-mb 0.5 --max-steps 9 --timeout 3 --port 0 --host ::1"
    given = options.from_flags(parser.parse_args(flags.split()), ())
    assert given.batching == Batching(batch_timeout=0.0025, max_steps=9)
    assert (given.max_body, given.timeout, given.port, given.host) == (2**19, 3.0, 0, "::1")
    for one in ("--timeout 0", "--timeout nan", "--grace -1", "--max-batch-size 0", "--max-batch-size 1.5"):
        with pytest.raises(SystemExit):
            parser.parse_args(one.split())


def test_options_of_a_server_are_this_machine_only():
    assert serving.Options(()).host == "127.0.0.1"
