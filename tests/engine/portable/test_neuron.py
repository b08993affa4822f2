"""Functions of single values, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.portable.loops import neuron as loops
from tests.engine.portable.twins import agree

X = (3, 5, 2, 7)
SHAPES = dict.fromkeys(("x", "y", "dy", "dx"), X)


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])
@pytest.mark.parametrize("in_place", [False, True])
def test_relu_and_gradient(slope, in_place):
    def calls(engine, t):
        y, dx = (t["x"], t["dy"]) if in_place else (t["y"], t["dx"])
        engine.relu(t["x"], y, slope)
        engine.relu_grad(t["x"], t["dy"], dx, slope)

    agree(SHAPES, calls)


@pytest.mark.parametrize("slopes", [5, 1])
@pytest.mark.parametrize("in_place", [False, True])
def test_prelu_and_gradients(slopes, in_place):
    def calls(engine, t):
        y, dx = (t["y"], t["dy"]) if in_place else (t["y"], t["dx"])
        engine.prelu(t["x"], t["slope"], y)
        engine.prelu_grad_slope(t["x"], t["dy"], t["dslope"])
        engine.prelu_grad_data(t["x"], t["slope"], t["dy"], dx)
        engine.prelu(t["x"], t["slope"], t["x"])

    agree(SHAPES | {"slope": (slopes,), "dslope": (slopes,)}, calls)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.9])
def test_dropout_draws_what_the_reference_draws(ratio):
    def calls(engine, t):
        rng = np.random.default_rng(3)
        engine.dropout(t["x"], t["y"], t["factors"], ratio, rng)
        engine.dropout(t["y"], t["y"], t["factors"], ratio, rng)
        engine.dropout_grad(t["dy"], t["factors"], t["dx"])

    agree(SHAPES | {"factors": X}, calls)


def test_leaky():
    x = np.array([-2, 0, 3], np.float32)
    y = np.empty_like(x)
    loops.leaky(x, y, np.float32(0.5))
    assert y.tolist() == [-1, 0, 3]
