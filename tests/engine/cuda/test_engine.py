"""The engine as a whole: nothing is left to the host, and LeNet learns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from caffe_sdk.engine import select
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.operation import OPERATIONS, Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, transfers
from tests.engine.cpu import lenet
from tests.engine.cuda.twins import get, simulated


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    before = transfers.copy()
    transfers.clear()
    yield
    transfers.clear()
    transfers.update(before)


def test_it_has_a_name() -> None:
    assert isinstance(select("simulated"), CudaEngine)
    assert select("simulated").name == select("simulated").place.name == "simulated"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_its_own(name: str) -> None:
    assert getattr(CudaEngine, name).__module__.startswith("caffe_sdk.engine.cuda.")


def programs(engine, t):
    forward, backward = Recorder(), Recorder()
    lenet.forward(forward, t)
    lenet.backward(backward, t)
    return engine.compile(forward.calls), engine.compile(backward.calls)


def test_lenet_learns_as_on_the_reference_engine() -> None:
    n, losses = 6, {}
    for engine in (ReferenceEngine(), simulated()):
        t = lenet.lenet(n)
        forward, backward = programs(engine, t)
        losses[engine.name] = []
        for _ in range(4):
            lenet.clear(t)
            forward.run()
            backward.run()
            lenet.update(engine, t)
            losses[engine.name].append(float(get(t["loss"])))
    assert losses["reference"][-1] < 0.9 * losses["reference"][0]
    np.testing.assert_allclose(losses["simulated"], losses["reference"], rtol=1e-4)


def test_nothing_moves_between_data_and_loss() -> None:
    """After the first iteration data and label go there, the loss comes back, and that is all."""
    engine, t = simulated(), lenet.lenet(2)
    forward, backward = programs(engine, t)
    for iteration in range(4):
        if iteration:
            transfers.clear()
        for name in ("data", "label"):
            t[name].memory.update(HOST)
        lenet.clear(t)
        forward.run()
        backward.run()
        lenet.update(engine, t)
        get(t["loss"])
    assert transfers == {("host", "simulated"): 2, ("simulated", "host"): 1}
