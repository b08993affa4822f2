"""A connection whose calls are awaited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeVar

import grpc
import grpc.aio

from caffe_sdk.client import asks
from caffe_sdk.client.aio.models import AsyncModels
from caffe_sdk.client.aio.net import AsyncNet
from caffe_sdk.client.aio.solver import AsyncSolver
from caffe_sdk.client.asks import Ask
from caffe_sdk.client.channel import OPEN, Security, Target, chunked_from, closed, error_of, nobody, stubs
from caffe_sdk.client.files import Model, Weights
from caffe_sdk.errors import CaffeError, DeadlineError
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.transport import MAX_MESSAGE

Reply = TypeVar("Reply")


async def connect(
    address: str,
    timeout: float = 10.0,
    max_message: int = MAX_MESSAGE,
    *,
    security: Security = OPEN,
    compress: bool = False,
) -> AsyncClient:
    """A client of the server at ``host:port`` or ``unix:path``; as `caffe_sdk.client.connect`."""
    client = AsyncClient(Target(address, security, max_message, compress))
    try:
        await client.open(timeout)
    except CaffeError:
        await client.close()
        raise
    return client


class AsyncClient:
    """A connection. Nets and solvers made through it live on the server until they are closed, at the latest when the
    connection ends.
    """

    def __init__(self, target: Target) -> None:
        self.target, self.address = target, target.address
        self.limit = chunked_from(target.max_message)
        """Bytes of values up to which they go in one message, and beyond which in chunks."""
        self._channel = target.open(grpc.aio)
        self._stubs = stubs(self._channel)
        self._lease: AsyncGenerator[Any, None] | None = None
        self.models = AsyncModels(self)

    async def open(self, timeout: float) -> None:
        """See that the server is there, and take a lease, by which it knows that this client lives."""
        request = pb.GetInformationRequest()
        try:
            information = await self.call("GetInformation", request, timeout=timeout, wait_for_ready=True)
        except DeadlineError:
            raise nobody(self.address) from None
        self.limit = chunked_from(self.target.max_message, information.limits.message)
        self._lease = self.stream("Attach", pb.AttachRequest())
        await anext(self._lease)

    async def net(
        self,
        model: Model,
        phase: str | int = "test",
        weights: Weights | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ) -> AsyncNet:
        """A new net, in phase "train" or "test" (or TRAIN, TEST)."""
        return AsyncNet(self, await self.run(asks.create_net(model, phase, weights, level, stages)))

    async def solver(self, model: Model) -> AsyncSolver:
        """A new solver."""
        solver = await self.run(asks.create_solver(model))
        nets = [await self.run(asks.describe_net(net)) for net in (solver.net, *solver.test_nets)]
        return AsyncSolver(self, solver.solver, [AsyncNet(self, net, owned=False) for net in nets])

    async def information(self) -> Any:
        """The server's ``Information`` message: version, what computes there, what is held and what may be held."""
        return await self.run(asks.information())

    async def close(self) -> None:
        """End the connection; the server lets go what was made through it."""
        if self._lease is not None:
            await self._lease.aclose()
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def run(self, ask: Ask[Reply]) -> Reply:
        """Make a call with one reply, and read it."""
        return ask.read(await self.call(ask.name, ask.request))

    async def gather(self, ask: Ask[Reply]) -> Reply:
        """Make a call with a stream of replies, and read them all together."""
        return ask.read([reply async for reply in self.stream(ask.name, ask.request)])

    async def each(self, ask: Ask[Reply]) -> AsyncIterator[Reply]:
        """Make a call with a stream of replies, and read each; closing the iterator cancels the call."""
        replies = self.stream(ask.name, ask.request)
        try:
            async for reply in replies:
                yield ask.read(reply)
        finally:
            await replies.aclose()

    async def call(self, name: str, request: Any, **how: Any) -> Any:
        """Make a call of ``proto/caffe_sdk/v1`` by its name, ``how`` being what gRPC takes; gives the reply."""
        try:
            return await self._stubs[name](request, metadata=self.target.metadata, **how)
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self.address) from None
        except grpc.aio.UsageError as error:
            raise closed(self.address, error) from None

    async def stream(self, name: str, request: Any) -> AsyncGenerator[Any, None]:
        """Make a call that answers with a stream; closing the iterator cancels the call."""
        try:
            call = self._stubs[name](request, metadata=self.target.metadata)
        except grpc.aio.UsageError as error:
            raise closed(self.address, error) from None
        try:
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self.address) from None
        finally:
            call.cancel()
