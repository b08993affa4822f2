"""Inner products of all shapes, with sums of nothing."""

from __future__ import annotations

import pytest

from tests.engine.cuda.twins import agree


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (5, 3, 7), (0, 3, 2), (3, 0, 2), (3, 2, 0), (64, 10, 50)])
def test_all_three_products(m, n, k, transpose):
    def calls(engine, t):
        engine.inner_product(t["x"], t["w"], t["b"], t["y"], transpose)
        engine.inner_product_grad_data(t["dy"], t["w"], t["dx"], transpose)
        for _ in range(2):
            engine.inner_product_grad_weight(t["x"], t["dy"], t["dw"], t["db"], transpose)
        engine.inner_product_grad_weight(t["x"], t["dy"], None, t["db"], transpose)

    weight = (k, n) if transpose else (n, k)
    names = {"x": (m, k), "w": weight, "b": (n,), "y": (m, n), "dy": (m, n), "dx": (m, k), "dw": weight, "db": (n,)}
    agree(names, calls)
