"""Inner product, and its gradients, against matrix products."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.reference.tensors import ENGINE, empty, tensor, values


@pytest.mark.parametrize("transpose", [False, True])
def test_inner_product(rng: np.random.Generator, transpose: bool) -> None:
    x, weight, bias, dy = (rng.normal(size=size) for size in [(3, 5), (4, 5), (4,), (3, 4)])
    stored = tensor(weight.T if transpose else weight)
    y, dx = empty(3, 4), empty(3, 5)
    ENGINE.inner_product(tensor(x), stored, tensor(bias), y, transpose)
    np.testing.assert_allclose(values(y), x @ weight.T + bias)
    ENGINE.inner_product(tensor(x), stored, None, y, transpose)
    np.testing.assert_allclose(values(y), x @ weight.T)
    ENGINE.inner_product_grad_data(tensor(dy), stored, dx, transpose)
    np.testing.assert_allclose(values(dx), dy @ weight)
    dweight, dbias = tensor(np.ones(stored.shape)), tensor(np.ones(4))
    ENGINE.inner_product_grad_weight(tensor(x), tensor(dy), dweight, None, transpose)
    ENGINE.inner_product_grad_weight(tensor(x), tensor(dy), None, dbias, transpose)
    np.testing.assert_allclose(values(dweight), 1 + ((dy.T @ x).T if transpose else dy.T @ x))
    np.testing.assert_allclose(values(dbias), 1 + dy.sum(axis=0))
