"""What one client may have over HTTP, and how long it may take: stock clients, and sockets that send slowly."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from caffe_sdk.server import Limits, Options, RunningServer, start
from caffe_sdk.server.http import door
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import HOSTED, Gate, put, register
from tests.waiting import until

INFER = "/v2/models/m/infer"
CAMERA = {"Authorization": "Bearer only-looks-12"}
OTHER = {"Authorization": "Bearer looks-as-well"}
BODY = json.dumps({"inputs": [{"name": "data", "datatype": "FP32", "shape": [1, 2], "data": [1, 1]}]}).encode()


@contextlib.contextmanager
def serving(root: Path, limits: Limits, max_message: int = 1 << 20) -> Iterator[RunningServer]:
    """A server of the model "m" that knows two clients."""
    put(root / "models", "m", text=HOSTED, warm_up=False)
    (root / "tokens").write_text("camera infer only-looks-12\nother infer looks-as-well\n")
    options = Options(
        "127.0.0.1:0",
        http="127.0.0.1:0",
        models=str(root / "models"),
        tokens=str(root / "tokens"),
        max_message=max_message,
        limits=limits,
        grace=0,
    )
    with start(options) as server:
        yield wait_until_ready(server)


@pytest.fixture(autouse=True)
def layers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models that are held up until `Gate.let_through` is set."""
    register(monkeypatch)
    yield
    Gate.let_through.set()


def address(server: RunningServer) -> str:
    return server.doors[0].address.removeprefix("http://")


def infer(server: RunningServer, headers: dict[str, str]) -> list[list[float]]:
    """The stock client's answer."""
    tensor = triton.InferInput("data", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 2), np.float32))
    with triton.InferenceServerClient(address(server)) as client:
        answer: list[list[float]] = client.infer("m", [tensor], headers=dict(headers)).as_numpy("out").tolist()
        return answer


def ask(server: RunningServer, body: bytes | Iterator[bytes] = BODY, **headers: str) -> http.client.HTTPResponse:
    """The answer to a request of http.client's."""
    connection = http.client.HTTPConnection(address(server), timeout=30)
    connection.request("POST", INFER, body, CAMERA | headers)
    with contextlib.closing(connection), connection.getresponse() as response:
        response.words = response.read().decode()  # type: ignore[attr-defined]
        return response


@contextlib.contextmanager
def connected(server: RunningServer, sent: str = "") -> Iterator[socket.socket]:
    """A connection on which something was sent."""
    host, _, port = address(server).rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(sent.encode())
        yield connection


def head(length: int) -> str:
    """A request without its body."""
    lines = (f"POST {INFER} HTTP/1.1", f"Authorization: {CAMERA['Authorization']}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "Host: x", "", ""))


@contextlib.contextmanager
def trickling(connection: socket.socket) -> Iterator[None]:
    """A byte every few milliseconds, until the other side has enough."""
    over = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.01):
                connection.sendall(b"x")

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def closed(connection: socket.socket) -> bool:
    """Whether the server closes a connection, without a word."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(100) == b""
    return True


def test_requests_at_a_time(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(requests=2)) as server:
        Gate.let_through.clear()
        answers: list[list[list[float]]] = []
        under_way = [threading.Thread(target=lambda: answers.append(infer(server, CAMERA))) for _ in range(2)]
        for each in under_way:
            each.start()
        assert server.backend.repository is not None
        statistics = server.backend.repository.get("m").statistics
        until(lambda: statistics.snapshot().pending == 2)
        with pytest.raises(InferenceServerException, match="2 requests to models are under way; wait") as caught:
            infer(server, CAMERA)
        assert caught.value.status() == "429"
        refused = ask(server)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        other = threading.Thread(target=lambda: answers.append(infer(server, OTHER)))
        other.start()
        until(lambda: statistics.snapshot().pending == 3)
        Gate.let_through.set()
        for each in (*under_way, other):
            each.join(30)
        assert answers == [[[2, 2]]] * 3
        assert infer(server, CAMERA) == [[2, 2]]


def test_the_bytes_of_requests(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(memory=1000)) as server:
        assert ask(server).status == 200
        with connected(server, head(900)) as slow:
            until(lambda: ask(server, BODY + b" " * 100).status == 429)
            assert infer(server, OTHER) == [[2, 2]]
            slow.sendall(BODY + b" " * (900 - len(BODY)))
            assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert ask(server, BODY + b" " * 100).status == 200
        for body in (b" " * 1001, iter([b" " * 600, b" " * 600])):
            refused = ask(server, body)
            assert refused.status == 429
            assert "of 1000 that one client may have" in refused.words  # type: ignore[attr-defined]


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(), max_message=1000) as server, connected(server, head(1001)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_request_has_its_time(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(call_seconds=0.1)) as server:
        Gate.let_through.clear()
        with pytest.raises(InferenceServerException, match=r"request: took more than 0\.1 s") as caught:
            infer(server, CAMERA)
        assert caught.value.status() == "504"
        Gate.let_through.set()
        assert infer(server, CAMERA) == [[2, 2]]


def test_a_model_that_is_not_there_may_be_later(tmp_path: Path) -> None:
    with serving(tmp_path, Limits()) as server:
        assert server.backend.repository is not None
        server.backend.repository.unload("m")
        refused = ask(server)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")


def test_a_body_that_trickles_in_is_given_up(tmp_path: Path) -> None:
    with (
        serving(tmp_path, Limits(receive_seconds=0.2)) as server,
        connected(server, head(100_000)) as slow,
        trickling(slow),
    ):
        assert infer(server, CAMERA) == [[2, 2]]
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_headers_that_trickle_in_end_their_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "FIRST_SECONDS", 0.3)
    with (
        serving(tmp_path, Limits()) as server,
        connected(server, f"POST {INFER} HTTP/1.1\r\nX: ") as slow,
        connected(server) as silent,
        trickling(slow),
    ):
        assert infer(server, CAMERA) == [[2, 2]]
        assert closed(slow)
        assert closed(silent)


def test_who_has_asked_may_ask_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(door, "IDLE_SECONDS", 0.5)
    live = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(tmp_path, Limits()) as server, connected(server, live) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.2)
        connection.sendall(live.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        with trickling(connection):
            assert closed(connection)


def test_connections_that_ask_nothing_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_IDLE", 8)
    with serving(tmp_path, Limits()) as server, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(server)) for _ in range(30)]
        assert infer(server, CAMERA) == [[2, 2]]
        assert all(closed(each) for each in silent[:20])
        silent[-1].sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert silent[-1].recv(1000).startswith(b"HTTP/1.1 200 ")


def test_connections_that_came_and_went_count_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_IDLE", 8)
    live = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(tmp_path, Limits()) as server, connected(server, live) as kept:
        assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):
            with connected(server, live) as short:
                assert short.recv(1000).startswith(b"HTTP/1.1 200 ")
        kept.sendall(live.encode())
        assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
