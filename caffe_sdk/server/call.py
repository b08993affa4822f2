"""A call under way, as the service that answers it sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from caffe_sdk.server.clients import Client
from caffe_sdk.server.security.tokens import Identity

FOREVER = 1e9  # seconds: gRPC gives a far future for calls that have no deadline


Answer = TypeVar("Answer", bound=Callable[..., None])


def held_open(answer: Answer) -> Answer:
    """Mark a method whose stream of replies stays open when it returns: no thread waits for the stream's end.

    The method is called as ``answer(request, call, send)``; ``send(reply)`` sends one, ``send(None)`` ends the stream.
    """
    answer.held_open = True  # type: ignore[attr-defined]
    return answer


@dataclass(frozen=True)
class Call:
    """One call: its method ``/package.Service/Method``, whose token it has, which client it is, and gRPC's context."""

    method: str
    identity: Identity
    client: Client
    context: grpc.ServicerContext

    def metadata(self, key: str) -> str:
        """A value that the client sent along; empty where there is none."""
        return next((str(value) for name, value in self.context.invocation_metadata() if name == key), "")

    def remaining(self) -> float | None:
        """Seconds until the client's deadline; None where it gave none."""
        seconds = self.context.time_remaining()
        return None if seconds is None or seconds > FOREVER else seconds

    def active(self) -> bool:
        """Whether the client still waits: it did not cancel, go away, or run out of time."""
        return self.context.is_active()

    def when_over(self, action: Callable[[], None]) -> None:
        """Do something when the call ends, for whatever reason; at once when it has ended already."""
        if not self.context.add_callback(action):
            action()
