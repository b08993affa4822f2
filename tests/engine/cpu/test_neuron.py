"""Functions of single values against the reference: every shape, in place, in blocks, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, compiled, geometry, left_to_reference, numbers, tensors

EVERY_SHAPE = [(), (7,), (3, 5), (2, 16, 5, 5), (1, 1, 1, 1), (2, 3, 2, 2, 2, 2, 2)]
SHAPE = (2, 20, 6, 6)
SAME = geometry((3, 3), pad=1)

FUNCTIONS = {
    "relu": ((0.0,), "x", (0.0,)),
    "leaky relu": ((0.1,), "x", (0.1,)),
    "reversed relu": ((-0.5,), "x", (-0.5,)),
    "sigmoid": ((), "y", ()),
    "tanh": ((), "y", ()),
    "elu": ((0.7,), "x", (0.7,)),
    "swish": ((1.5,), "x", (1.5,)),
    "bnll": ((), "x", ()),
    "clip": ((-0.5, 0.8), "x", (-0.5, 0.8)),
    "clip above zero": ((0.5, 0.8), "x", (0.5, 0.8)),
    "threshold": ((0.2,), "", ()),
    "threshold below zero": ((-0.2,), "", ()),
    "absolute": ((), "x", ()),
    "scale": ((2.5,), "", ()),
    "power": ((1.0, 2.0, 3.0), "x", (1.0, 2.0, 3.0)),
    "square power": ((2.0, 0.5, -1.0), "x", (2.0, 0.5, -1.0)),
    "cubic power": ((3.0, 0.5, 1.0), "x", (3.0, 0.5, 1.0)),
    "root power": ((0.5, 0.01, 2.0), "x", (0.5, 0.01, 2.0)),
    "reciprocal power": ((-1.0, 0.01, 2.0), "x", (-1.0, 0.01, 2.0)),
    "odd power": ((1.7, 0.01, 2.0), "x", (1.7, 0.01, 2.0)),
    "zeroth power": ((0.0, 2.0, 3.0), "x", (0.0, 2.0, 3.0)),
    "power of a constant": ((2.0, 0.0, 3.0), "x", (2.0, 0.0, 3.0)),
    "exponential": ((0.7, -0.3), "y", (0.7,)),
    "logarithm": ((1.4, 0.01, 2.0), "x", (1.4, 0.01, 2.0)),
}
"""By name, whose last word is the operation: its numbers, what its gradient is made of, and the numbers of that."""
OPERATIONS = {"power of a constant": "power", "clip above zero": "clip", "threshold below zero": "threshold"}


def calls_of(case, x="x", y="y"):
    operation = OPERATIONS.get(case, case.split()[-1])
    forward, known, backward = FUNCTIONS[case]

    def calls(engine, t):
        getattr(engine, operation)(t[x], t[y], *forward)
        if known:
            getattr(engine, f"{operation}_grad")(t[known.replace("x", x)], t["dy"], t["dx"], *backward)

    return calls


@pytest.mark.parametrize("case", FUNCTIONS)
@pytest.mark.parametrize("shape", EVERY_SHAPE)
def test_function_and_gradient(case, shape):
    assert left_to_reference(agree(dict.fromkeys(("x", "y", "dx", "dy"), shape), calls_of(case))) == []


@pytest.mark.parametrize("case", FUNCTIONS)
def test_in_place(case):
    operation = OPERATIONS.get(case, case.split()[-1])
    forward, known, backward = FUNCTIONS[case]

    def calls(engine, t):
        engine.copy(t["y"], t["x"])
        getattr(engine, operation)(t["y"], t["y"], *forward)
        if known:
            getattr(engine, f"{operation}_grad")(t[known], t["dy"], t["dy"], *backward)

    assert left_to_reference(agree(dict.fromkeys(("x", "y", "dy"), (2, 16, 5, 5)), calls)) == []


@pytest.mark.parametrize("case", FUNCTIONS)
def test_in_blocks(case):
    """Between convolutions of 20 channels, whose blocks have 12 more that must stay 0."""
    inner = calls_of(case, x="a")

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["a"], SAME)
        engine.convolution(t["x"], t["weight"], None, t["dy"], SAME)
        inner(engine, t)
        engine.convolution(t["y"], t["weight"], None, t["z"], SAME)

    shapes = {"weight": (20, 20, 3, 3), **dict.fromkeys(["x", "a", "y", "z", "dy", "dx"], SHAPE)}
    assert left_to_reference(agree(shapes, calls)) == []


@pytest.mark.parametrize("case", FUNCTIONS)
def test_numbers_that_are_none_or_beyond_all(case):
    """As the reference, but for a ReLU of NaN, which is 0, and a swish of what is infinitely small, which is NaN."""
    special = np.tile(np.float32([np.nan, np.inf, -np.inf, 0, 1e4, -1e4, 1, -1]), 5)
    if "power" in case or case == "logarithm":
        special = np.abs(special)  # signs of zeros and infinities that become NaN or not are the C library's affair
    shapes = dict.fromkeys(("x", "y", "dx", "dy"), (len(special),))
    actual, expected = tensors(shapes), tensors(shapes)
    for each in (actual, expected):
        each["x"].memory.write(HOST)[...] = special
    program = compiled(calls_of(case), actual)
    program.run()
    calls_of(case)(ReferenceEngine(), expected)
    wanted = numbers(expected["y"]).copy()
    if case == "relu":
        wanted[np.isnan(special)] = 0
    if case == "swish":
        wanted[special == -np.inf] = np.nan
    np.testing.assert_allclose(numbers(actual["y"]), wanted, rtol=1e-4, atol=1e-6)


# -- slopes that are learned -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slopes", [(20,), (), (1,)])
@pytest.mark.parametrize("calls", ["both", "data", "slope"])
def test_prelu_and_gradients(slopes, calls):
    def prelu(engine, t):
        engine.prelu(t["x"], t["slope"], t["y"])
        if calls != "data":
            engine.prelu_grad_slope(t["x"], t["dy"], t["dslope"])
        if calls != "slope":
            engine.prelu_grad_data(t["x"], t["slope"], t["dy"], t["dx"])

    for shape in ((2, 20), SHAPE, (2, 20, 5)):
        shapes = {**dict.fromkeys(["x", "y", "dy", "dx"], shape), "slope": slopes, "dslope": slopes}
        assert left_to_reference(agree(shapes, prelu)) == []


def test_prelu_in_place_in_blocks():
    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], SAME)
        engine.copy(t["y"], t["before"])
        engine.prelu(t["y"], t["slope"], t["y"])
        engine.convolution(t["y"], t["weight"], None, t["z"], SAME)
        engine.convolution(t["z"], t["weight"], None, t["dy"], SAME)
        engine.prelu_grad_slope(t["before"], t["dy"], t["dslope"])
        engine.prelu_grad_data(t["before"], t["slope"], t["dy"], t["dy"])

    shapes = {"weight": (20, 20, 3, 3), **dict.fromkeys(["x", "y", "z", "before", "dy"], SHAPE)}
    program = agree({**shapes, "slope": (20,), "dslope": (20,)}, calls)
    assert left_to_reference(program) == []
    assert not any("reorder" in name for name in program.names()), "nor is anything copied"
    assert sum("prelu_backward" in name for name in program.names()) == 1


# -- dropout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.9])
def test_dropout_draws_what_the_reference_draws(blocks, ratio):
    def calls(rng):
        def dropout(engine, t):
            if blocks:
                engine.convolution(t["x"], t["weight"], None, t["y"], SAME)
            engine.dropout(t["y"], t["z"], t["factors"], ratio, rng)
            engine.dropout_grad(t["dy"], t["factors"], t["dx"])

        return dropout

    shapes = {"weight": (20, 20, 3, 3), **dict.fromkeys(["x", "y", "z", "factors", "dy", "dx"], SHAPE)}
    actual, expected = tensors(shapes), tensors(shapes)
    program = compiled(calls(np.random.default_rng(3)), actual)
    assert left_to_reference(program) == []
    theirs = calls(np.random.default_rng(3))
    for _ in range(2):
        program.run()
        theirs(ReferenceEngine(), expected)
        for name in ("z", "factors", "dx"):
            np.testing.assert_allclose(numbers(actual[name]), numbers(expected[name]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("in_place", [True, False])
def test_gradient_of_dropout(in_place):
    def calls(engine, t):
        engine.dropout_grad(t["dy"], t["factors"], t["dy" if in_place else "dx"])

    assert left_to_reference(agree(dict.fromkeys(("dy", "factors", "dx"), (4, 50)), calls)) == []
