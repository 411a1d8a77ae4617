"""The clients: what they do when the server is not there, overloaded, or killed."""

import http.server
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest
from waiting import wait_for

import zoo
from zoo.errors import ZooError
from zoo.serving import errors

NAME = "vanishing_gradients"


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
def test_no_server_is_said(kind):
    address = f"127.0.0.1:{free_port()}"
    with kind(address, retry_for=0) as client, pytest.raises(errors.Unavailable):
        client.predict(NAME, [[[1.0, 1.0]]])


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("nothing", ["a"]), {}, errors.NotFound, "nothing"),
        ((NAME, [[[1.0]]]), {}, errors.InvalidArgument, "shape"),
        ((NAME, [[[1.0, 1.0]]]), {"signature": "nothing"}, errors.InvalidArgument, "nothing"),
        ((NAME, [[[1.0, 1.0]]]), {"version": 987}, errors.NotFound, "987"),
        ((NAME, [[[1.0, 1.0]]]), {"label": "nothing"}, errors.InvalidArgument, "nothing"),
        ((NAME, [{"other": [[1.0, 1.0]]}]), {}, ZooError, "other|series"),
        ((NAME, "text"), {}, ZooError, "a list with one item per example"),
        ((NAME, [[[1.0, 1.0]]]), {"version": 1, "label": "stable"}, ZooError, "not both"),
    ],
    ids=["model", "shape", "signature", "version", "label", "name", "no_list", "both"],
)
def test_what_is_wrong_is_said_by_kind(address, kind, arguments, options, error, message):
    where = address.rest if kind is zoo.Client else address.grpc
    with kind(where, retry_for=0) as client, pytest.raises(error, match=message):
        client.predict(*arguments, **options)


def test_an_address_that_is_none_is_said():
    with pytest.raises(ZooError, match="HOST:PORT"):
        zoo.Client("ftp://somewhere")


class HalfWay(http.server.BaseHTTPRequestHandler):
    """Ends in the middle of its first reply."""

    whole = False

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = b'{"predictions": [{"y": 1.0}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if self.whole else content[:10])
        type(self).whole, self.close_connection = True, True

    def log_message(self, *_):
        pass


class Reluctant(http.server.BaseHTTPRequestHandler):
    """Refuses twice, then answers."""

    left = 2

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).left -= 1
        body = {"error": "busy"} if self.left >= 0 else {"predictions": [{"y": 1.0}]}
        content = json.dumps(body).encode()
        self.send_response(429 if self.left >= 0 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("handler", [Reluctant, HalfWay])
def test_who_is_refused_or_cut_off_comes_back(handler):
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with zoo.Client(f"127.0.0.1:{server.server_port}") as client:
        assert client.predict("model", [1.0]) == [{"y": 1.0}]
    server.shutdown()
    server.server_close()


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers anything with one reply, as a proxy may."""

    status, content = 200, b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_):
        pass


ODD = [
    (200, b"<html>Sign in</html>", errors.ServingError, 200),
    (200, b"[1]", errors.ServingError, 500),
    (200, b"null", errors.ServingError, 500),
    (200, b'{"status": "ok"}', errors.ServingError, 500),
    (200, b'{"predictions": 3}', errors.ServingError, 500),
    (200, b'{"predictions": [1.0]}', errors.ServingError, 500),  # whose only output is not said anywhere
    (404, b"not found", errors.NotFound, 404),
    (401, b'{"message": "who are you?"}', errors.InvalidArgument, 401),
    (502, b"<html>Bad gateway</html>", errors.Unavailable, 502),
    (503, b'"busy"', errors.Unavailable, 503),
    (500, b"\xff\xfe", errors.ServingError, 500),
]


@pytest.mark.parametrize(("status", "content", "error", "http_status"), ODD, ids=lambda value: str(value)[:30])
def test_what_answers_but_is_no_server_is_said(status, content, error, http_status):
    handler = type("Handler", (Odd,), {"status": status, "content": content})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with zoo.Client(f"127.0.0.1:{server.server_port}", retry_for=0) as client, pytest.raises(error) as caught:
        client.predict("model", [1.0])
    assert isinstance(caught.value, ZooError)
    assert caught.value.http == http_status
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", [zoo.Client, zoo.GrpcClient])
def test_a_server_that_says_nothing_is_not_waited_for(kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = kind(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.2, retry_for=0)
        with client, pytest.raises((errors.DeadlineExceeded, errors.Unavailable)):
            client.predict("model", [1.0])


def test_a_client_that_is_closed_says_so():
    client = zoo.GrpcClient("127.0.0.1:1")
    client.close()
    with pytest.raises(ZooError, match="closed"):
        client.predict("model", [1.0])


def test_a_server_that_is_killed_loses_nothing(tmp_path):
    """Clients that retry get every answer over kill -9 and a new start."""
    shutil.copytree(zoo.load(NAME).directory, tmp_path / NAME / "1")
    (tmp_path / "models.config").write_text(f'model_config_list {{ config {{ name: "{NAME}" base_path: "{NAME}" }} }}')
    ports = free_port(), free_port()
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "serve"]
    command += ["--model-config-file", str(tmp_path / "models.config"), "--port", str(ports[0]), "--grpc-port", str(ports[1])]

    def start():
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    answers, ended = [], threading.Event()

    def ask(kind, port):
        with kind(f"127.0.0.1:{port}", retry_for=60) as client:
            while not ended.is_set():
                answers.append(client.predict(NAME, [[[1.0, 1.0], [0.5, 1.0]]]))

    process = start()
    kinds = zip((zoo.Client, zoo.GrpcClient), ports, strict=True)
    clients = [threading.Thread(target=ask, args=pair) for pair in kinds for _ in range(2)]
    try:
        for client in clients:
            client.start()
        wait_for(lambda: len(answers) > 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = len(answers)
        process = start()
        wait_for(lambda: len(answers) > before + 20)
    finally:
        ended.set()
        for client in clients:
            client.join()
        process.kill()
        process.wait()
    values = [value for (answer,) in answers for value in answer["value"]]
    assert values == pytest.approx([values[0]] * len(answers), abs=1e-5)
