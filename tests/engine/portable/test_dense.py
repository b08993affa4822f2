"""Inner products, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.portable import PortableEngine, dense
from caffe_sdk.engine.portable.loops.dense import DEPTH, products_of_rows
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors


def calls(transpose, bias=True):
    def compute(engine, t):
        engine.inner_product(t["x"], t["weight"], t["bias"] if bias else None, t["y"], transpose)
        engine.inner_product_grad_data(t["dy"], t["weight"], t["dx"], transpose)
        engine.inner_product_grad_weight(t["x"], t["dy"], t["dweight"], t["dbias"] if bias else None, transpose)

    return compute


def shapes(rows, inputs, outputs, transpose):
    weight = (inputs, outputs) if transpose else (outputs, inputs)
    x, y = (rows, inputs), (rows, outputs)
    return {"x": x, "weight": weight, "bias": (outputs,), "y": y} | {
        "dx": x,
        "dweight": weight,
        "dbias": (outputs,),
        "dy": y,
    }


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("rows", [1, dense.FEW, dense.FEW + 1])
def test_inner_product_and_gradients(rows, transpose):
    agree(shapes(rows, 37, 11, transpose), calls(transpose))
    agree(shapes(rows, 16, 4, transpose), calls(transpose, bias=False))


@pytest.mark.parametrize("transpose", [False, True])
def test_gradients_of_weights_piece_by_piece(monkeypatch, transpose):
    monkeypatch.setattr(dense, "PIECE", 50)
    agree(shapes(3, 20, 30, transpose), calls(transpose))


def test_gradients_that_begin_with_zeros():
    t, expected = tensors(shapes(3, 4, 5, False)), tensors(shapes(3, 4, 5, False))
    for engine, on in ((PortableEngine(), t), (ReferenceEngine(), expected)):
        on["dweight"].memory.clear()
        for _ in range(2):
            engine.inner_product_grad_weight(on["x"], on["dy"], on["dweight"], None, False)
    got, wanted = (on["dweight"].memory.read(HOST) for on in (t, expected))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("depth", [1, DEPTH, DEPTH + 5, 3 * DEPTH])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 9])
def test_products_of_rows(rng, depth, outputs):
    x, weight = rng.standard_normal((2, depth)).astype("f"), rng.standard_normal((outputs, depth)).astype("f")
    y = np.full((2, outputs), np.nan, np.float32)
    products_of_rows(x, weight, y)
    np.testing.assert_allclose(y, x @ weight.T, rtol=1e-4, atol=1e-3)
