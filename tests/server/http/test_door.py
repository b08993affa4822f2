"""The HTTP door as curl sees it: bodies, headers, statuses, rights, and an end in order."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError, BridgeError
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.http import door
from tests.server.squeezenet import SqueezeNet, wait_until_ready
from tests.serving.models import put
from tests.waiting import until

INFER = "/v2/models/squeezenet/infer"
SMALL = "/v2/models/small/infer"
ZEROS = {"name": "data", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0] * 192}


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.data = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def ask(server: RunningServer, method: str, path: str, data: bytes | object = b"", **headers: str) -> Reply:
    """One request; what is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection(server.doors[0].address.removeprefix("http://"), timeout=60)
    sent = data if isinstance(data, bytes) else json.dumps(data).encode()
    connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        return Reply(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of a small model that knows two clients."""
    folder = tmp_path_factory.mktemp("small")
    put(folder / "models")
    tokens = folder / "tokens"
    tokens.write_text("camera infer only-looks-12\noperator admin may-all-things\n")
    options = Options(
        "127.0.0.1:0",
        http="127.0.0.1:0",
        models=str(folder / "models"),
        tokens=str(tokens),
        max_message=1 << 20,
        grace=0,
    )
    with start(options) as server:
        yield wait_until_ready(server)


def test_an_encoded_image_as_the_whole_body(squeezenet_server: RunningServer, squeezenet: SqueezeNet) -> None:
    path = f"{INFER}?classification=3"
    reply = ask(squeezenet_server, "POST", path, squeezenet.image, Inference_Header_Content_Length="0")
    (output,) = reply.json["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 3])
    assert output["data"][0].endswith("kit fox, Vulpes macrotis")


def test_numbers_as_the_whole_body(squeezenet_server: RunningServer, squeezenet: SqueezeNet) -> None:
    data = squeezenet.input.tobytes()
    reply = ask(squeezenet_server, "POST", INFER, data, Inference_Header_Content_Length="0")
    got = np.array(reply.json["outputs"][0]["data"], np.float32).reshape(1, 1000, 1, 1)
    np.testing.assert_array_equal(got, squeezenet.forward(squeezenet.input))


def test_json_and_bytes_in_one_body(squeezenet_server: RunningServer, squeezenet: SqueezeNet) -> None:
    behind = struct.pack("<I", len(squeezenet.image)) + squeezenet.image
    head = json.dumps(
        {
            "id": "x",
            "inputs": [
                {"name": "data", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(behind)}}
            ],
            "outputs": [
                {"name": "prob", "parameters": {"binary_data": True}},
                {"name": "prob", "parameters": {"classification": 1}},
            ],
        }
    ).encode()
    reply = ask(squeezenet_server, "POST", INFER, head + behind, Inference_Header_Content_Length=str(len(head)))
    assert reply.headers["Content-Type"] == "application/octet-stream"
    length = int(reply.headers["Inference-Header-Content-Length"])
    answer = json.loads(reply.data[:length])
    assert answer["id"] == "x"
    numbers, classes = answer["outputs"]
    assert numbers["parameters"] == {"binary_data_size": 4000}
    got = np.frombuffer(reply.data[length:], np.float32)
    np.testing.assert_array_equal(got, squeezenet.forward(squeezenet.input).reshape(-1))
    assert classes["data"][0].split(":")[1] == str(got.argmax())


OPERATOR = {"Authorization": "Bearer may-all-things"}
CAMERA = {"Authorization": "Bearer only-looks-12"}


@pytest.mark.parametrize(("encoding", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(small: RunningServer, encoding: str, squeeze: Any) -> None:
    data = squeeze(json.dumps({"inputs": [ZEROS], "outputs": [{"name": "conv"}, {"name": "data"}]}).encode())
    reply = ask(small, "POST", SMALL, data, Content_Encoding=encoding, Accept_Encoding=encoding, **CAMERA)
    assert reply.headers["Content-Encoding"] == encoding
    plain = gzip.decompress(reply.data) if encoding == "gzip" else zlib.decompress(reply.data)
    assert json.loads(plain)["outputs"][0]["shape"] == [1, 4, 6, 6]


def test_rights(small: RunningServer) -> None:
    wanted = {"inputs": [ZEROS]}
    assert ask(small, "GET", "/v2/health/live").status == 200
    without = ask(small, "POST", SMALL, wanted)
    assert (without.status, without.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert without.json["error"].startswith("authorization: no token")
    assert ask(small, "POST", SMALL, wanted, Authorization="Bearer something-else").status == 401
    assert ask(small, "POST", SMALL, wanted, **CAMERA).status == 200
    for path in ("/v2/repository/models/small/unload", "/v2/repository/models/a%2Fsmall/unload"):
        assert ask(small, "POST", path, **CAMERA).status == 403
    assert ask(small, "GET", "/nowhere", **CAMERA).status == 403
    assert ask(small, "GET", "/nowhere", **OPERATOR).status == 404
    assert ask(small, "POST", "/v2/repository/models/small/load", **OPERATOR).status == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": {}}, "'inputs': is {}; give a list of objects"),
        ({"inputs": [3]}, "an input: is 3"),
        ({"inputs": []}, "input 'data' is missing"),
        ({"outputs": "prob"}, "'outputs': is 'prob'"),
        ({"id": 7}, "the request: 'id': is 7; give a text"),
        ({"parameters": []}, "the parameters of the request: is []"),
        ({"parameters": {"timeout": -1}}, "parameter 'timeout': is -1"),
        ({"parameters": {"priority": [1]}}, "parameter 'priority': is [1]"),
        ({"outputs": [{}]}, "an output: 'name': is missing"),
        ({"outputs": [{"name": "no"}]}, "there is no output 'no'"),
        ({"outputs": [{"name": "prob", "parameters": {"classification": "2"}}]}, "'classification' is '2'"),
        ({"outputs": [{"name": "prob", "parameters": {"shared_memory_region": "x"}}]}, "is in shared memory"),
    ],
)
def test_requests_that_make_no_sense(small: RunningServer, changes: dict[str, Any], words: str) -> None:
    reply = ask(small, "POST", SMALL, {"inputs": [ZEROS], **changes}, **CAMERA)
    assert reply.status in (400, 501)
    assert words in reply.json["error"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": 3}, "an input: 'name': is 3"),
        ({"name": "x"}, "there is no input 'x'"),
        ({"datatype": None}, "input 'data': 'datatype': is missing"),
        ({"datatype": "FP31"}, "there is no datatype 'FP31'"),
        ({"shape": None}, "input 'data': 'shape': is missing"),
        ({"shape": [1, 3, 8, 8.0]}, "give a list of whole numbers"),
        ({"shape": [1, 3, 8, True]}, "give a list of whole numbers"),
        ({"shape": [1, 3, 8, -8]}, "give sizes of 0 or more"),
        ({"shape": [10**30, 3, 8, 8]}, "192 values for shape"),
        ({"shape": [192]}, "is of shape (192,)"),
        ({"data": "abc"}, "its data is no list"),
        ({"data": [None] * 192}, "no numbers of FP32"),
        ({"data": [[0] * 100, [0] * 92]}, "lists of different lengths"),
        ({"datatype": "INT8", "data": [128] * 192}, "INT8 goes from -128 to 127"),
        ({"datatype": "BYTES", "shape": [1], "data": ["no image"]}, "image"),
        ({"parameters": {"binary_data_size": 768}}, "has data, and is to be behind the JSON as well"),
        ({"parameters": {"shared_memory_region": "x"}}, "is in shared memory"),
    ],
)
def test_tensors_that_make_no_sense(small: RunningServer, changes: dict[str, Any], words: str) -> None:
    tensor = {name: value for name, value in {**ZEROS, **changes}.items() if value is not None}
    reply = ask(small, "POST", SMALL, {"inputs": [tensor]}, **CAMERA)
    assert reply.status in (400, 501)
    assert words in reply.json["error"]


BEHIND = {"name": "data", "datatype": "FP32", "shape": [1, 3, 8, 8], "parameters": {"binary_data_size": 768}}


@pytest.mark.parametrize(
    ("data", "length", "words"),
    [
        (b"", None, "this is no JSON"),
        (b"{", None, "this is no JSON"),
        (b"\xff\xfe{}", None, "this is no JSON"),
        (b"[1]", None, "the request: is [1]; give an object"),
        (b"[" * 200_000, None, "lists in lists without end"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", None, "this is no JSON"),
        (b"{}", "3", "Inference-Header-Content-Length: is '3'; give 0 to 2"),
        (b"{}", "-1", "Inference-Header-Content-Length: is '-1'"),
        (b"{}", "x", "Inference-Header-Content-Length: is 'x'"),
        (b'{"inputs": []}1234', "14", "4 bytes are left after the last tensor"),
        (json.dumps({"inputs": [BEHIND]}).encode(), None, "0 bytes are left for its 768"),
        (b"no image", "0", "image"),
    ],
)
def test_bodies_that_make_no_sense(small: RunningServer, data: bytes, length: str | None, words: str) -> None:
    headers = {} if length is None else {"Inference_Header_Content_Length": length}
    reply = ask(small, "POST", SMALL, data, **headers, **CAMERA)
    assert reply.status == 400
    assert words in reply.json["error"]


def test_numbers_that_json_does_not_know_are_taken_and_given_as_python_writes_them(small: RunningServer) -> None:
    tensor = {**ZEROS, "data": [float("nan")] * 192}
    reply = ask(small, "POST", SMALL, {"inputs": [tensor], "outputs": [{"name": "data"}]}, **CAMERA)
    assert np.isnan(reply.json["outputs"][0]["data"]).all()
    assert ask(small, "POST", SMALL, {"inputs": [{**tensor, "datatype": "INT32"}]}, **CAMERA).status == 400


def test_bodies_that_are_too_long_are_not_read(small: RunningServer) -> None:
    reply = ask(small, "POST", SMALL, b" " * (1 << 20) + b"{}", **CAMERA)
    assert reply.status == 413
    assert "error" in reply.json
    bomb = gzip.compress(b" " * (8 << 20))
    assert ask(small, "POST", SMALL, bomb, Content_Encoding="gzip", **CAMERA).status == 413


def test_encodings_that_are_none(small: RunningServer) -> None:
    assert ask(small, "POST", SMALL, b"no gzip", Content_Encoding="gzip", **CAMERA).status == 400


def test_a_client_that_does_not_read_is_hung_up_on(
    squeezenet_server: RunningServer, squeezenet: SqueezeNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "REPLY_SECONDS", 0.2)
    before = given_up(squeezenet_server)
    with upload(squeezenet_server, squeezenet, "conv1"):
        until(lambda: given_up(squeezenet_server) == before + 1)
    assert ask(squeezenet_server, "GET", "/v2/health/live").status == 200


def test_paths_there_are_none_of_are_counted_as_one(small: RunningServer) -> None:
    for path in ("/a", "/b"):
        ask(small, "GET", path, **OPERATOR)
    counts = small.backend.journal.counts
    unknown = ("http", "(no such path)", "404")
    until(lambda: unknown in counts() and counts()[unknown].requests >= 2)
    assert not [kind for kind in counts() if kind[1].endswith("/a")]


def test_other_methods_and_paths(small: RunningServer) -> None:
    reply = ask(small, "GET", SMALL, **OPERATOR)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert ask(small, "DELETE", "/v2", **OPERATOR).status == 405
    assert ask(small, "POST", "/v2/repository/index", {"ready": 1}, **OPERATOR).status == 400


def test_the_id_of_a_request_comes_back(small: RunningServer) -> None:
    assert ask(small, "GET", "/v2/health/live", X_Request_Id="mine-7").headers["X-Request-Id"] == "mine-7"
    made = ask(small, "GET", "/v2/health/live", X_Request_Id="two words").headers["X-Request-Id"]
    assert len(made) == 32
    assert ask(small, "GET", "/v2/nothing").headers["X-Request-Id"] != made


def test_what_is_no_http(small: RunningServer) -> None:
    host, _, port = small.doors[0].address.removeprefix("http://").rpartition(":")
    for data in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)
    assert ask(small, "GET", "/v2/health/live").status == 200


def given_up(server: RunningServer) -> int:
    """Requests for inference whose clients did not wait."""
    count = server.backend.journal.counts().get(("http", "POST /v2/models/{model}/infer", "499"))
    return count.requests if count is not None else 0


def test_a_client_that_goes_away_frees_its_request(squeezenet_server: RunningServer, squeezenet: SqueezeNet) -> None:
    repository = squeezenet_server.backend.repository
    assert repository is not None
    statistics = repository.get("squeezenet").statistics
    before = statistics.snapshot()
    ended = before.success.count + before.fail.count
    with upload(squeezenet_server, squeezenet, "prob"):
        until(lambda: statistics.snapshot().pending > 0 or statistics.snapshot().success.count > before.success.count)
    until(lambda: (now := statistics.snapshot()).success.count + now.fail.count == ended + 1 and now.pending == 0)
    assert ask(squeezenet_server, "GET", "/v2/health/ready").status == 200


@contextlib.contextmanager
def upload(server: RunningServer, squeezenet: SqueezeNet, output: str) -> Iterator[None]:
    """A connection that has sent a request for four images, and reads no answer."""
    body = squeezenet.input.tobytes() * 4
    tensor = {**BEHIND, "shape": [4, 3, 227, 227], "parameters": {"binary_data_size": len(body)}}
    outputs = [{"name": output, "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    host, _, port = server.doors[0].address.removeprefix("http://").rpartition(":")
    lengths = f"Inference-Header-Content-Length: {len(head)}\r\nContent-Length: {len(head) + len(body)}\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\n{lengths}\r\n".encode() + head + body)
        yield


def test_there_is_no_door_without_models() -> None:
    with pytest.raises(ArgumentError, match="there are no models to serve"):
        start(Options("127.0.0.1:0", http="127.0.0.1:0"))


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with start(Options("127.0.0.1:0", http="127.0.0.1:0", models=str(tmp_path), grace=0)) as server:
        taken = server.doors[0].address.removeprefix("http://")
        with pytest.raises(BridgeError, match="cannot listen there"):
            start(Options("127.0.0.1:0", http=taken, models=str(tmp_path), grace=0))


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz"])
def test_the_names_that_kubernetes_uses(squeezenet_server: RunningServer, path: str) -> None:
    assert ask(squeezenet_server, "GET", path).status == 200


def test_a_server_that_ends_is_not_ready(tmp_path: Path) -> None:
    with start(Options("127.0.0.1:0", http="127.0.0.1:0", models=str(tmp_path), grace=0)) as server:
        wait_until_ready(server)
        assert ask(server, "GET", "/v2/health/ready").status == 200
        server.backend.ending.set()
        assert ask(server, "GET", "/v2/health/ready").status == 503
        assert ask(server, "GET", "/v2/health/live").status == 200
