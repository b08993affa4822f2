"""Sums over channels in parts."""

from __future__ import annotations

import pytest

from tests.engine.cuda.twins import agree


@pytest.mark.parametrize("shape", [(3, 4, 50, 21), (3000, 4), (1, 3, 5000), (2, 0, 3), (0, 4, 3), (7, 4, 1)])
def test_gradients_are_sums_over_all_else(shape):
    def calls(engine, t):
        for _ in range(2):
            engine.affine_grad_scale(t["x"], t["dy"], t["dscale"], 1)
            engine.affine_grad_shift(t["dy"], t["dshift"], 1)

    agree({"x": shape, "dy": shape, "dscale": shape[1:2], "dshift": shape[1:2]}, calls)


def test_coefficients_along_several_axes_and_all():
    def calls(engine, t):
        engine.affine(t["x"], t["ab"], t["ab"], t["y"], 0)
        engine.affine(t["x"], t["one"], None, t["z"], 0)
        engine.affine_grad_data(t["y"], t["b"], t["y"], 1)
        engine.affine_grad_scale(t["x"], t["y"], t["one"], 0)

    agree({"x": (2, 3, 4), "y": (2, 3, 4), "z": (2, 3, 4), "ab": (2, 3), "b": (3,), "one": ()}, calls)
