"""Clients' own nets are computed where the models are: in the same threads, and only while somebody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from caffe_sdk.app import session as sessions
from caffe_sdk.app.blobs import copy_of
from caffe_sdk.blob import Blob
from caffe_sdk.errors import CaffeError, CancelledError, DeadlineError
from caffe_sdk.layers import base
from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.call import FOREVER, Call
from tests.server.native.calls import calls, status
from tests.serving.models import HOSTED, Gate, Picky, register
from tests.waiting import until

WITNESSED = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "seen" type: "Witness" bottom: "data" top: "seen" }
layer { name: "score" type: "InnerProduct" bottom: "seen" top: "score" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "score" bottom: "data" top: "loss" }
"""
SOLVER = f'net_param {{ {WITNESSED} }} base_lr: 0.01 lr_policy: "fixed" max_iter: 5'


class Witness(base.Layer):
    """Hands numbers on, and notes who computes."""

    on_host = True

    def forward(self, engine: Any, bottom: list[Blob], top: list[Blob]) -> None:  # type: ignore[override]
        seen.append(threading.current_thread().name)
        top[0].data[...] = bottom[0].data

    def backward(self, engine: Any, top: list[Blob], needs: Any, bottom: list[Blob]) -> None:  # type: ignore[override]
        seen.append(threading.current_thread().name)
        bottom[0].diff[...] = top[0].diff


seen: list[str] = []
"""The threads that computed."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    register(monkeypatch)
    monkeypatch.setitem(base.REGISTRY, "Witness", Witness)
    seen.clear()
    with start(Options("127.0.0.1:0", grace=0)) as server:
        yield server


@pytest.fixture
def stubs(server: RunningServer) -> Iterator[SimpleNamespace]:
    with grpc.insecure_channel(server.address) as channel:
        yield calls(channel)


def test_everything_is_computed_by_the_same_thread(stubs: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(blob: Blob, which: str) -> Any:
        seen.append(threading.current_thread().name)
        return copy_of(blob, which)

    monkeypatch.setattr(sessions, "copy_of", copied)

    def client(_: int) -> None:
        net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=WITNESSED), phase=pb.PHASE_TRAIN)).net
        solver = stubs.CreateSolver(pb.CreateSolverRequest(model=pb.Model(text=SOLVER)))
        stubs.Forward(pb.ForwardRequest(net=net))
        stubs.Backward(pb.BackwardRequest(net=net))
        stubs.GetBlobs(pb.GetBlobsRequest(net=net, blobs=[pb.BlobReference(name="seen")]))
        assert len(list(stubs.Step(pb.StepRequest(solver=solver.solver, iterations=3)))) >= 3
        assert stubs.GetWeights(pb.GetWeightsRequest(net=net)).data

    with ThreadPoolExecutor(4) as clients:
        list(clients.map(client, range(4)))
    assert set(seen) == {"caffe-compute-0"}
    assert len(seen) >= 4 * (1 + 1 + 1 + 2 * 3)


def given_up(call: grpc.Future) -> None:
    call.cancel()


def too_late(_call: grpc.Future) -> None:
    time.sleep(0.2)


@pytest.mark.parametrize(("give_up", "timeout"), [(given_up, 30), (too_late, 0.1)])
def test_what_nobody_waits_for_ends_between_layers(
    server: RunningServer, stubs: SimpleNamespace, give_up: Callable[[grpc.Future], None], timeout: float
) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=HOSTED))).net
    Gate.let_through.clear()
    running = stubs.Forward.future(pb.ForwardRequest(net=net), timeout=timeout)
    until(lambda: len(Gate.arrived) == 1)
    waiting = stubs.Forward.future(pb.ForwardRequest(net=net))
    give_up(running)
    until(running.done)
    until(lambda: len(server.backend.watchdog.under_way()) == 2)
    time.sleep(0.05)  # until the server has heard of it, too
    Gate.let_through.set()
    assert waiting.result(30).outputs[0].name == "out"
    assert (len(Gate.arrived), len(Picky.ran)) == (2, 1)
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)) as ended:
        running.result()
    if isinstance(ended.value, grpc.RpcError):
        assert status(ended.value) == "DEADLINE_EXCEEDED"


class Context:
    """A call that its client may have left."""

    def __init__(self, active: bool, left: float) -> None:
        self._active, self._left = active, left

    def is_active(self) -> bool:
        return self._active

    def time_remaining(self) -> float:
        return self._left


@pytest.mark.parametrize(
    ("context", "error"),
    [
        (Context(True, 0.0), None),
        (Context(False, 0.0), DeadlineError),
        (Context(False, 5.0), CancelledError),
        (Context(False, 2 * FOREVER), CancelledError),
    ],
)
def test_whether_somebody_waits(context: Any, error: type[CaffeError] | None) -> None:
    call = Call("", None, None, context)  # type: ignore[arg-type]
    if error is None:
        call.check()
        return
    with pytest.raises(error):
        call.check()


def test_numbers_stay_what_they_were(stubs: SimpleNamespace) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=HOSTED))).net
    request = pb.ForwardRequest(net=net)
    tensor = request.inputs.add(name="data").tensor
    tensor.shape.extend([1, 2])
    tensor.data = np.array([3, 4], "<f4").tobytes()
    (output,) = stubs.Forward(request).outputs
    assert np.frombuffer(output.tensor.data, "<f4").tolist() == [6, 8]
