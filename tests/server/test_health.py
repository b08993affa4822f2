from __future__ import annotations

from typing import Any

import grpc
import pytest

from caffe_sdk.server import Options, start
from caffe_sdk.server.health import pb


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
    from grpc_health.v1 import health_pb2 as pb2

    reply = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING).SerializeToString()
    assert pb2.HealthCheckResponse.FromString(reply).status == pb2.HealthCheckResponse.SERVING
