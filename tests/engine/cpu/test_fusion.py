"""Which neighbours become one piece of work, and that nobody can tell."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from tests.engine.cpu.twins import agree, left_to_reference

SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
CONVOLUTION = {"x": (2, 20, 6, 6), "weight": (20, 20, 3, 3), "bias": (20,), "y": (2, 20, 6, 6)}


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], SAME)


@pytest.mark.parametrize("slope", [0.0, 0.25, -0.5])
@pytest.mark.parametrize("layer", ["convolution", "inner_product"])
def test_relu_in_place_is_fused(layer, slope):
    shapes = {**CONVOLUTION, "matrix": (6, 20), "square": (20, 20), "z": (6, 20), "dz": (6, 20)}

    def calls(engine, t):
        y = t["y"] if layer == "convolution" else t["z"]
        if layer == "convolution":
            convolve(engine, t)
        else:
            engine.inner_product(t["matrix"], t["square"], t["bias"], y, False)
        engine.relu(y, y, slope)

    assert len(agree(shapes, calls).names()) == 1


@pytest.mark.parametrize("terms", [2, 3])
def test_relu_of_a_sum(terms):
    def calls(engine, t):
        engine.add_all([t[name] for name in "abc"[:terms]], t["y"])
        engine.relu(t["y"], t["y"], 0.0)

    assert len(agree(dict.fromkeys("abcy", (2, 3, 4)), calls).names()) == terms - 1


def test_gradients_of_two_prelus_are_not_one():
    def calls(engine, t):
        engine.prelu_grad_slope(t["x"], t["dy"], t["dslope"])
        engine.prelu_grad_data(t["y"], t["slope"], t["dy"], t["dx"])

    shapes = {**dict.fromkeys(["x", "y", "dy", "dx"], (2, 5)), "slope": (5,), "dslope": (5,)}
    program = agree(shapes, calls)
    assert sum("prelu_backward" in name for name in program.names()) == 2


def test_relu_is_fused_over_work_elsewhere():
    def calls(engine, t):
        convolve(engine, t)
        engine.copy(t["a"], t["b"])
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "a": (5,), "b": (5,)}, calls)
    assert not any("eltwise" in name for name in program.names())


@pytest.mark.parametrize("between", ["reads", "writes"])
def test_relu_is_not_fused_when_somebody_looks_before(between):
    def calls(engine, t):
        convolve(engine, t)
        pair = (t["y"], t["z"]) if between == "reads" else (t["z"], t["y"])
        engine.copy(*pair)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)
    assert any("eltwise" in name for name in program.names())


def test_relu_into_another_blob_is_not_fused():
    def calls(engine, t):
        convolve(engine, t)
        engine.relu(t["y"], t["z"], 0.0)

    agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)


def test_what_cannot_be_planned_fused_is_done_apart():
    g = ConvolutionGeometry((2,) * 4, (1,) * 4, (0,) * 4, (1,) * 4)

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({"x": (1, 2, 3, 3, 3, 3), "weight": (2, 2, 2, 2, 2, 2), "y": (1, 2, 2, 2, 2, 2)}, calls)
    assert left_to_reference(program) == ["convolution"]
    assert len(program.names()) == 2
