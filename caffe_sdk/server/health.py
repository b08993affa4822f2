"""The health service ``grpc.health.v1``, for orchestrators that ask whether a server takes calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from caffe_sdk.errors import HandleError
from caffe_sdk.schema.messages import load
from caffe_sdk.server.call import Call

pb = load("grpc")


class Health:
    """Tells whether the server and its services take calls: that of models once all are loaded, none when it ends."""

    def __init__(self, services: Collection[str], serving: Callable[[str], bool]) -> None:
        self.services, self._serving = services, serving

    def check(self, request: Any, call: Call) -> Any:
        """Health.Check. HandleError for a service there is none of."""
        if request.service and request.service not in self.services:
            raise HandleError("", f"there is no service '{request.service}'", f"services: {', '.join(self.services)}")
        reply = pb.HealthCheckResponse
        return reply(status=reply.SERVING if self._serving(request.service) else reply.NOT_SERVING)
