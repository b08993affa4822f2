"""The product of few rows with many."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, inlined
from caffe_sdk.engine.portable.loops.vectors import LANES, NBYTES, load, splat, store
from caffe_sdk.memory import Array

DEPTH = 1024
"""Numbers of a row that are worked on at once; sums of so many are added up, which keeps rounding errors small."""


@inlined
def _address(row: Array) -> Any:
    return np.int64(row.ctypes.data)


@compiled
def products_of_rows(x: Array, weight: Array, y: Array) -> None:
    """y (m, n) = x (m, k) weight (n, k)^T, which reads the weight once."""
    m, depth = x.shape
    n = weight.shape[0]
    whole = depth // LANES * LANES
    sums = np.empty((8, LANES), np.float32)
    to = _address(sums)
    for first in range(0, n, 4):
        # Where there are no four rows left, and no second row of x, the last is computed again.
        rows = first, min(first + 1, n - 1), min(first + 2, n - 1), min(first + 3, n - 1)
        for i in range(m):
            for row in rows:
                total = np.float32(0)
                for k in range(whole, depth):
                    total += x[i, k] * weight[row, k]
                y[i, row] = total
        for start in range(0, whole, DEPTH):
            count = min(DEPTH, whole - start) * 4
            a, b = _address(weight[rows[0], start:]), _address(weight[rows[1], start:])
            c, d = _address(weight[rows[2], start:]), _address(weight[rows[3], start:])
            for i in range(0, m, 2):
                j = min(i + 1, m - 1)
                p, q = _address(x[i, start:]), _address(x[j, start:])
                pa = pb = pc = pd = qa = qb = qc = qd = splat(np.float32(0))
                for k in range(0, count, NBYTES):
                    of_p, of_q = load(p + k), load(q + k)
                    of_row = load(a + k)
                    pa, qa = pa + of_p * of_row, qa + of_q * of_row
                    of_row = load(b + k)
                    pb, qb = pb + of_p * of_row, qb + of_q * of_row
                    of_row = load(c + k)
                    pc, qc = pc + of_p * of_row, qc + of_q * of_row
                    of_row = load(d + k)
                    pd, qd = pd + of_p * of_row, qd + of_q * of_row
                store(to, pa)
                store(to + NBYTES, pb)
                store(to + 2 * NBYTES, pc)
                store(to + 3 * NBYTES, pd)
                store(to + 4 * NBYTES, qa)
                store(to + 5 * NBYTES, qb)
                store(to + 6 * NBYTES, qc)
                store(to + 7 * NBYTES, qd)
                for r in range(min(4, n - first)):
                    y[i, first + r] += sums[r].sum()
                    if j > i:
                        y[j, first + r] += sums[4 + r].sum()
