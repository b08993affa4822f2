"""The product of few rows with many."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled_sum
from caffe_sdk.memory import Array

DEPTH = 1024  # numbers of a row that are worked on at once


@compiled_sum
def products_of_rows(x: Array, weight: Array, y: Array) -> None:
    """y (m, n) = x (m, k) weight (n, k)^T, which reads the weight once."""
    m, depth = x.shape
    n = weight.shape[0]
    y[:] = 0
    for first in range(0, n, 4):
        a, b = weight[first], weight[min(first + 1, n - 1)]
        c, d = weight[min(first + 2, n - 1)], weight[min(first + 3, n - 1)]
        for start in range(0, depth, DEPTH):
            end = min(start + DEPTH, depth)
            aa, bb, cc, dd = a[start:end], b[start:end], c[start:end], d[start:end]
            for i in range(m):
                row = x[i, start:end]
                sum_a = sum_b = sum_c = sum_d = np.float32(0)
                for k in range(end - start):
                    value = row[k]
                    sum_a += value * aa[k]
                    sum_b += value * bb[k]
                    sum_c += value * cc[k]
                    sum_d += value * dd[k]
                y[i, first] += sum_a
                if first + 1 < n:
                    y[i, first + 1] += sum_b
                if first + 2 < n:
                    y[i, first + 2] += sum_c
                if first + 3 < n:
                    y[i, first + 3] += sum_d
