"""Scale and shift, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.portable.loops import channels
from tests.engine.portable.twins import agree


@pytest.mark.parametrize(("shape", "axis"), [((3,), 1), ((3, 4), 1), ((5,), 3), ((), 0), ((2, 3, 4, 5), 0)])
def test_affine_and_gradients(shape, axis):
    x = (2, 3, 4, 5)

    def calls(engine, t):
        engine.affine(t["x"], t["scale"], t["shift"], t["y"], axis)
        engine.affine(t["x"], None, t["shift"], t["dx"], axis)
        engine.affine(t["dx"], t["scale"], None, t["dx"], axis)
        engine.affine_grad_data(t["dy"], t["scale"], t["dx"], axis)
        engine.affine_grad_scale(t["x"], t["dy"], t["dscale"], axis)
        engine.affine_grad_shift(t["dy"], t["dshift"], axis)

    everything = dict.fromkeys(("x", "y", "dx", "dy"), x)
    agree(everything | dict.fromkeys(("scale", "shift", "dscale", "dshift"), shape), calls)


def test_moments_of_large_sums(rng):
    x = (rng.standard_normal((4, 2, 5000)) + 1000).astype(np.float32)
    mean, variance = np.empty((2, 2), np.float32)
    channels.moments(x, mean, variance)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2), dtype=float), rtol=1e-6)
    np.testing.assert_allclose(variance, x.var(axis=(0, 2), dtype=float), rtol=1e-5)
