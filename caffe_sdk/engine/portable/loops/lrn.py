"""Local response normalization across channels.

Arrays are (n, channels, places), but for ``ratio``, which is (channels, places).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array


@compiled
def to_minus(scale: float, beta: float) -> Any:
    """scale^-beta; square roots do for the exponent that nearly everybody uses."""
    if beta == np.float32(0.75):
        root = np.sqrt(scale)
        return np.float32(1) / (root * np.sqrt(root))
    return scale**-beta


@compiled
def lrn(x: Array, y: Array, scale: Array, reach: int, factor: float, beta: float, k: float) -> None:
    """scale = k + factor times the sum of x^2 of the channels up to ``reach`` away, y = x / scale^beta."""
    images, channels, places = x.shape
    for n in range(images):
        for c in range(channels):
            sums, own, result = scale[n, c], x[n, c], y[n, c]
            sums[:] = 0
            for other in range(max(0, c - reach), min(channels, c + reach + 1)):
                values = x[n, other]
                for i in range(places):
                    sums[i] += values[i] * values[i]
            for i in range(places):
                sums[i] = k + factor * sums[i]
            if beta == np.float32(0.75):
                for i in range(places):
                    result[i] = own[i] * to_minus(sums[i], np.float32(0.75))
            else:
                for i in range(places):
                    result[i] = own[i] * to_minus(sums[i], beta)


@compiled
def lrn_grad(
    x: Array, y: Array, scale: Array, dy: Array, dx: Array, ratio: Array, reach: int, factor: float, beta: float
) -> None:
    """dx = dy / scale^beta - factor x times the sum of dy y / scale, which is the ratio, of the channels around."""
    images, channels, places = x.shape
    sums = np.empty(places, x.dtype)
    for n in range(images):
        for c in range(channels):
            quotient, gradient, result, divisor = ratio[c], dy[n, c], y[n, c], scale[n, c]
            for i in range(places):
                quotient[i] = gradient[i] * result[i] / divisor[i]
        for c in range(channels):
            sums[:] = 0
            for other in range(max(0, c - reach), min(channels, c + reach + 1)):
                quotient = ratio[other]
                for i in range(places):
                    sums[i] += quotient[i]
            gradient, divisor, values, result = dy[n, c], scale[n, c], x[n, c], dx[n, c]
            if beta == np.float32(0.75):
                for i in range(places):
                    direct = gradient[i] * to_minus(divisor[i], np.float32(0.75))
                    result[i] = direct - factor * values[i] * sums[i]
            else:
                for i in range(places):
                    result[i] = gradient[i] * to_minus(divisor[i], beta) - factor * values[i] * sums[i]
