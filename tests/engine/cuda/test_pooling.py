"""Windows with NaN, windows outside the image, and values drawn as on the host."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.reference import ReferenceEngine
from tests.engine.cuda.twins import agree, get, put, simulated, tensors

GEOMETRIES = [
    PoolingGeometry((3, 3), (2, 2), (0, 0)),
    PoolingGeometry((3, 2), (2, 3), (1, 1)),
    PoolingGeometry((2, 2), (3, 3), (0, 0)),
    PoolingGeometry((3, 3), (1, 1), (2, 2)),
    PoolingGeometry((7, 6), (1, 1), (0, 0)),
]


def shapes(g):
    y = (2, 3, *g.output_size((7, 6)))
    return {"x": (2, 3, 7, 6), "y": y, "mask": y, "dx": (2, 3, 7, 6)}


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
def test_windows(g):
    def calls(engine, t):
        engine.max_pool(t["x"], t["y"], t["mask"], g)
        engine.max_pool_grad(t["y"], t["mask"], t["dx"], g)
        engine.max_pool(t["dx"], t["y"], None, g)
        engine.average_pool_grad(t["y"], t["dx"], g)
        engine.average_pool(t["dx"], t["y"], g)

    agree(shapes(g), calls)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_odd_values(value):
    x = np.random.default_rng(2).standard_normal((2, 3, 7, 6))
    x[0, 0] = value
    x[1, 2, 3, 3] = value
    for g in GEOMETRIES[:2]:
        agree(shapes(g), lambda e, t, g=g: e.max_pool(t["x"], t["y"], t["mask"], g), given={"x": x})


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
def test_drawn_values_are_those_of_the_host(g):
    made = []
    for engine in (ReferenceEngine(), simulated()):
        t, rng = tensors(shapes(g)), np.random.default_rng(4)
        rng.random(1, np.float32)
        put(t["x"], np.abs(get(t["x"])) * (get(t["x"]) > -0.5))
        for _ in range(2):
            engine.stochastic_pool(t["x"], t["y"], t["mask"], g, rng)
        made.append((get(t["y"]).copy(), get(t["mask"]).copy(), rng.random(3, np.float32)))
    for wanted, got in zip(*made, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
def test_expected_values(g):
    x = np.abs(np.random.default_rng(2).standard_normal((2, 3, 7, 6)))

    def calls(engine, t):
        engine.expected_pool(t["x"], t["y"], g)
        engine.expected_pool_grad(t["x"], t["y"], t["dx"], g)

    agree(shapes(g), calls, given={"x": x})
