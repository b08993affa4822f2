"""What nets, solvers and models need of the connection they were made through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from caffe_sdk.client.asks import Ask

Reply = TypeVar("Reply")


class Link(Protocol):
    """Makes calls, and waits for their replies."""

    address: str
    limit: int
    """Bytes of values up to which they go in one message, and beyond which in chunks."""

    def run(self, ask: Ask[Reply]) -> Reply:
        """Make a call with one reply, and read it."""

    def gather(self, ask: Ask[Reply]) -> Reply:
        """Make a call with a stream of replies, and read them all together."""

    def each(self, ask: Ask[Reply]) -> Iterator[Reply]:
        """Make a call with a stream of replies at once, and read each; closing the iterator cancels the call."""

    def release(self, ask: Ask[None]) -> None:
        """Let an object on the server go, without waiting for it."""
