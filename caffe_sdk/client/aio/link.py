"""What nets, solvers and models need of the connection they were made through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from caffe_sdk.client.asks import Ask

Reply = TypeVar("Reply")


class AsyncLink(Protocol):
    """Makes calls whose replies are awaited."""

    limit: int
    """Bytes of values up to which they go in one message, and beyond which in chunks."""

    async def run(self, ask: Ask[Reply]) -> Reply:
        """Make a call with one reply, and read it."""

    async def gather(self, ask: Ask[Reply]) -> Reply:
        """Make a call with a stream of replies, and read them all together."""

    def each(self, ask: Ask[Reply]) -> AsyncIterator[Reply]:
        """Make a call with a stream of replies, and read each; closing the iterator cancels the call."""
