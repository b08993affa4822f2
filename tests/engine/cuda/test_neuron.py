"""Functions of single values, beyond the table of cases: what is not finite, and the numbers NumPy draws."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.reference import ReferenceEngine
from tests.engine.cuda.twins import agree, get, simulated, tensors

ODD = [np.nan, np.inf, -np.inf, 0, -0.0, 3e38, -3e38, 1e-40]
SHAPES = {"x": (2, 4), "y": (2, 4), "dy": (2, 4), "dx": (2, 4)}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("relu", (0.0,)),
        ("relu", (0.5,)),
        ("sigmoid", ()),
        ("tanh", ()),
        ("elu", (0.5,)),
        ("bnll", ()),
        ("clip", (-1.0, 2.0)),
        ("threshold", (0.5,)),
        ("absolute", ()),
        ("power", (1.0, 2.0, 1.0)),
        ("power", (2.0, 1.0, 0.0)),
        ("power", (1.5, 1.0, 0.0)),
        ("exponential", (1.0, 0.0)),
        ("logarithm", (1.0, 1.0, 0.0)),
    ],
)
def test_what_is_not_finite_goes_where_it_goes_on_the_host(name, numbers):
    agree(SHAPES, lambda engine, t: getattr(engine, name)(t["x"], t["y"], *numbers), given={"x": ODD})


@pytest.mark.parametrize("name", ["relu_grad", "elu_grad", "bnll_grad", "absolute_grad"])
def test_gradients_of_what_is_not_finite(name):
    numbers = {"relu_grad": (0.5,), "elu_grad": (0.5,)}.get(name, ())
    agree(SHAPES, lambda e, t: getattr(e, name)(t["x"], t["dy"], t["dx"], *numbers), given={"x": ODD})


def test_the_slope_of_a_prelu_sums_over_much():
    shapes = {"x": (5, 3, 40, 7), "dy": (5, 3, 40, 7), "one": (1,), "each": (3,)}

    def calls(engine, t):
        engine.prelu_grad_slope(t["x"], t["dy"], t["one"])
        engine.prelu_grad_slope(t["x"], t["dy"], t["each"])

    agree(shapes, calls)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 16, 17, 1000])
def test_masks_are_those_of_the_host_and_the_generator_goes_on_as_there(count):
    """From every state: with a half of a number left over from before, and without."""
    for before in range(3):
        made = []
        for engine in (ReferenceEngine(), simulated()):
            rng, t = np.random.default_rng(7), tensors({"x": (count,), "y": (count,), "m": (count,)})
            rng.random(before, np.float32)
            for _ in range(3):
                engine.dropout(t["x"], t["y"], t["m"], 0.4, rng)
            made.append((get(t["m"]).copy(), get(t["y"]).copy(), rng.random(3, np.float32), rng.random(3)))
        for wanted, got in zip(*made, strict=True):
            np.testing.assert_array_equal(got, wanted)
