from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from caffe_sdk.server import Limits, Options, RunningServer, health, start
from caffe_sdk.server.health import pb
from tests.serving.models import put
from tests.waiting import until


def test_the_server_and_its_services_are_healthy() -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server, grpc.insecure_channel(server.address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=pb.HealthCheckRequest.SerializeToString,
            response_deserializer=pb.HealthCheckResponse.FromString,
        )
        for name in ("", *(f"caffe_sdk.v1.{name}" for name in ("Server", "Models", "Nets", "Solvers"))):
            assert check(pb.HealthCheckRequest(service=name)).status == pb.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            check(pb.HealthCheckRequest(service="caffe.Other"))
    failed: Any = caught.value
    assert failed.code() == grpc.StatusCode.NOT_FOUND
    assert failed.details().startswith("there is no service 'caffe.Other'; services: caffe_sdk.v1.Server")


def test_stock_health_clients_understand() -> None:
    reply = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING).SerializeToString()
    assert health_pb2.HealthCheckResponse.FromString(reply).status == health_pb2.HealthCheckResponse.SERVING


def test_what_does_not_take_calls_says_so(tmp_path: Path) -> None:
    """The stock client's view: models once all are loaded, and nothing when the server ends."""
    (tmp_path / "broken").mkdir()
    inference = "inference.GRPCInferenceService"
    with (
        start(Options("127.0.0.1:0", models=str(tmp_path), grace=0)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)

        def serving(service: str) -> bool:
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service))
            return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

        assert (serving(""), serving("caffe_sdk.v1.Nets"), serving(inference)) == (True, True, False)
        put(tmp_path, "broken")
        assert server.backend.repository is not None
        server.backend.repository.load("broken")
        assert serving(inference)
        server.backend.ending.set()
        assert (serving(""), serving("caffe_sdk.v1.Nets"), serving(inference)) == (False, False, False)


INFERENCE = "inference.GRPCInferenceService"
SERVING, NOT_SERVING, UNKNOWN = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with a model that can be loaded, and is not."""
    put(tmp_path, "small", warm_up=False)
    with start(Options("127.0.0.1:0", models=str(tmp_path), limits=Limits(stall_seconds=0.3), grace=600)) as server:
        until(lambda: repository(server).ready())
        repository(server).unload("small")
        yield server


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


def repository(server: RunningServer) -> Any:
    return server.backend.repository


def watching(stub: Any, service: str = "") -> Any:
    return stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=120)


def test_who_watches_is_told_the_status_and_each_change(server: RunningServer, stub: Any) -> None:
    models, whole, other = watching(stub, INFERENCE), watching(stub), watching(stub, "no.Such")
    assert [next(each).status for each in (models, whole, other)] == [NOT_SERVING, SERVING, UNKNOWN]
    repository(server).load("small")
    assert next(models).status == SERVING
    repository(server).unload("small")
    assert next(models).status == NOT_SERVING
    repository(server).load("small")
    assert next(models).status == SERVING
    server.stop()
    assert [[reply.status for reply in each] for each in (models, whole, other)] == [[NOT_SERVING], [NOT_SERVING], []]


def test_the_end_does_not_wait_for_who_watches(server: RunningServer, stub: Any) -> None:
    """The server would give a stream under way ten minutes."""
    watch = watching(stub)
    next(watch)
    ending = threading.Thread(target=server.stop)
    ending.start()
    ending.join(60)
    assert not ending.is_alive()
    assert [reply.status for reply in watch] == [NOT_SERVING]


def test_watching_takes_no_thread_and_ends_with_its_client(server: RunningServer, stub: Any) -> None:
    threads = threading.active_count()
    watches = [watching(stub) for _ in range(100)]
    assert {next(each).status for each in watches} == {SERVING}
    until(lambda: sum(each.name.startswith("caffe-") for each in threading.enumerate()) < threads + 50)
    assert stub.Check(health_pb2.HealthCheckRequest(), timeout=60).status == SERVING
    for each in watches:
        each.cancel()
    again = [watching(stub) for _ in range(health.WATCHES - 100)]
    assert {next(each).status for each in again} == {SERVING}


def test_streams_are_bounded(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WATCHES", 2)
    watches = [watching(stub) for _ in range(2)]
    assert [next(each).status for each in watches] == [SERVING, SERVING]
    with pytest.raises(grpc.RpcError, match=r"Health\.Watch: 2 streams are open") as caught:
        next(watching(stub))
    failed: Any = caught.value
    assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    watches[0].cancel()
    until(lambda: opens(stub))


def opens(stub: Any) -> bool:
    try:
        return bool(next(watching(stub)).status == SERVING)
    except grpc.RpcError:
        return False
