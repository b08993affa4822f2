"""Sixteen numbers at once: what compiled loops compute with them is what NumPy computes."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba import types

from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.products import dot_products, product
from caffe_sdk.engine.portable.loops.vectors import (
    load,
    prefetch,
    rectified,
    rounded,
    splat,
    store,
    take_ticket,
    transpose,
    widened,
)

X = np.linspace(-2, 3, LANES, dtype=np.float32)
Y = np.linspace(5, -1, LANES, dtype=np.float32)


def computed(function):
    """What a function makes of the vectors X and Y."""
    compiled = numba.njit(function)

    @numba.njit
    def loop(x, y, result):
        prefetch(x)
        store(result, compiled(load(x), load(y)))

    result = np.zeros(LANES + 1, np.float32)
    loop(X.ctypes.data, Y.ctypes.data, result[1:].ctypes.data)  # on no multiple of 64
    assert result[0] == 0
    return result[1:]


def test_arithmetic():
    np.testing.assert_array_equal(computed(lambda x, y: x + y), X + Y)
    np.testing.assert_array_equal(computed(lambda x, y: x - y), X - Y)
    np.testing.assert_array_equal(computed(lambda x, y: x * y), X * Y)
    np.testing.assert_array_equal(computed(lambda x, y: x * splat(np.float32(3))), X * 3)


def test_numbers_of_64_bits():
    third = 1 / 3
    got = computed(lambda x, y: rounded(widened(x) * splat(third) + widened(y)))
    np.testing.assert_allclose(got, X.astype(np.float64) * third + Y, rtol=6e-8, atol=1e-15)  # rounded once


@pytest.mark.parametrize("slope", [0, 0.25, 1])
def test_rectified(slope):
    number = np.float32(slope)
    got = computed(lambda x, y: rectified(x, splat(number)))
    np.testing.assert_array_equal(got, np.where(X > 0, X, number * X))


def test_tickets():
    take = numba.cfunc(types.int64(types.CPointer(types.int64)))(lambda pointer: take_ticket(pointer))
    counter = np.array([5])
    assert [take.ctypes(counter.ctypes.data_as(take.ctypes.argtypes[0])) for _ in range(3)] == [5, 6, 7]
    assert counter[0] == 8


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("width", "count"), [(1, 1), (3, 16), (4, 39)])
def test_product(width, count, transposed, add):
    rows, distance = 6, 5 * NBYTES
    multiply = product(rows, width, distance, depth=16)

    @numba.njit(types.void(*(types.int64,) * 6, types.boolean))
    def loop(a, a_row, a_step, b, c, count, add):
        multiply(a, a_row, a_step, b, c, count, add)

    rng = np.random.default_rng(3)
    a = rng.standard_normal((count, rows) if transposed else (rows, count)).astype(np.float32)
    b, c = (rng.standard_normal((n, distance // 4)).astype(np.float32) for n in (count, rows))
    expected = c.copy()
    columns = slice(0, width * LANES)
    expected[:, columns] = (a.T if transposed else a) @ b[:, columns] + add * c[:, columns]
    steps = a.strides[::-1] if transposed else a.strides
    loop(a.ctypes.data, *steps, b.ctypes.data, c.ctypes.data, count, add)
    np.testing.assert_allclose(c, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (4, 2), (12, 2)])
def test_products_of_rows_with_rows(rows, width):
    """Those of all numbers but the last sixteen, on top of what was there."""
    multiply = dot_products(rows, width, 64)

    @numba.njit
    def loop(a, a_row, b, b_row, count, c):
        multiply(a, a_row, b, b_row, count, c)

    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((rows, 48), np.float32), rng.standard_normal((width, 64), np.float32)
    c = np.ones((rows, width, LANES), np.float32)
    loop(a.ctypes.data, 48 * 4, b.ctypes.data, 64 * 4, 2 * NBYTES, c.ctypes.data)
    expected = np.einsum("iks,jks->ijs", a[:, :32].reshape(rows, 2, -1), b[:, :32].reshape(width, 2, -1))
    np.testing.assert_allclose(c, 1 + expected, rtol=1e-5, atol=1e-5)


def test_sixteen_vectors_transposed():
    @numba.njit
    def loop(x, x_row, y, y_row):
        transpose(x, x_row, y, y_row)

    x, y = np.arange(LANES * 20, dtype=np.float32).reshape(LANES, 20), np.zeros((LANES, 18), np.float32)
    loop(x.ctypes.data, 80, y.ctypes.data, 72)
    np.testing.assert_array_equal(y[:, :LANES], x[:, :LANES].T)
    assert not y[:, LANES:].any()
