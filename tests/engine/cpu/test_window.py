"""Convolutions of single images by a loop, against the reference, over sizes that have an odd corner each."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import compile as compiling
from caffe_sdk.engine.cpu import window
from caffe_sdk.memory import HOST
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu.twins import agree, compiled, geometry, left_to_reference, numbers, tensors

ALONE, SAME = geometry((1, 1)), geometry((3, 3), pad=1)
SHAPES = {
    "a piece of each size": ((1, 32, 4, 6), 64, ALONE),
    "one place": ((2, 16, 1, 1), 32, ALONE),
    "blocks left over": ((1, 48, 7, 7), 80, ALONE),
    "many channels": ((1, 560, 5, 3), 32, ALONE),
    "pieces of an image": ((1, 256, 40, 41), 16, ALONE),
    "steps": ((1, 32, 9, 8), 32, geometry((1, 1), stride=2)),
    "steps of an image each": ((2, 16, 5, 9), 32, geometry((1, 1), stride=(3, 2))),
    "nine places": ((1, 32, 7, 7), 48, SAME),
    "nine places, wide": ((2, 16, 5, 23), 32, SAME),
    "no padding": ((1, 16, 5, 9), 32, geometry((3, 3))),
    "padding all around": ((1, 16, 3, 4), 16, geometry((5, 5), pad=4)),
    "an oblong window": ((1, 32, 6, 8), 32, geometry((1, 3), pad=(0, 1))),
    "a tall window": ((1, 32, 6, 8), 32, geometry((3, 1), pad=(1, 0))),
    "two batch axes": ((2, 3, 16, 4, 4), 32, geometry((1, 1), axis=2)),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """So many threads."""
    set_num_threads(request.param)


@pytest.fixture
def everywhere(monkeypatch):
    """Every convolution is planned as a loop, or not at all."""
    monkeypatch.setitem(compiling.PLANNERS, "convolution", window.convolution)


def sizes(x, out, g):
    y = (*x[: g.axis], out, *g.output_size(x[g.axis + 1 :]))
    return {"x": x, "weight": (out, x[g.axis], *g.kernel), "bias": (out,), "y": y}


@pytest.mark.usefixtures("everywhere", "threads")
@pytest.mark.parametrize("case", SHAPES)
def test_convolution(case):
    x, out, g = SHAPES[case]
    program = agree(sizes(x, out, g), lambda e, t: e.convolution(t["x"], t["weight"], t["bias"], t["y"], g))
    assert program.names()[-1] == "convolution_forward loop"


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("case", ["many channels", "nine places"])
@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_without_bias_rectified(case, slope):
    x, out, g = SHAPES[case]

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], slope)

    assert len(agree(sizes(x, out, g), calls).names()) <= 2


@pytest.mark.usefixtures("everywhere")
def test_sums_are_exact_to_rounding():
    x, out, g = SHAPES["many channels"]
    t = tensors(sizes(x, out, g))
    compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), t).run()
    images, filters = (numbers(t[name]).astype(np.float64) for name in ("x", "weight"))
    expected = np.einsum("nchw,kc->nkhw", images, filters[:, :, 0, 0])
    assert abs(numbers(t["y"]) - expected).max() < 3e-7 * np.sqrt(x[1]) * abs(expected).max()


OTHERS = {
    "steps of a window": ((1, 32, 9, 9), 32, geometry((3, 3), stride=2, pad=1)),
    "holes": ((1, 32, 9, 9), 32, geometry((3, 3), dilation=2)),
    "padding without a window": ((1, 32, 5, 5), 32, geometry((1, 1), pad=1)),
    "three axes": ((1, 32, 3, 3, 3), 32, geometry((1, 1, 1))),
    "channels that fill no block": ((1, 20, 5, 5), 32, ALONE),
}


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("case", OTHERS)
def test_others_are_left_to_others(case):
    x, out, g = OTHERS[case]
    program = agree(sizes(x, out, g), lambda e, t: e.convolution(t["x"], t["weight"], t["bias"], t["y"], g))
    assert left_to_reference(program) == ["convolution"]


# -- residuals ---------------------------------------------------------------------------------------------------------

RESIDUAL = {
    "x": (1, 320, 8, 4),
    "weight": (320, 320, 1, 1),
    "bias": (320,),
    **dict.fromkeys(["a", "b", "c", "y", "z"], (1, 320, 8, 4)),
}


def block(engine, t):
    """A residual block of two convolutions, and one in which the residual is what is convolved."""
    engine.convolution(t["x"], t["weight"], t["bias"], t["a"], ALONE)
    engine.relu(t["a"], t["a"], 0.25)
    engine.convolution(t["a"], t["weight"], None, t["b"], ALONE)
    engine.convolution(t["b"], t["weight"], None, t["c"], ALONE)
    engine.add_all([t["c"], t["a"]], t["y"])
    engine.relu(t["y"], t["y"], 0.0)
    engine.convolution(t["y"], t["weight"], None, t["c"], ALONE)
    engine.add_all([t["c"], t["y"]], t["z"])


@pytest.mark.usefixtures("threads")
def test_a_residual_nobody_wants_afterwards_shares_its_room():
    program = agree(RESIDUAL, block, keep=["z"])
    assert program.names() == ["convolution_forward loop"] * 4
    assert program.nbytes == 2 * 4 * 320 * 32, "a, which y replaces, and b"


def test_who_is_looked_at_keeps_its_own():
    def calls(engine, t):
        block(engine, t)
        engine.copy(t["a"], t["b"])

    agree(RESIDUAL, calls, keep=["z", "b"])
    agree(RESIDUAL, block, keep=["a", "z"])
    agree(RESIDUAL, block)


def test_a_residual_in_place():
    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["b"], ALONE)
        engine.add_all([t["b"], t["y"]], t["y"])

    agree({**RESIDUAL, "x": (1, 320, 8, 4)}, calls, runs=1)


def test_a_residual_that_comes_from_outside_stays():
    shapes = {**RESIDUAL}
    t = tensors(shapes)
    before = numbers(t["a"]).copy()

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["b"], ALONE)
        engine.add_all([t["b"], t["a"]], t["y"])

    program = compiled(calls, t, keep=["a", "y"])
    program.run()
    np.testing.assert_array_equal(t["a"].memory.read(HOST), before.ravel())
