"""A call under way, as the service that answers it sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from caffe_sdk.errors import CancelledError, DeadlineError
from caffe_sdk.server.clients import Client
from caffe_sdk.server.security.tokens import Identity

FOREVER = 1e9  # seconds: gRPC gives a far future for calls that have no deadline


Answer = TypeVar("Answer", bound=Callable[..., None])
Method = TypeVar("Method", bound=Callable[..., Any])


def held_open(answer: Answer) -> Answer:
    """Mark a method whose stream of replies stays open when it returns: no thread waits for the stream's end.

    The method is called as ``answer(request, call, send)``; ``send(reply)`` sends one, ``send(None)`` ends the stream.
    """
    answer.held_open = True  # type: ignore[attr-defined]
    return answer


def idle(answer: Method) -> Method:
    """Mark a method whose clients may leave their stream of requests open without sending any."""
    answer.idle = True  # type: ignore[attr-defined]
    return answer


def wired(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes] | None = None) -> Callable[[Method], Method]:
    """Mark a method that is given, or gives, what is no message: how it comes from bytes, and becomes some."""

    def mark(answer: Method) -> Method:
        answer.decode = decode  # type: ignore[attr-defined]
        if encode is not None:
            answer.encode = encode  # type: ignore[attr-defined]
        return answer

    return mark


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

    def check(self) -> None:
        """Raise DeadlineError or CancelledError unless the client still waits: to be called between layers."""
        if self.active():
            return
        if self.remaining() == 0:
            raise DeadlineError("call", "the deadline passed before the result was there", "give it more time")
        raise CancelledError("call", "the client waits no more", "call again")

    def when_over(self, action: Callable[[], None]) -> None:
        """Do something when the call ends, for whatever reason; at once when it has ended already."""
        if not self.context.add_callback(action):
            action()
