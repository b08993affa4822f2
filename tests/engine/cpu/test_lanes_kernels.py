"""The loops on images in lanes, by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.lanes_job import LANES
from caffe_sdk.engine.portable.job import address


def filled(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("filters", [1, 2, 9])
def test_only_the_maximum_is_left(filters: int) -> None:
    x, w, bias = filled(2, 4, 6, 16), filled(filters, 1), filled(filters)
    y = np.zeros((2, filters, 2, 3, 16), np.float32)
    taps = np.zeros(1, np.int64)
    values = {"items": 4, "filters": filters, "count": 1, "slope": 0.5, "x_image": x[0].nbytes, "y_image": y[0].nbytes}
    values |= {"across": 64, "down": 6 * 64, "height": 2, "width": 3}
    where = {"x": x, "w": w, "bias": bias, "y": y, "taps": taps}
    Job("convolve_and_pool", LANES, values | {name: address(array) for name, array in where.items()}).run()
    windows = x.reshape(2, 1, 2, 2, 3, 2, 16) * w.reshape(1, -1, 1, 1, 1, 1, 1) + bias.reshape(1, -1, 1, 1, 1, 1, 1)
    expected = windows.max(axis=(3, 5))
    np.testing.assert_allclose(y, np.where(expected > 0, expected, 0.5 * expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("rows", "of_part"), [(1, 10), (23, 10), (20, 20)])
@pytest.mark.parametrize("blocks", [2, 5])
def test_products(rows: int, of_part: int, blocks: int) -> None:
    x, w, bias, y = filled(blocks, 7, 16), filled(rows, 7), filled(rows), np.zeros((blocks, rows, 16), np.float32)
    taps = 64 * np.arange(7, dtype=np.int64)
    values = {"items": -(-rows // of_part), "filters": rows, "count": 7, "slope": 1.0, "of_part": of_part}
    values |= {"blocks": blocks, "x_image": x[0].nbytes, "y_image": y[0].nbytes}
    where = {"x": x, "w": w, "bias": bias, "y": y, "taps": taps}
    Job("multiply_lanes", LANES, values | {name: address(array) for name, array in where.items()}).run()
    np.testing.assert_allclose(y, np.einsum("bcl,kc->bkl", x, w) + bias[:, None], rtol=1e-5, atol=1e-5)
