"""LRN and its gradient against the reference, and the scale that is computed when somebody looks."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu.normalization import ScaleOfInput
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, close, compiled, geometry, left_to_reference, numbers, tensors

ACROSS = {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 1.0, "within": False}
NEIGHBOURHOODS = {
    "AlexNet's": ACROSS,
    "three": {**ACROSS, "size": 3},
    "k": {**ACROSS, "k": 2.0},
    "beta": {**ACROSS, "beta": 0.5},
    "within": {**ACROSS, "size": 3, "within": True},
    "alone": {**ACROSS, "size": 1},
}
SHAPES = [(2, 16, 5, 5), (1, 3, 4, 6), (5, 20, 3, 3), (2, 1, 7, 7)]


def calls(neighbourhood):
    def both(engine, t):
        engine.lrn(t["x"], t["y"], t["scale"], **neighbourhood)
        engine.lrn_grad(t["x"], t["y"], t["scale"], t["dy"], t["dx"], **neighbourhood)

    return both


@pytest.mark.parametrize("name", NEIGHBOURHOODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lrn_and_gradient(shape, name):
    agree(dict.fromkeys(("x", "y", "scale", "dy", "dx"), shape), calls(NEIGHBOURHOODS[name]))


@pytest.mark.parametrize("channels", [20, 96])
def test_in_the_layout_of_a_convolution(channels):
    same = (2, channels, 6, 6)
    g = geometry((3, 3), pad=1)

    def chain(engine, t):
        engine.convolution(t["data"], t["weight"], None, t["x"], g)
        calls(ACROSS)(engine, t)
        engine.convolution_grad_data(t["dx"], t["weight"], t["ddata"], g)

    shapes = dict.fromkeys(("data", "x", "y", "scale", "dy", "dx", "ddata"), same)
    program = agree({**shapes, "weight": (channels, channels, 3, 3)}, chain)
    if any("avx512" in name for name in program.names()):  # other processors' LRN is quick in fewer layouts
        assert left_to_reference(program) == []


def test_the_scale_is_there_when_somebody_looks():
    shapes = {**dict.fromkeys(("data", "x", "y", "scale"), (2, 32, 5, 5)), "weight": (32, 32, 3, 3)}

    def chain(engine, t):
        engine.convolution(t["data"], t["weight"], None, t["x"], geometry((3, 3), pad=1))
        engine.lrn(t["x"], t["y"], t["scale"], **ACROSS)

    t, expected = tensors(shapes), tensors(shapes)
    program = compiled(chain, t)
    program.run()
    chain(ReferenceEngine(), expected)
    if not left_to_reference(program):
        (place,) = t["scale"].memory.fresh
        assert isinstance(place, ScaleOfInput)
    close(t["scale"], expected["scale"])


def test_a_scale_of_the_reference_is_used():
    shapes = dict.fromkeys(("x", "y", "scale", "dy", "dx"), SHAPES[0])
    t, expected = tensors(shapes), tensors(shapes)
    for each in (t, expected):
        each["scale"].memory.update(HOST)[...] = abs(numbers(each["scale"]).ravel()) + 1

    def gradient(engine, t):
        engine.lrn_grad(t["x"], t["y"], t["scale"], t["dy"], t["dx"], **ACROSS)

    program = compiled(gradient, t)
    program.run()
    gradient(ReferenceEngine(), expected)
    assert left_to_reference(program) == ["lrn_grad"]
    close(t["dx"], expected["dx"])


def test_nobody_needs_the_scale():
    program = agree(dict.fromkeys(("x", "y"), SHAPES[0]), lambda e, t: e.lrn(t["x"], t["y"], None, **ACROSS))
    assert left_to_reference(program) == []


def test_in_place_is_left_to_the_reference():
    program = agree(
        dict.fromkeys(("x", "scale"), SHAPES[0]), lambda e, t: e.lrn(t["x"], t["x"], t["scale"], **ACROSS), runs=1
    )
    assert left_to_reference(program) == ["lrn"]
