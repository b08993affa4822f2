"""Where the largest values are, among equal ones and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.cuda.twins import agree


@pytest.mark.parametrize("kind", ["SUM", "ASUM", "SUMSQ"])
def test_sums(kind):
    def calls(engine, t):
        engine.reduce(t["x"], t["y"], kind, 0.5)
        engine.reduce_grad(t["x"], t["y"], t["dx"], kind, 0.5)

    agree({"x": (4, 300), "y": (4,), "dx": (4, 300)}, calls)


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_largest(axis, k):
    values = np.random.default_rng(5).integers(0, 4, (6, 7, 8)).astype(float)
    values[2, 3] = np.nan
    values[4, :, 5] = -np.inf
    shape = tuple(k if i == axis else n for i, n in enumerate((6, 7, 8)))

    def calls(engine, t):
        engine.largest(t["x"], t["i"], t["v"], axis)
        engine.largest(t["x"], t["j"], None, axis)
        engine.largest(t["x"], None, t["u"], axis)

    agree({"x": (6, 7, 8), "i": shape, "v": shape, "j": shape, "u": shape}, calls, given={"x": values})


@pytest.mark.parametrize("with_values", [False, True])
def test_largest_of_rows(with_values):
    shape = (5, 1 + with_values, 3)
    agree({"x": (5, 9), "y": shape}, lambda e, t: e.largest_of_rows(t["x"], t["y"], with_values))
