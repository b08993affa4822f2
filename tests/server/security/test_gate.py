"""The gate: a call is refused before its message is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
import pytest

from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.security import rights
from caffe_sdk.server.security.gate import authorization
from caffe_sdk.server.security.rights import Right
from caffe_sdk.server.services import services

TOKENS = "a infer infer-token\nb train train-token\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("gate") / "tokens"
    path.write_text(TOKENS)
    with start(Options("127.0.0.1:0", tokens=str(path), grace=0)) as server:
        yield server


def test_the_gate_refuses_every_call(server: RunningServer) -> None:
    """Without a token, with a wrong one, and with one whose right does not reach: before any message is read."""
    served = services(server.backend)
    methods = [f"/{s.descriptor.full_name}/{c.name}" for s in served for c in s.descriptor.methods]
    with grpc.insecure_channel(server.address) as channel:
        for method in methods:
            right = rights.of_call(method)
            for token, held in (("", -1), ("x-token", -1), ("infer-token", Right.INFER), ("train-token", Right.TRAIN)):
                if right is Right.OPEN or held >= right:
                    continue
                wanted = "UNAUTHENTICATED" if held < 0 else "PERMISSION_DENIED"
                assert refusal(channel, method, token) == wanted, (method, token)


def refusal(channel: grpc.Channel, method: str, token: str) -> str:
    """The status of a call that sends nothing and does not end its stream of requests."""
    answered = threading.Event()

    def requests() -> Iterator[bytes]:
        answered.wait()
        yield from ()

    metadata = [("authorization", f"Bearer {token}")] if token else []
    try:
        return str(channel.stream_stream(method)(requests(), metadata=metadata, timeout=60).code().name)
    finally:
        answered.set()


def test_who_has_the_right_gets_an_answer(server: RunningServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        ask = channel.unary_unary(
            "/caffe_sdk.v1.Server/GetInformation",
            request_serializer=pb.GetInformationRequest.SerializeToString,
            response_deserializer=pb.Information.FromString,
        )
        assert ask(pb.GetInformationRequest(), metadata=[("authorization", "Bearer infer-token")]).version


def test_the_header_is_found() -> None:
    assert authorization([("x", "y"), ("authorization", "Bearer z")]) == "Bearer z"
    assert authorization(None) is None
