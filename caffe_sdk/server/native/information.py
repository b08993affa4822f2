"""``caffe_sdk.v1.Server``: what the server is and gives, and the lease by which it knows that a client lives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from caffe_sdk import __version__
from caffe_sdk.app import tasks
from caffe_sdk.rpc import pb
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call, held_open


class Server:
    """The calls of the service, by their names in the .proto."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def get_information(self, request: Any, call: Call) -> Any:
        """Version, device, what is held, and what this client may have and do."""
        held = self._backend.session.objects()
        return pb.Information(
            version=__version__,
            facts=[pb.Fact(name=fact.name, value=fact.value) for fact in tasks.device_query()],
            nets=held.nets,
            solvers=held.solvers,
            limits=self._limits(),
            identity=call.identity.name,
            right=call.identity.right.name.lower(),
        )

    @held_open
    def attach(self, request: Any, call: Call, send: Callable[[Any], None]) -> None:
        """Hold a lease until the call ends; no thread waits for that."""

        def end() -> None:
            send(None)

        self._backend.clients.attach(call.client, end)
        call.when_over(lambda: self._backend.clients.detach(call.client, end))
        send(pb.AttachReply(limits=self._limits()))

    def _limits(self) -> Any:
        limits = dataclasses.asdict(self._backend.options.limits)
        return pb.Limits(message=self._backend.options.max_message, **limits)
