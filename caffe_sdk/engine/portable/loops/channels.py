"""Channels: their statistics, and what is computed from them."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, compiled_sum
from caffe_sdk.memory import Array


@compiled
def batch_statistics(
    m: Array,
    v: Array,
    mean: Array,
    variance: Array,
    weight: Array,
    deviation: Array,
    eps: float,
    fraction: float,
    unbiased: float,
) -> bool:
    """The running sums follow a batch's mean m and variance v, whose deviation is made; whether any is no number."""
    wrong = False
    for c in range(m.size):
        mean[c] = fraction * mean[c] + m[c]
        variance[c] = fraction * variance[c] + unbiased * v[c]
        deviation[c] = np.sqrt(v[c] + eps)
        wrong |= np.isnan(m[c] + v[c])
    weight[0] = fraction * weight[0] + 1
    return wrong


@compiled
def running_statistics(
    mean: Array, variance: Array, weight: Array, m: Array, v: Array, deviation: Array, eps: float
) -> None:
    """Mean m, variance v and deviation of the running sums, which are 0 where nothing was summed."""
    share = weight.dtype.type(1) / weight[0] if weight[0] != 0 else weight.dtype.type(0)
    for c in range(m.size):
        m[c] = share * mean[c]
        v[c] = share * variance[c]
        deviation[c] = np.sqrt(v[c] + eps)


@compiled
def square(x: Array, y: Array) -> None:
    """y = x^2."""
    for c in range(x.size):
        y[c] = x[c] * x[c]


@compiled_sum
def moments(x: Array, mean: Array, variance: Array) -> None:
    """Mean and variance of each channel of x (n, channels, places), summed in float64."""
    images, channels, places = x.shape
    count = images * places
    for c in range(channels):
        total = 0.0
        for n in range(images):
            values = x[n, c]
            for i in range(places):
                total += values[i]
        m, squares = total / count, 0.0
        for n in range(images):
            values = x[n, c]
            for i in range(places):
                squares += (values[i] - m) * (values[i] - m)
        mean[c], variance[c] = m, squares / count


@compiled_sum
def sums_of_products(x: Array, dy: Array, products: Array, sums: Array) -> None:
    """The sums of x dy and of dy over all but the middle axis of (n, channels, places)."""
    images, channels, places = x.shape
    for c in range(channels):
        product, total = 0.0, 0.0
        for n in range(images):
            values, gradient = x[n, c], dy[n, c]
            for i in range(places):
                product += values[i] * gradient[i]
                total += gradient[i]
        products[c], sums[c] = product, total


# -- a function of x for each channel; arrays are (n, channels, places) ------------------------------------------------


@compiled
def scaled(x: Array, factor: Array, shift: Array, y: Array) -> None:
    """y = factor x + shift. y may be x."""
    images, channels, places = x.shape
    for n in range(images):
        for c in range(channels):
            values, result = x[n, c], y[n, c]
            a, b = factor[c], shift[c]
            for i in range(places):
                result[i] = a * values[i] + b


@compiled
def combined(x: Array, y: Array, a: Array, b: Array, shift: Array, result: Array) -> None:
    """result = a x + b y + shift. result may be x or y."""
    images, channels, places = x.shape
    for n in range(images):
        for c in range(channels):
            first, second, out = x[n, c], y[n, c], result[n, c]
            p, q, r = a[c], b[c], shift[c]
            for i in range(places):
                out[i] = p * first[i] + q * second[i] + r


@compiled
def prelu(x: Array, slope: Array, y: Array) -> None:
    """y = x where that is positive, else slope x. y may be x."""
    images, channels, places = x.shape
    for n in range(images):
        for c in range(channels):
            values, result, a = x[n, c], y[n, c], slope[c]
            for i in range(places):
                result[i] = values[i] if values[i] > 0 else a * values[i]


@compiled
def prelu_grad_data(x: Array, slope: Array, dy: Array, dx: Array) -> None:
    """dx = dy where x is positive, else slope dy. dx may be dy."""
    images, channels, places = x.shape
    for n in range(images):
        for c in range(channels):
            values, gradient, result, a = x[n, c], dy[n, c], dx[n, c], slope[c]
            for i in range(places):
                result[i] = gradient[i] if values[i] > 0 else a * gradient[i]


@compiled_sum
def prelu_grad_slope(x: Array, dy: Array, dslope: Array) -> None:
    """dslope = sum of dy min(x, 0) of each channel."""
    images, channels, places = x.shape
    for c in range(channels):
        total = 0.0
        for n in range(images):
            values, gradient = x[n, c], dy[n, c]
            for i in range(places):
                total += gradient[i] * min(values[i], np.float32(0))
        dslope[c] = total
