"""Pooling against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.memory import new_tensor
from tests.engine.reference.tensors import ENGINE, tensor, values

FLT_MAX = np.finfo(np.float32).max


POOLINGS = [
    PoolingGeometry((2, 2), (2, 2), (0, 0)),
    PoolingGeometry((3, 3), (2, 2), (1, 1)),
    PoolingGeometry((3, 2), (1, 3), (2, 1)),
    PoolingGeometry((3, 3), (2, 2), (0, 0), ceil=False),
    PoolingGeometry((4, 4), (3, 3), (3, 3)),
]


@pytest.mark.parametrize("geometry", POOLINGS, ids=str)
def test_pooling_looks_at_its_windows(rng: np.random.Generator, geometry: PoolingGeometry) -> None:
    x = rng.normal(size=(2, 3, 7, 8))
    out = geometry.output_size((7, 8))
    y, mask, average = (new_tensor((2, 3, *out), t) for t in (np.float64, np.int32, np.float64))
    ENGINE.max_pool(tensor(x), y, mask, geometry)
    ENGINE.average_pool(tensor(x), average, geometry)
    for i, j in np.ndindex(*out):
        top, bottom, height = geometry.window(i, 7, 0)
        left, right, width = geometry.window(j, 8, 1)
        seen = x[:, :, top:bottom, left:right]
        np.testing.assert_array_equal(values(y)[:, :, i, j], seen.max(axis=(2, 3)))
        np.testing.assert_allclose(values(average)[:, :, i, j], seen.sum(axis=(2, 3)) / (height * width))
    flat = x.reshape(2, 3, 56)
    chosen = np.take_along_axis(flat, values(mask).reshape(2, 3, -1), axis=2)
    np.testing.assert_array_equal(chosen.reshape(values(y).shape), values(y))


def test_first_of_equal_maxima_is_chosen() -> None:
    y, mask = new_tensor((1, 1, 1, 2)), new_tensor((1, 1, 1, 2), np.int32)
    ENGINE.max_pool(tensor(np.ones((1, 1, 3, 4)), np.float32), y, mask, PoolingGeometry((3, 2), (1, 2), (0, 0)))
    assert values(mask).tolist() == [[[[0, 2]]]]


def test_windows_outside_the_image() -> None:
    """Stride 2 and kernel 1 over 4 values give a third window past the end, as in Caffe."""
    geometry = PoolingGeometry((1, 1), (2, 2), (0, 0))
    x = tensor(np.arange(16).reshape(1, 1, 4, 4), np.float32)
    y, mask = new_tensor((1, 1, 3, 3)), new_tensor((1, 1, 3, 3), np.int32)
    ENGINE.max_pool(x, y, mask, geometry)
    assert values(y)[0, 0].tolist() == [[0, 2, -FLT_MAX], [8, 10, -FLT_MAX], [-FLT_MAX] * 3]
    assert values(mask)[0, 0].tolist() == [[0, 2, -1], [8, 10, -1], [-1] * 3]
    dx = new_tensor((1, 1, 4, 4))
    ENGINE.max_pool_grad(tensor(np.ones((1, 1, 3, 3)), np.float32), mask, dx, geometry)
    assert values(dx).sum() == 4
    ENGINE.average_pool(x, y, geometry)
    assert values(y)[0, 0].tolist() == [[0, 2, 0], [8, 10, 0], [0, 0, 0]]


def test_not_a_number_comes_out_of_the_window_it_is_in() -> None:
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, 0, 3] = np.nan
    y = new_tensor((1, 1, 1, 2), np.float64)
    ENGINE.max_pool(tensor(x), y, None, PoolingGeometry((2, 2), (2, 2), (0, 0)))
    np.testing.assert_array_equal(values(y), [[[[0, np.nan]]]])


def test_stochastic_pooling_draws_in_proportion_to_the_values(rng: np.random.Generator) -> None:
    geometry = PoolingGeometry((2, 2), (2, 2), (0, 0))
    x = np.broadcast_to(np.array([[1.0, 2.0], [0.0, 5.0]]), (4000, 1, 2, 2)).copy()
    y, mask = new_tensor((4000, 1, 1, 1), np.float64), new_tensor((4000, 1, 1, 1), np.int32)
    ENGINE.stochastic_pool(tensor(x), y, mask, geometry, rng)
    drawn = values(mask).ravel()
    np.testing.assert_array_equal(values(y).ravel(), x.reshape(4000, 4)[np.arange(4000), drawn])
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.03)


def test_expected_pooling_is_the_mean_of_the_draws() -> None:
    x = np.array([[[[1.0, 2.0, 0.0], [0.0, 5.0, 0.0]]]])
    geometry = PoolingGeometry((2, 2), (1, 2), (0, 0))
    y = new_tensor((1, 1, 1, 2), np.float64)
    ENGINE.expected_pool(tensor(x), y, geometry)
    np.testing.assert_allclose(values(y).ravel(), [30 / 8, 0])
