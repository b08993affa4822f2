"""A solver on the server, with the members of `caffe_sdk.Solver`, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from caffe_sdk.client import asks
from caffe_sdk.client.aio.link import AsyncLink
from caffe_sdk.client.aio.net import AsyncNet
from caffe_sdk.client.files import ServerFile


class AsyncSolver:
    """A solver on the server. It is released when it is closed, or the connection ends."""

    def __init__(self, client: AsyncLink, solver: int, nets: Sequence[AsyncNet]) -> None:
        self._client, self._solver = client, solver
        self.net, *self.test_nets = nets

    async def state(self) -> Any:
        """The ``Solver`` message: ``iter``, ``max_iter``, ``training``."""
        return await self._client.run(asks.describe_solver(self._solver))

    async def step(self, iterations: int) -> None:
        """Train for so many iterations more."""
        async for _ in self.events(iterations):
            pass

    async def solve(self) -> None:
        """Train to ``max_iter``."""
        async for _ in self.events():
            pass

    def events(self, iterations: int | None = None) -> AsyncIterator[Any]:
        """Train as `step` or, without a number, as `solve`, giving what happens, as `RemoteSolver.events` does."""
        return self._client.each(asks.train(self._solver, iterations))

    async def stop(self) -> None:
        """Ask for the end of a training that somebody else is reading; its events end with Finished."""
        await self._client.run(asks.stop(self._solver))

    async def snapshot(self) -> str:
        """Write a snapshot on the server, where ``snapshot_prefix`` says; gives the solverstate's path there."""
        return await self._client.run(asks.snapshot(self._solver))

    async def restore(self, path: str | ServerFile) -> None:
        """Go on from a solverstate in the server's folder."""
        await self._client.run(asks.restore(self._solver, path.path if isinstance(path, ServerFile) else path))

    async def resume(self) -> str:
        """Go on from the latest snapshot; gives the solverstate's path, "" where there is none."""
        return await self._client.run(asks.resume(self._solver))

    async def close(self) -> None:
        """Let the solver and its nets go."""
        await self._client.run(asks.release_solver(self._solver))
