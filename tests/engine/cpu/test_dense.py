"""Inner products and their gradients against the reference."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu import dense
from tests.engine.cpu.twins import agree, geometry, left_to_reference


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 10, 7), (64, 800, 500), (5, 500, 10), (2, 1, 1), (3, 33, 65)])
def test_inner_product_and_gradients(m, k, n, transpose, bias):
    weight = (k, n) if transpose else (n, k)
    shapes = {"x": (m, k), "weight": weight, "y": (m, n), "dx": (m, k), "dy": (m, n), "dweight": weight}
    if bias:
        shapes |= {"bias": (n,), "dbias": (n,)}

    def calls(engine, t):
        engine.inner_product(t["x"], t["weight"], t.get("bias"), t["y"], transpose)
        engine.inner_product_grad_weight(t["x"], t["dy"], t["dweight"], t.get("dbias"), transpose)
        engine.inner_product_grad_data(t["dy"], t["weight"], t["dx"], transpose)

    agree(shapes, calls)


@pytest.mark.parametrize("slope", [None, 0.0, 0.25])
@pytest.mark.parametrize("bias", [True, False])
def test_large_matrices_are_read_as_they_are_for_a_single_vector(monkeypatch, bias, slope):
    monkeypatch.setattr(dense, "LARGE", 1)
    shapes = {"x": (1, 70), "weight": (37, 70), "y": (1, 37)} | ({"bias": (37,)} if bias else {})

    def calls(engine, t):
        engine.inner_product(t["x"], t["weight"], t.get("bias"), t["y"], False)
        if slope is not None:
            engine.relu(t["y"], t["y"], slope)

    assert agree(shapes, calls).names() == ["inner_product_forward loop"]


def test_inner_product_of_what_a_convolution_left_in_blocks():
    g = geometry((3, 3))
    shapes = {
        "x": (4, 16, 6, 6),
        "weight": (32, 16, 3, 3),
        "y": (4, 32, 4, 4),
        "weight2": (10, 512),
        "z": (4, 10),
        "dz": (4, 10),
        "dy": (4, 32, 4, 4),
        "dx": (4, 16, 6, 6),
    }

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.inner_product(t["y"].reshaped(4, 512), t["weight2"], None, t["z"], False)
        engine.inner_product_grad_data(t["dz"], t["weight2"], t["dy"].reshaped(4, 512), False)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    assert left_to_reference(agree(shapes, calls)) == []
