"""Softmax and its gradient against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, compiled, numbers, tensors


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 10), 1), ((1, 1000), 1), ((2, 20, 5, 5), 1), ((2, 3, 4), 2), ((2, 3, 4), 0), ((6,), 0)]
)
def test_softmax_and_gradient(shape, axis):
    def calls(engine, t):
        engine.softmax(t["x"], t["y"], axis)
        engine.softmax_grad(t["y"], t["dy"], t["dx"], axis)

    agree(dict.fromkeys(("x", "y", "dx", "dy"), shape), calls)


def test_softmax_in_place_of_large_numbers():
    t = tensors({"x": (3, 10)})
    t["x"].memory.update(HOST)[...] *= 1000
    compiled(lambda e, t: e.softmax(t["x"], t["x"], 1), t).run()
    np.testing.assert_allclose(numbers(t["x"]).sum(axis=1), 1, rtol=1e-5)
