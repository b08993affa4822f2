"""From descriptors to handlers: what a service is told of a call, and what becomes of its errors."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from caffe_sdk.errors import LimitError
from caffe_sdk.server import RunningServer, start
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.dispatch import handlers, method_name
from caffe_sdk.server.health import pb
from caffe_sdk.server.options import Options
from caffe_sdk.server.security.access import ANYBODY
from caffe_sdk.server.services import Served
from tests.waiting import until

Found = dict[str, Any]

CHECK = "/grpc.health.v1.Health/Check"


def bytes_of(message: Any) -> bytes:
    """A message's bytes; bytes are as they are."""
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


class Probe:
    """Answers Health.Check, and notes what it is told of the call."""

    def __init__(self) -> None:
        self.found: Found = {}
        self.ended = threading.Event()

    def check(self, request: Any, call: Call) -> Any:
        if request.service == "full":
            raise LimitError("queue", "is full", "come back")
        if request.service == "broken":
            raise ZeroDivisionError("so it goes")
        call.when_over(self.ended.set)
        self.found |= {
            "method": call.method,
            "identity": call.identity,
            "remaining": call.remaining(),
            "active": call.active(),
            "key": call.metadata("key"),
            "none": call.metadata("none"),
        }
        return pb.HealthCheckResponse()

    def watch(self, requests: Any, call: Call) -> Iterator[Any]:
        yield from ()


@pytest.fixture
def probe() -> Iterator[tuple[Probe, Any]]:
    probe, server = Probe(), grpc.server(ThreadPoolExecutor(2))
    backend = Backend.of(Options())
    server.add_generic_rpc_handlers([handlers(Served(pb.Health, probe), backend)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield probe, channel.unary_unary(CHECK, request_serializer=bytes_of)
    server.stop(0).wait()
    backend.close()


def test_names_of_methods() -> None:
    assert [method_name(name) for name in ("Check", "GetBlobs", "ModelInfer")] == ["check", "get_blobs", "model_infer"]


def test_a_service_is_told_of_the_call(probe: tuple[Probe, Any]) -> None:
    service, check = probe
    check(pb.HealthCheckRequest(), metadata=[("key", "value")])
    found = dict(service.found)
    assert service.ended.wait(60)
    assert (found["method"], found["identity"]) == ("/grpc.health.v1.Health/Check", ANYBODY)
    assert (found["remaining"], found["active"], found["key"], found["none"]) == (None, True, "value", "")
    check(pb.HealthCheckRequest(), timeout=9)
    assert 0 < service.found["remaining"] < 10


@pytest.mark.parametrize(
    ("service", "status", "words"),
    [
        ("full", "RESOURCE_EXHAUSTED", "queue: is full; come back"),
        ("broken", "INTERNAL", "server: ZeroDivisionError: so it goes; please report it, with the server's log"),
    ],
)
def test_errors_become_statuses(probe: tuple[Probe, Any], service: str, status: str, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        probe[1](pb.HealthCheckRequest(service=service))
    failed: Any = caught.value
    assert (failed.code().name, failed.details()) == (status, words)


def test_bytes_that_are_no_message(probe: tuple[Probe, Any]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        probe[1](b"\xff\xff\xff")
    failed: Any = caught.value
    assert failed.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.details().startswith("request: the bytes are no grpc.health.v1.HealthCheckRequest: ")


def test_a_call_without_a_message() -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server, grpc.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(CHECK)(iter([]))
        failed: Any = caught.value
        words = "request: none came with the call; send one grpc.health.v1.HealthCheckRequest"
        assert (failed.code(), failed.details()) == (grpc.StatusCode.INVALID_ARGUMENT, words)


def test_who_goes_away_while_a_message_is_awaited_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        with grpc.insecure_channel(server.address) as channel, unsent() as messages:
            call = channel.stream_unary(CHECK).future(messages())
            until(server.backend.watchdog.under_way)
            call.cancel()
        ended("grpc", CHECK, server)
    assert not caplog.records


def ended(door: str, method: str, server: RunningServer) -> None:
    """Wait until the server is done with a call."""
    until(lambda: any(kind[:2] == (door, method) for kind in server.backend.journal.counts()))


@contextlib.contextmanager
def unsent() -> Iterator[Callable[[], Iterator[bytes]]]:
    """Makes messages that never come."""
    over = threading.Event()

    def messages() -> Iterator[bytes]:
        over.wait(30)
        yield from ()

    try:
        yield messages
    finally:
        over.set()
