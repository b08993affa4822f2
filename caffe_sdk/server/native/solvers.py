"""``caffe_sdk.v1.Solvers``: solvers made, trained with a stream of progress, snapshot, and gone on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from caffe_sdk.errors import CaffeError
from caffe_sdk.rpc import pb
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.native.replies import events
from caffe_sdk.server.native.requests import model_of


class Solvers:
    """The calls of the service, by their names in the .proto. Raises CaffeErrors."""

    def __init__(self, backend: Backend) -> None:
        self._session, self._clients = backend.session, backend.clients

    def create_solver(self, request: Any, call: Call) -> Any:
        """Build, and describe what was built."""
        self._clients.check_room(call.client, "solvers")
        solver = self._session.create_solver(*model_of(request.model))
        try:
            nets = self._session.solver_nets(solver)
            sizes = {net: self._session.size(net).total for net in (nets.net, *nets.test_nets)}
            self._clients.hold(call.client, "solvers", solver, self._session.size(solver), sizes)
        except CaffeError:
            self._session.release(solver)
            raise
        return self._describe(solver)

    def describe_solver(self, request: Any, call: Call) -> Any:
        """Where a solver stands."""
        return self._describe(self._solver(request, call))

    def step(self, request: Any, call: Call) -> Iterator[Any]:
        """Train for some iterations."""
        return events(self._session.step(self._solver(request, call), request.iterations))

    def solve(self, request: Any, call: Call) -> Iterator[Any]:
        """Train to the end."""
        return events(self._session.solve(self._solver(request, call)))

    def stop(self, request: Any, call: Call) -> Any:
        """Ask a training to end."""
        self._session.stop(self._solver(request, call))
        return pb.StopReply()

    def restore(self, request: Any, call: Call) -> Any:
        """Go on from a solverstate: describe the solver where it stands then."""
        solver = self._solver(request, call)
        self._session.restore(solver, request.path)
        return self._describe(solver)

    def resume(self, request: Any, call: Call) -> Any:
        """Go on from the latest snapshot, if there is one."""
        solver = self._solver(request, call)
        path = self._session.resume(solver)
        return pb.ResumeReply(solver=self._describe(solver), solverstate=path)

    def snapshot(self, request: Any, call: Call) -> Any:
        """Write a snapshot."""
        return pb.SnapshotReply(solverstate=self._session.snapshot(self._solver(request, call)))

    def release_solver(self, request: Any, call: Call) -> Any:
        """Let a solver go, or leave alone what is gone or another's."""
        if self._clients.may_use(call.client, request.solver):
            self._session.release(request.solver)
            self._clients.forget(request.solver)
        return pb.ReleaseSolverReply()

    def _solver(self, request: Any, call: Call) -> int:
        """The handle of a request, if the caller may use it."""
        return self._clients.usable(call.client, request.solver, "solver")

    def _describe(self, solver: int) -> Any:
        nets, state = self._session.solver_nets(solver), self._session.solver_state(solver)
        return pb.Solver(solver=solver, **dataclasses.asdict(nets), **dataclasses.asdict(state))
