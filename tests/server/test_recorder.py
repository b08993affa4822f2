from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from caffe_sdk.server import Options, RunningServer, start
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import put
from tests.waiting import until

SERVICE = "/inference.GRPCInferenceService/"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    put(tmp_path / "models")
    tokens = tmp_path / "tokens"
    tokens.write_text("camera infer only-looks-12\n")
    options = Options("127.0.0.1:0", models=str(tmp_path / "models"), tokens=str(tokens), log_format="json", grace=0)
    with start(options) as server:
        yield wait_until_ready(server)


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


TOKEN = ("authorization", "Bearer only-looks-12")


def infer_request(model: str = "small") -> Any:
    values = np.zeros((1, 3, 8, 8), np.float32)
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[values.tobytes()])
    request.inputs.add(name="data", datatype="FP32", shape=values.shape)
    return request


def lines(caplog: pytest.LogCaptureFixture, count: int) -> list[dict[str, Any]]:
    """The requests' lines; each may be written a moment after its client has its answer."""
    found: list[dict[str, Any]] = []

    def are_there() -> bool:
        found[:] = [record.request for record in caplog.records if hasattr(record, "request")]
        return len(found) >= count

    until(are_there)
    return found


def test_a_line_for_each_call(server: RunningServer, stub: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        request = infer_request()
        reply, call = stub.ModelInfer.with_call(request, metadata=[TOKEN, ("x-request-id", "mine")])
        lines(caplog, 1)
        with pytest.raises(grpc.RpcError):
            stub.ModelInfer(infer_request("other"), metadata=[TOKEN])
        lines(caplog, 2)
        with pytest.raises(grpc.RpcError):
            stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="small"), metadata=[TOKEN])
        lines(caplog, 3)
        with pytest.raises(grpc.RpcError):
            stub.ModelInfer(request)
        lines(caplog, 4)
        answers = list(stub.ModelStreamInfer(iter([request, request]), metadata=[TOKEN]))
        found = lines(caplog, 5)
    assert dict(call.trailing_metadata())["x-request-id"] == "mine"
    good, missing, forbidden, unknown, stream = found
    assert (good["id"], good["method"], good["model"], good["status"]) == (
        "mine",
        f"{SERVICE}ModelInfer",
        "small",
        "OK",
    )
    assert (good["received"], good["sent"]) == (request.ByteSize(), reply.ByteSize())
    assert good["peer"].startswith("ipv4:127.0.0.1:")
    assert (missing["model"], missing["status"]) == ("other", "NOT_FOUND")
    assert (forbidden["method"], forbidden["status"]) == (f"{SERVICE}RepositoryModelLoad", "PERMISSION_DENIED")
    assert unknown["status"] == "UNAUTHENTICATED"
    assert (stream["status"], stream["received"]) == ("OK", 2 * request.ByteSize())
    assert stream["sent"] == sum(answer.ByteSize() for answer in answers)
    assert "only-looks-12" not in json.dumps(found)


def test_a_stream_that_is_cancelled(server: RunningServer, stub: Any, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def requests() -> Iterator[Any]:
        yield infer_request()
        ended.wait(30)

    with caplog.at_level(logging.INFO, "caffe_sdk"):
        answers = stub.ModelStreamInfer(requests(), metadata=[TOKEN])
        next(answers)
        answers.cancel()
        (line,) = lines(caplog, 1)
        ended.set()
    assert line["status"] in ("CANCELLED", "OK")  # gRPC may tell that there are no more requests before it tells why
    assert line["received"] == infer_request().ByteSize()


def test_methods_there_are_none_of_are_counted_as_one(server: RunningServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        for name in ("Thing", "Other"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(f"/no.Such/{name}")(b"")
    counts = server.backend.journal.counts
    unknown = ("grpc", "(no such method)", "UNAUTHENTICATED")
    until(lambda: unknown in counts() and counts()[unknown].requests == 2)
    assert [kind for kind in counts() if kind[1] == "(no such method)"] == [unknown]
    assert not [kind for kind in counts() if "/no.Such/" in kind[1]]
