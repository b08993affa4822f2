"""Convolution and its gradients against the reference, over sizes that have an odd corner each."""

from __future__ import annotations

import pytest

from tests.engine.cpu.twins import agree, geometry, left_to_reference

CONVOLUTIONS = {
    "one channel": ((5, 1, 28, 28), 20, geometry((5, 5))),
    "channels that fill no block": ((2, 20, 12, 12), 50, geometry((5, 5))),
    "whole blocks": ((2, 32, 9, 9), 64, geometry((3, 3), pad=1)),
    "three channels, stride": ((1, 3, 35, 35), 16, geometry((11, 11), stride=4)),
    "oblong": ((2, 16, 7, 11), 32, geometry((3, 1), stride=(2, 1), pad=(0, 2))),
    "pointwise": ((2, 17, 5, 3), 33, geometry((1, 1))),
    "pointwise, stride": ((2, 16, 8, 8), 16, geometry((1, 1), stride=2)),
    "pointwise, padding": ((2, 17, 5, 3), 33, geometry((1, 1), pad=(1, 2))),
    "pointwise, padding across, groups": ((2, 32, 5, 3), 64, geometry((1, 1), pad=(0, 1), group=2)),
    "groups": ((2, 32, 9, 9), 64, geometry((5, 5), pad=2, group=2)),
    "odd groups": ((2, 12, 9, 9), 9, geometry((3, 3), group=3)),
    "a group per channel": ((2, 24, 9, 9), 24, geometry((3, 3), pad=1, group=24)),
    "dilation": ((2, 16, 15, 15), 16, geometry((3, 3), pad=2, dilation=2)),
    "dilation, groups, stride": ((2, 16, 15, 15), 32, geometry((3, 3), stride=2, pad=3, dilation=3, group=2)),
    "kernel as large as the image": ((2, 50, 4, 4), 500, geometry((4, 4))),
    "padding wider than the kernel": ((1, 3, 5, 5), 4, geometry((2, 2), pad=3)),
    "one place": ((1, 1, 1, 1), 1, geometry((1, 1))),
    "one axis": ((2, 16, 21), 32, geometry((3,), stride=2, pad=1)),
    "three axes": ((1, 16, 5, 6, 7), 16, geometry((3, 2, 3), pad=1)),
    "two batch axes": ((2, 3, 16, 9, 9), 16, geometry((3, 3), axis=2)),
    "no batch axis": ((16, 9, 9), 16, geometry((3, 3), axis=0)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_and_gradients(case, bias):
    x, out, g = CONVOLUTIONS[case]
    y = (*x[: g.axis], out, *g.output_size(x[g.axis + 1 :]))
    weight = (out, x[g.axis] // g.group, *g.kernel)
    shapes = {"x": x, "weight": weight, "y": y, "dx": x, "dy": y, "dweight": weight}
    if bias:
        shapes |= {"bias": (out,), "dbias": (out,)}

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t.get("bias"), t["y"], g)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t.get("dbias"), g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    assert left_to_reference(agree(shapes, calls)) == []


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_frame_of_bias_is_rectified(slope):
    g = geometry((1, 1), pad=1)
    shapes = {"x": (1, 16, 4, 4), "weight": (24, 16, 1, 1), "bias": (24,), "y": (1, 24, 6, 6)}

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], g)
        engine.relu(t["y"], t["y"], slope)

    assert "loop frame" in agree(shapes, calls).names()


def test_four_spatial_axes_are_left_to_the_reference():
    shapes = {"x": (1, 2, 3, 3, 3, 3), "weight": (2, 2, 2, 2, 2, 2), "y": (1, 2, 2, 2, 2, 2)}
    g = geometry((2, 2, 2, 2))
    program = agree(shapes, lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g))
    assert left_to_reference(program) == ["convolution"]


def test_the_gradient_of_a_bias_alone():
    g = geometry((3, 3))
    shapes = {"x": (2, 16, 8, 8), "dy": (2, 16, 6, 6), "dbias": (16,)}
    program = agree(shapes, lambda e, t: e.convolution_grad_weight(t["x"], t["dy"], None, t["dbias"], g))
    assert left_to_reference(program) == ["convolution_grad_weight"]
