"""Functions of single values. Scalars come in the arrays' type."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array


@compiled
def clip(x: Array, y: Array, low: float, high: float) -> None:
    """One pass of `clip`. NaN stays."""
    for i in range(x.size):
        value = x[i]
        value = low if value < low else value
        y[i] = high if value > high else value


@compiled
def clip_grad(x: Array, dy: Array, dx: Array, low: float, high: float) -> None:
    """One pass of `clip_grad`."""
    for i in range(x.size):
        dx[i] = dy[i] * ((x[i] >= low) & (x[i] <= high))


@compiled
def threshold(x: Array, y: Array, limit: float) -> None:
    """One pass of `threshold`."""
    for i in range(x.size):
        y[i] = x[i] > limit


@compiled
def power_grad(x: Array, dy: Array, dx: Array, power: float, scale: float, shift: float) -> None:
    """One pass of `power_grad`."""
    factor = power * scale
    if factor == 0 or power == 1:
        for i in range(dy.size):
            dx[i] = factor * dy[i]
    elif power == 2:
        for i in range(dy.size):
            dx[i] = factor * dy[i] * (scale * x[i] + shift)
    else:
        for i in range(dy.size):
            dx[i] = factor * dy[i] * (scale * x[i] + shift) ** (power - 1)


@compiled
def logarithm_grad(x: Array, dy: Array, dx: Array, factor: float, scale: float, shift: float) -> None:
    """One pass of `logarithm_grad`."""
    for i in range(x.size):
        dx[i] = dy[i] * (factor * scale) / (scale * x[i] + shift)


@compiled
def leaky(x: Array, y: Array, slope: float) -> None:
    """y = x where that is positive, else slope x."""
    for i in range(x.size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@compiled
def relu_grad(x: Array, dy: Array, dx: Array, slope: float) -> None:
    """One pass of `relu_grad`."""
    for i in range(x.size):
        dx[i] = dy[i] if x[i] > 0 else slope * dy[i]


@compiled
def relu_grad_in_place(x: Array, d: Array, slope: float) -> None:
    """The same where dx is dy, which is not known to be apart from nothing but x: so it can be done in vectors."""
    for i in range(x.size):
        d[i] = d[i] if x[i] > 0 else slope * d[i]


@compiled
def dropped(mask: Array, ratio: float) -> None:
    """Random numbers from 0 to 1 become 0 below the ratio, else 1 / (1 - ratio)."""
    kept = np.float32(1 / (1 - ratio))
    for i in range(mask.size):
        mask[i] = kept if mask[i] >= ratio else np.float32(0)


@compiled
def add_scaled(x: Array, y: Array, factor: float) -> None:
    """y += factor x."""
    for i in range(x.size):
        y[i] += factor * x[i]
