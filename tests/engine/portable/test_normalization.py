"""Normalizations by loops, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.portable.loops import lrn
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree

X = (3, 7, 4, 5)
BATCH = {"x": X, "y": X, "normalized": X, "deviation": (7,), "mean": (7,), "variance": (7,), "weight": (1,)}


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0])
@pytest.mark.parametrize("size", [1, 5, 21])
def test_lrn_and_gradient(size, beta, within):
    def calls(engine, t):
        engine.lrn(t["x"], t["z"], None, size, 0.1, beta, 2.0, within)
        engine.lrn(t["x"], t["y"], t["scale"], size, 0.1, beta, 2.0, within)
        engine.lrn_grad(t["x"], t["y"], t["scale"], t["dy"], t["dx"], size, 0.1, beta, 2.0, within)
        engine.lrn_grad(t["x"], t["y"], t["scale"], t["dy"], t["dy"], size, 0.1, beta, 2.0, within)

    agree(dict.fromkeys(("x", "y", "z", "scale", "dy", "dx"), X), calls)


def test_power(rng):
    scale = rng.uniform(0.5, 3, 10).astype(np.float32)
    for beta in (0.75, 0.3):
        got = [lrn.to_minus(value, np.float32(beta)) for value in scale]
        np.testing.assert_allclose(got, scale ** np.float32(-beta), rtol=1e-6)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [X, (6, 7)])
def test_batch_norm_and_gradient(shape, in_place):
    def calls(engine, t):
        y = t["x" if in_place else "y"]
        running = [t[name] for name in ("mean", "variance", "weight")]
        engine.batch_norm(t["x"], y, t["normalized"], t["deviation"], *running, 1e-5, 0.9)
        engine.batch_norm_grad(t["normalized"], t["deviation"], t["dy"], t["dy" if in_place else "dx"])

    agree(BATCH | {"x": shape, "y": shape, "normalized": shape, "dy": shape, "dx": shape}, calls)


@pytest.mark.parametrize("weight", [0, 2.5])
def test_batch_norm_with_what_was_learned(weight):
    def calls(engine, t):
        t["weight"].memory.write(HOST)[...] = weight
        variance = t["variance"].memory.update(HOST)
        variance[...] = np.abs(variance)
        running = [t[name] for name in ("mean", "variance", "weight")]
        engine.batch_norm_global(t["x"], t["y"], t["deviation"], *running, 1e-5)
        engine.batch_norm_global_grad(t["deviation"], t["dy"], t["dx"])

    tolerance = 1e-3 if weight == 0 else 2e-5  # everything is divided by the root of eps
    agree(BATCH | {"dy": X, "dx": X}, calls, tolerance=tolerance)


def test_a_mean_far_from_zero():
    def calls(engine, t):
        values = t["x"].memory.update(HOST)
        values += 100
        running = [t[name] for name in ("mean", "variance", "weight")]
        engine.batch_norm(t["x"], t["y"], t["normalized"], t["deviation"], *running, 1e-5, 0.9)

    agree(BATCH, calls, tolerance=1e-4)
