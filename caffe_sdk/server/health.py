"""The health service ``grpc.health.v1``, for orchestrators that ask whether a server takes calls."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from caffe_sdk.errors import HandleError
from caffe_sdk.schema.messages import load
from caffe_sdk.server.call import Call

pb = load("grpc")


class Health:
    """Says that the server and its services take calls: while it can answer, they do."""

    def __init__(self, services: Collection[str]) -> None:
        self.services = services

    def check(self, request: Any, call: Call) -> Any:
        """Health.Check. HandleError for a service there is none of."""
        if request.service and request.service not in self.services:
            raise HandleError("", f"there is no service '{request.service}'", f"services: {', '.join(self.services)}")
        return pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING)
