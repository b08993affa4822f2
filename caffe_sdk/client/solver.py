"""A solver on the server, with the members of `caffe_sdk.Solver`."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from caffe_sdk.client import asks
from caffe_sdk.client.files import ServerFile
from caffe_sdk.client.link import Link
from caffe_sdk.client.net import RemoteNet


class RemoteSolver:
    """A solver on the server. It is released when it is closed or forgotten."""

    def __init__(self, client: Link, description: Any) -> None:
        self._client, self._solver = client, description.solver
        self.net = self._owned_net(description.net)
        self.test_nets = [self._owned_net(net) for net in description.test_nets]
        self._finalizer = weakref.finalize(self, client.release, asks.release_solver(self._solver))
        self._finalizer.atexit = False

    def _owned_net(self, net: int) -> RemoteNet:
        return RemoteNet(self._client, self._client.run(asks.describe_net(net)), owned=False)

    @property
    def _state(self) -> Any:
        return self._client.run(asks.describe_solver(self._solver))

    @property
    def iter(self) -> int:
        """Iterations made."""
        return int(self._state.iter)

    @property
    def max_iter(self) -> int:
        """Iterations that `solve` makes in all."""
        return int(self._state.max_iter)

    @property
    def training(self) -> bool:
        """Whether anybody is training it at the moment."""
        return bool(self._state.training)

    def step(self, iterations: int) -> None:
        """Train for so many iterations more."""
        for _ in self.events(iterations):
            pass

    def solve(self) -> None:
        """Train to ``max_iter``."""
        for _ in self.events():
            pass

    def events(self, iterations: int | None = None) -> Iterator[Any]:
        """Train as `step` or, without a number, as `solve`, giving what happens: messages Started, Testing, Tested,
        Iteration, Snapshot, Evaluated, Finished of the .proto.

        Training begins at once and does not run ahead of the reader for long. Closing the iterator ends it after the
        iteration it is at.
        """
        return self._client.each(asks.train(self._solver, iterations))

    def stop(self) -> None:
        """Ask for the end of a training that somebody else is reading; its events end with Finished."""
        self._client.run(asks.stop(self._solver))

    def snapshot(self) -> str:
        """Write a snapshot on the server, where ``snapshot_prefix`` says; gives the solverstate's path there."""
        return self._client.run(asks.snapshot(self._solver))

    def restore(self, path: str | ServerFile) -> None:
        """Go on from a solverstate in the server's folder."""
        self._client.run(asks.restore(self._solver, path.path if isinstance(path, ServerFile) else path))

    def resume(self) -> str:
        """Go on from the latest snapshot in the server's folder that ``snapshot_prefix`` names, as after the server
        ended in the middle of a training; gives the solverstate's path, "" where there is none.
        """
        return self._client.run(asks.resume(self._solver))

    def close(self) -> None:
        """Let the solver and its nets go."""
        self._finalizer()
