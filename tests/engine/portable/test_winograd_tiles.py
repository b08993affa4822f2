"""The transforms of tiles and of filters, a tile at a time, against the sum of products they stand for."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.vectors import splat
from caffe_sdk.engine.portable.loops.winograd_tiles import (
    filter_from_sums,
    filter_from_sums_5,
    transform_back,
    transform_back_of_2,
    transform_filter,
    transform_filter_5,
    transform_in,
    transform_out,
    transform_out_to_2,
)
from caffe_sdk.engine.portable.winograd_job import PLACES
from caffe_sdk.memory import aligned

TRANSFORMS = {3: (transform_filter, transform_out), 5: (transform_filter_5, transform_out_to_2)}

BACK = {3: (transform_back, filter_from_sums), 5: (transform_back_of_2, filter_from_sums_5)}


def correlated(x, w):
    """Each channel of a tile of x with its filter."""
    taps = len(w)
    step = len(x) + 1 - taps
    return sum(x[i : i + step, j : j + step] * w[i, j] for i in range(taps) for j in range(taps))


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("taps", TRANSFORMS)
def test_a_tile(taps, adds):
    of_filter, out = TRANSFORMS[taps]
    step = 7 - taps
    rng = np.random.default_rng(3)
    x, w, v, u, y, r = (aligned(n * LANES, np.float32) for n in (36, taps**2, PLACES, PLACES, step**2, step**2))
    for array in (x, w, r):
        array[...] = rng.standard_normal(array.size)

    @numba.njit
    def transform(x, w, v, u):
        transform_in(x, 6 * NBYTES, v, NBYTES)
        of_filter(w, NBYTES, u, NBYTES)

    @numba.njit
    def finish(m, y, r):
        out(m, NBYTES, y, r, step * NBYTES, splat(np.float32(2)), splat(np.float32(1)), splat(np.float32(0)))

    transform(x.ctypes.data, w.ctypes.data, v.ctypes.data, u.ctypes.data)
    m = aligned(v.size, np.float32)
    m[...] = u * v
    finish(m.ctypes.data, y.ctypes.data, r.ctypes.data if adds else 0)
    exact = correlated(x.reshape(6, 6, LANES).astype(float), w.reshape(taps, taps, LANES))
    expected = np.maximum(2 * exact.ravel() + 1 + (r if adds else 0), 0)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("taps", BACK)
def test_the_gradient_of_a_filter_from_one_tile(taps):
    of_gradient, back = BACK[taps]
    step = 7 - taps
    rng = np.random.default_rng(4)
    x, dy, v, m, dw = (aligned(n * LANES, np.float32) for n in (36, step**2, PLACES, PLACES, taps**2))
    for array in (x, dy):
        array[...] = rng.standard_normal(array.size)

    @numba.njit
    def transform(x, dy, v, m):
        transform_in(x, 6 * NBYTES, v, NBYTES)
        of_gradient(dy, step * NBYTES, m, NBYTES)

    @numba.njit
    def finish(sums, dw):
        back(sums, NBYTES, dw, NBYTES)

    transform(x.ctypes.data, dy.ctypes.data, v.ctypes.data, m.ctypes.data)
    sums = aligned(v.size, np.float32)
    sums[...] = v * m
    finish(sums.ctypes.data, dw.ctypes.data)
    exact = correlated(x.reshape(6, 6, LANES).astype(float), dy.reshape(step, step, LANES))
    np.testing.assert_allclose(dw, exact.ravel(), rtol=1e-4, atol=1e-4)
