"""What travels below the API: HTTP as clients, proxies and attackers write it."""

import contextlib
import json
import re
import signal
import socket
import threading

import pytest
import requests
from served import ask, save
from waiting import wait_for

from zoo.serving import protocol
from zoo.serving.batching import Batching

BODY = b'{"instances": [3.0]}'
RIGHT = b'{"predictions": [3.0]}'
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
EVIL = b"GET /v1/models/evil HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*headers, body=BODY, target=b"/v1/models/model:predict", length=True):
    """A request, without its body."""
    lines = [b"POST " + target + b" HTTP/1.1\r\nHost: x\r\n", *headers]
    return b"".join(lines) + (b"Content-Length: %d\r\n" % len(body) if length else b"") + b"\r\n"


@contextlib.contextmanager
def connected(running):
    with socket.create_connection(running.rest.split(":"), timeout=60) as connection:
        yield connection


def replies(running, *parts, end=True):
    """(code, body) of each reply to parts that are sent one by one; the server sees each on its own."""
    with connected(running) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            wait_for(lambda: not unread(connection))
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    return [
        (int(code), body) for code, body in re.findall(rb"HTTP/1.1 (\d+) .*?\r\n\r\n([^\r]*?)(?=HTTP/1.1|$)", received, re.S)
    ]


def unread(connection):
    """Bytes that the other side has not acknowledged."""
    import fcntl
    import struct
    import termios

    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


@pytest.fixture
def running(serve, base):
    return serve({"model": base})


@pytest.mark.parametrize(
    "headers",
    [
        UPGRADE,
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n",
        b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
        b"Upgrade: h2c\r\n",
    ],
    ids=["Java and curl", "h2c", "WebSocket", "TLS", "without Connection"],
)
def test_an_upgrade_that_is_asked_for_is_ignored(running, headers):
    assert replies(running, post(headers) + BODY) == [(200, RIGHT)]
    assert replies(running, post(headers), BODY) == [(200, RIGHT)]
    chunked = post(headers, b"Transfer-Encoding: chunked\r\n", length=False)
    assert replies(running, chunked, b"%x\r\n%b\r\n" % (len(BODY), BODY), b"0\r\n\r\n") == [(200, RIGHT)]
    (reply,) = replies(running, post(headers, body=EVIL), EVIL)  # a body is never run as a request
    assert reply[0] == 400
    assert b"JSON Parse error" in reply[1]


def test_a_request_may_be_written_in_other_ways(running):
    assert replies(running, post(target=b"http://any.host:80/v1/models/model:predict") + BODY) == [(200, RIGHT)]
    assert replies(running, post(target=b"/v1/models/%6Dodel%3Apredict") + BODY) == [(200, RIGHT)]
    assert replies(running, post(b"Connection: close\r\n") + BODY, end=False) == [(200, RIGHT)]
    assert replies(running, post().replace(b"HTTP/1.1", b"HTTP/1.0") + BODY, end=False) == [(200, RIGHT)]
    with connected(running) as connection:
        connection.sendall(post(b"Expect: 100-continue\r\n"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    with connected(running) as connection:  # what is refused is not sent for nothing
        connection.sendall(post(b"Expect: 100-continue\r\n", target=b"/v1/models/other:predict"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")
    get = b"GET /v1/models/model HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    assert [code for code, _ in replies(running, get + get)] == [200, 200]


def test_head_has_the_headers_of_get(running):
    url = f"http://{running.rest}/v1/models/model"
    get, head = requests.get(url, timeout=60), requests.head(url, timeout=60)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert requests.options(url, timeout=60).status_code == 400


def test_a_body_of_two_lengths_is_refused_and_nothing_behind_it_is_run(running):
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    both = post(b"Transfer-Encoding: chunked\r\n", body=chunked)
    assert [code for code, _ in replies(running, both + chunked + EVIL)] == [400]
    twice = post(b"Content-Length: 3\r\n")
    assert [code for code, _ in replies(running, twice + BODY + EVIL)] == [400]


@pytest.mark.parametrize("parts, count", [((post() + BODY,), 1), ((post(), BODY), 1), ((2 * (post() + BODY),), 2)])
def test_a_client_may_end_its_half_of_the_connection(serve, tmp_path, parts, count):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=0.1)
    running = serve({"model": tmp_path / "model"})
    assert replies(running, *parts) == [(200, RIGHT)] * count
    with connected(running) as connection:  # half of a request is none
        connection.sendall(post() + BODY[:5])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    wait_for(lambda: not running.server._rest.server_state.connections)


def test_headers_are_bounded_while_a_request_is_answered(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=300.0)
    running = serve({"model": tmp_path / "model"}, grace=0)
    with connected(running) as connection:
        connection.sendall(post() + BODY + b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        connection.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):  # it is not read any more; the rest is in the buffers of both sides
            while sent < 2**26:
                sent += connection.send(b"x" * 2**16)
        assert sent < 2**26
        (held,) = running.server._rest.server_state.connections
        assert len(held.conn.trailing_data[0]) < 2**20


def test_a_client_that_does_not_read_is_not_waited_for(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "KEEP_ALIVE", 0.2)
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0)
    running = serve({"model": tmp_path / "model"}, batching=Batching(max_enqueued_rows=200_000))
    body = json.dumps({"instances": [0.123456789] * 200_000}).encode()
    with connected(running) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connections = running.server._rest.server_state.connections
        for _ in range(3):
            connection.sendall(post(body=body) + body)
        wait_for(lambda: not connections)


def test_a_half_closed_connection_is_answered_at_shutdown_too(serve, tmp_path):
    (tmp_path / "model").mkdir()
    save(tmp_path / "model" / "1", 1.0, pause=0.5)
    running = serve({"model": tmp_path / "model"})
    with connected(running) as connection:
        connection.sendall(post() + BODY)
        connection.shutdown(socket.SHUT_WR)
        wait_for(running.server.service.models.find("model").is_used)
        running.stop()
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_large_bodies_and_answers_go_through_another_process(serve, base):
    running = serve({"model": base}, batching=Batching(max_enqueued_rows=100_000))
    reader = running.server._app._reader
    values = [round(0.001 * index, 3) for index in range(100_000)]
    assert ask(running, values).json() == {"predictions": values}
    process = reader._process
    assert process.poll() is None
    url = f"http://{running.rest}/v1/models/model:predict"
    for body, said in (
        (b'{"instances": [' + b"1," * 100_000, "JSON Parse error"),
        (b'{"instances": ' + b"[" * 100_000, "JSON Parse error"),
        (b'{"instances": [' + b"NaN, " * 100_000 + b'"a"]}', "not of expected type"),
        (b'{"instances": [' + b"1, " * 100_000 + b"1]}", "at most 100000 are taken"),
        (b'{"signature_name": "x", "instances": [' + b"1, " * 50_000 + b"1]}", 'name: "x" not found'),
    ):
        reply = requests.post(url, data=body, timeout=60)
        assert (reply.status_code, said in reply.json()["error"]) == (400, True), reply.text
    assert ask(running, [float("inf")] * 30_000).status_code == 200
    assert reader._process is process
    process.send_signal(signal.SIGKILL)  # as for want of memory
    process.wait()
    assert ask(running, values).status_code == 503
    assert ask(running, values).json() == {"predictions": values}
    assert reader._process is not process


def test_the_process_that_reads_ends_with_the_server(serve, base):
    running = serve({"model": base}, batching=Batching(max_enqueued_rows=100_000))
    ask(running, [1.0] * 50_000)
    process = running.server._app._reader._process
    running.stop()
    wait_for(lambda: process.poll() is not None)


def test_others_are_answered_while_a_large_body_is_read(serve, base, monkeypatch):
    running = serve({"model": base}, batching=Batching(max_enqueued_rows=100_000))
    held, arrived = threading.Event(), threading.Event()
    reader = running.server._app._reader
    call = reader._ask

    def wait(*args):
        arrived.set()
        held.wait(60)
        return call(*args)

    monkeypatch.setattr(reader, "_ask", wait)
    answers = []
    large = threading.Thread(target=lambda: answers.append(ask(running, [1.0] * 50_000).status_code))
    large.start()
    arrived.wait(60)
    assert ask(running, [1.0]).json() == {"predictions": [1.0]}
    held.set()
    large.join()
    assert answers == [200]
