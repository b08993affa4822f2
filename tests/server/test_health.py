from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from caffe_sdk.server import Options, start
from caffe_sdk.server.health import pb
from tests.serving.models import put


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
