"""Solvers over the wire: snapshots found again, and the state told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put
from caffe_sdk.server import Options, start
from tests.app.texts import SOLVER
from tests.server.native.calls import calls


@pytest.fixture
def stubs(tmp_path: Path) -> Iterator[SimpleNamespace]:
    options = Options("127.0.0.1:0", files=str(tmp_path), grace=0)
    with start(options) as server, grpc.insecure_channel(server.address) as channel:
        yield calls(channel)


def make(stubs: SimpleNamespace, text: str = SOLVER) -> pb.Solver:
    """A solver with something to learn."""
    solver = stubs.CreateSolver(pb.CreateSolverRequest(model=pb.Model(text=text)))
    request = pb.SetBlobsRequest(net=solver.net)
    put(request.blobs.add(blob=pb.BlobReference(name="data")).values, np.ones((8, 10), "f4"))
    stubs.SetBlobs(request)
    return solver


def test_a_solver_resumes_from_its_latest_snapshot(stubs: SimpleNamespace) -> None:
    text = SOLVER + 'snapshot: 4 snapshot_prefix: "run"'
    first = make(stubs, text)
    assert stubs.Resume(pb.ResumeRequest(solver=first.solver)).solverstate == ""
    assert len(list(stubs.Step(pb.StepRequest(solver=first.solver, iterations=10)))) > 10
    again = make(stubs, text)
    resumed = stubs.Resume(pb.ResumeRequest(solver=again.solver))
    assert Path(resumed.solverstate).name == "run_iter_8.solverstate"
    assert (resumed.solver.solver, resumed.solver.iter) == (again.solver, 8)


def test_snapshots_are_written_and_restored(stubs: SimpleNamespace) -> None:
    solver = make(stubs)
    list(stubs.Step(pb.StepRequest(solver=solver.solver, iterations=2)))
    path = stubs.Snapshot(pb.SnapshotRequest(solver=solver.solver)).solverstate
    list(stubs.Step(pb.StepRequest(solver=solver.solver, iterations=2)))
    back = stubs.Restore(pb.RestoreRequest(solver=solver.solver, path=Path(path).name))
    assert (back.iter, back.max_iter, back.training) == (2, 20, False)
    stubs.Stop(pb.StopRequest(solver=solver.solver))
    stubs.ReleaseSolver(pb.ReleaseSolverRequest(solver=solver.solver))
    stubs.ReleaseSolver(pb.ReleaseSolverRequest(solver=solver.solver))
    with pytest.raises(grpc.RpcError, match="there is no solver"):
        stubs.DescribeSolver(pb.DescribeSolverRequest(solver=solver.solver))
