"""Stretches of layers run as one program each, host layers between them."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.blob import Blob
from caffe_sdk.engine.operation import EagerProgram
from caffe_sdk.layers import base
from caffe_sdk.net import Net
from caffe_sdk.net.execution import Executor
from tests.net.models import describe

TEXT = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "r1" type: "ReLU" bottom: "x" top: "r1" }
layer { name: "host" type: "TimesThree" bottom: "r1" top: "host" }
layer { name: "r2" type: "ReLU" bottom: "host" top: "r2" }
layer { name: "r3" type: "ReLU" bottom: "r2" top: "r3" }
"""


class TimesThree(base.Layer):
    """y = 3 x, computed on the host."""

    on_host = True

    def forward(self, engine: engine.Engine, bottom: list[Blob], top: list[Blob]) -> None:  # type: ignore[override]
        top[0].data[...] = 3 * bottom[0].data

    def backward(  # type: ignore[override]
        self, engine: engine.Engine, top: list[Blob], needs: list[bool], bottom: list[Blob]
    ) -> None:
        bottom[0].diff[...] = 3 * top[0].diff


@pytest.fixture(params=["reference", "cpu", "fake"])
def net(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Net:
    """A net with a host layer in its middle, on every engine."""
    monkeypatch.setitem(base.REGISTRY, "TimesThree", TimesThree)
    monkeypatch.setenv("CAFFE_ENGINE", request.param)
    return Net(describe(TEXT), "test")


def test_host_layers_part_the_stretches(net: Net) -> None:
    executor = Executor(net.graph.nodes, list(net.blobs.values()))
    assert [executor.stretch(i, 4) for i in range(5)] == [1, 1, 2, 4, 4]
    assert executor.stretch(0, 0) == 0


def test_numbers_go_through_a_host_layer_both_ways(net: Net) -> None:
    net.blobs["x"].data[...] = [[-1, 2, -3, 4]]
    for _ in range(2):
        assert net.forward()["r3"].tolist() == [[0, 6, 0, 12]]
        assert net.backward(r3=np.ones((1, 4)))["x"].tolist() == [[0, 3, 0, 3]]


def test_programs_are_made_once_and_anew_when_shapes_change(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    kind = type(engine.current())
    original = kind.compile

    def counted(self: object, *arguments: object, **options: object) -> object:
        made.append(1)
        return original(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "compile", counted)
    for _ in range(3):
        net.forward()
    assert len(made) == 2
    net.blobs["x"].reshape(2, 4)
    net.forward()
    assert len(made) == 4


def test_numbers_too_large_are_infinite_and_no_warning(net: Net) -> None:
    net.blobs["x"].data[...] = 3e38
    with np.errstate(over="ignore"):  # the host layer computes as its author likes
        assert np.isinf(net.forward()["r3"]).all()


def test_programs_have_a_run(net: Net) -> None:
    net.forward()
    programs = [program for _, program in net._executor._programs.values()]
    assert programs
    assert all(callable(program.run) for program in programs)
    assert isinstance(engine.select("reference").compile([]), EagerProgram)


class Ended(Exception):
    pass


def test_a_run_may_be_ended_between_steps(net: Net) -> None:
    net.blobs["x"].data[...] = [[-1, 2, -3, 4]]
    passed: list[int] = []

    def between() -> None:
        passed.append(len(passed))
        if len(passed) == allowed:
            raise Ended

    net.between_steps, allowed = between, 0
    net.forward()
    steps = len(passed)
    assert steps >= 3  # before, on and after the host
    for allowed in range(1, steps + 1):
        passed.clear()
        with pytest.raises(Ended):
            net.forward()
        assert len(passed) == allowed
    net.between_steps = None
    passed.clear()
    net.blobs["x"].data[...] = [[-1, 2, -3, 5]]
    assert net.forward()["r3"].tolist() == [[0, 6, 0, 15]]
    assert passed == []


def test_a_run_backward_may_be_ended_between_steps(net: Net) -> None:
    net.blobs["x"].data[...] = [[-1, 2, -3, 4]]
    net.forward()
    allowed, passed = 0, 0

    def between() -> None:
        nonlocal passed
        passed += 1
        if passed == allowed:
            raise Ended

    net.between_steps = between
    net.backward(r3=np.ones((1, 4), np.float32))
    steps = passed
    assert steps >= 3
    for allowed in range(1, steps + 1):
        passed = 0
        with pytest.raises(Ended):
            net.backward(r3=np.ones((1, 4), np.float32))
        assert passed == allowed
    net.between_steps = None
    assert net.backward(r3=np.ones((1, 4), np.float32))["x"].tolist() == [[0, 3, 0, 3]]


def test_a_run_that_looks_at_nothing(net: Net) -> None:
    net.blobs["x"].data[...] = [[-1, 2, -3, 4]]
    assert net.run(end="host") == 0
    assert net.blobs["host"].data.tolist() == [[0, 6, 0, 12]]
    assert net.blobs["r3"].data.tolist() == [[0, 0, 0, 0]]
    assert net.run("r2") == 0
    assert net.blobs["r3"].data.tolist() == [[0, 6, 0, 12]]
