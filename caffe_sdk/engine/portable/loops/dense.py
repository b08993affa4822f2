"""The product of few rows with many."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, inlined
from caffe_sdk.engine.portable.loops.instructions import LANES
from caffe_sdk.engine.portable.loops.products import IN_REGISTERS, dot_products
from caffe_sdk.engine.portable.loops.vectors import load, total
from caffe_sdk.memory import Array

DEPTH = 512
"""Numbers of a row that are worked on at once; sums of so many are added up, which keeps rounding errors small."""
AHEAD = 1024
"""Bytes from what is multiplied to what is fetched meanwhile."""
SOME, MANY = (4, 12) if IN_REGISTERS > 1 else (3, 3)
"""Rows of x that two rows of the weight are multiplied with at once: up to four, or more."""

_with_some, _with_many = dot_products(SOME, 2, AHEAD), dot_products(MANY, 2, AHEAD)


@inlined
def _address(row: Array) -> Any:
    return np.int64(row.ctypes.data)


@compiled
def products_of_rows(x: Array, weight: Array, y: Array) -> None:
    """y (m, n) = x (m, k) weight (n, k)^T, which reads the weight once."""
    m, depth = x.shape
    n = weight.shape[0]
    whole = depth // LANES * LANES
    at_once = SOME if m <= SOME else MANY
    apart = (whole // LANES | 1) * LANES  # an odd number of cache lines, so that rows do not meet in the cache
    rows = np.zeros(((m + at_once - 1) // at_once * at_once, apart), np.float32)
    for i in range(m):
        for k in range(whole):
            rows[i, k] = x[i, k]
    sums = np.empty((len(rows), 2, LANES), np.float32)
    x_row, w_row = 4 * apart, 4 * depth
    for first in range(0, n, 2):
        count = min(2, n - first)
        sums[:] = 0
        for start in range(0, whole, DEPTH):
            length, w = 4 * min(DEPTH, whole - start), _address(weight[first, start:])
            for i in range(0, len(rows), at_once):
                a, c = _address(rows[i, start:]), _address(sums[i])
                if at_once == SOME:
                    _with_some(a, x_row, w, w_row * (count - 1), length, c)
                else:
                    _with_many(a, x_row, w, w_row * (count - 1), length, c)
        for i in range(m):
            for j in range(count):
                product = total(load(_address(sums[i, j])))
                for k in range(whole, depth):
                    product += x[i, k] * weight[first + j, k]
                y[i, first + j] = product
