"""More tensors than a launch takes, types that differ, and results that are their own input."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.cuda.twins import agree

MANY = {f"x{i:02}": (7,) for i in range(35)}


@pytest.mark.parametrize("own", [None, 0, 3, 20, 34])
def test_many_tensors(own):
    def calls(engine, t):
        xs = [t[name] for name in MANY]
        y = t["y"] if own is None else xs[own]
        engine.add_all(xs, y)
        engine.weighted_sum(xs, y, [0.1 * i for i in range(35)])
        if own is None:
            engine.maximum(xs, t["z"], t["mask"])
            engine.maximum_grad(t["mask"], t["dy"], t["dx"], 20)
        engine.product(xs, y)

    agree({**MANY, "y": (7,), "z": (7,), "mask": (7,), "dy": (7,), "dx": (7,)}, calls)


def test_gradients_of_products():
    def calls(engine, t):
        xs = [t[name] for name in MANY][:20]
        engine.product(xs, t["y"])
        engine.product_grad(xs, t["y"], t["dy"], t["dx"], 18, True)
        engine.product_grad(xs, t["y"], t["dy"], t["dz"], 2, False)

    agree({**MANY, "y": (7,), "dy": (7,), "dx": (7,), "dz": (7,)}, calls)


def test_equal_ones_are_chosen_as_caffe_does():
    def calls(engine, t):
        engine.maximum([t["a"], t["b"], t["c"]], t["y"], t["mask"])

    given = {"a": [1, 2, 1, np.nan], "b": [1, 2, 1, 3], "c": [1, 2, 5, 1]}
    t = agree({"a": (4,), "b": (4,), "c": (4,), "y": (4,), "mask": (4,)}, calls, given=given)
    assert t["mask"].memory.read(t["mask"].memory.places[0]).tolist() == [1, 1, 2, 0]


def test_types():
    def calls(engine, t):
        engine.fill(t["mask"], 3)
        engine.copy(t["mask"], t["x"])
        engine.accumulate(t["x"], t["y"])
        engine.copy(t["y"], t["mask2"])
        engine.copy(t["mask2"], t["mask3"])
        engine.copy(t["y"], t["z"])

    agree({"mask": (5,), "x": (5,), "y": (5,), "mask2": (5,), "mask3": (5,), "z": (5,)}, calls)
