"""Normalizations: by neighbours (LRN), by the batch, and by the mean and variance of each image."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Normalization(EngineBase):
    """Shapes: x, y, scale and normalized (n, c, ...) alike; mean, variance and deviation (c,), weight (1,)."""

    @operation(writes="y scale")
    def lrn(
        self, x: Tensor, y: Tensor, scale: Tensor | None, size: int, alpha: float, beta: float, k: float, within: bool
    ) -> None:
        """y = x / scale^beta with scale = k + alpha / n * sum of x^2 over the n values of a neighbourhood.

        The neighbourhood is ``size`` channels, or ``within`` a channel ``size`` by ``size`` places (n = size^2). Only
        the gradient needs the scale.
        """
        values = self.read(x)
        sums = _neighbours(values * values, size, within)
        divisors = k + alpha / (size * size if within else size) * sums
        if scale is not None:
            self.write(scale)[...] = divisors
        self.write(y)[...] = values * divisors**-beta

    @operation(writes="dx")
    def lrn_grad(
        self,
        x: Tensor,
        y: Tensor,
        scale: Tensor,
        dy: Tensor,
        dx: Tensor,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        within: bool,
    ) -> None:
        """dx = dy / scale^beta - 2 alpha beta / n * x * sum of dy y / scale over the neighbourhood.

        ``scale`` is what `lrn` made of the same numbers.
        """
        values, divisors, gradient = self.read(x), self.read(scale), self.read(dy)
        sums = _neighbours(gradient * self.read(y) / divisors, size, within)
        factor = 2 * alpha * beta / (size * size if within else size)
        self.write(dx)[...] = gradient * divisors**-beta - factor * values * sums

    @operation(writes="y normalized deviation", updates="mean variance weight")
    def batch_norm(
        self,
        x: Tensor,
        y: Tensor,
        normalized: Tensor,
        deviation: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        eps: float,
        fraction: float,
    ) -> None:
        """y = normalized = (x - m) / deviation, with m and v the batch's of each channel, deviation = sqrt(v + eps).

        The running sums follow: mean = fraction mean + m, weight = fraction weight + 1, and variance = fraction
        variance + v / (1 - 1 / count). An empty batch changes nothing. y may be x.
        """
        values = channels(self.read(x))
        n, c, p = values.shape
        m = values.mean(axis=(0, 2)) if n * p else np.zeros(c, values.dtype)
        centred = values - m[:, None]
        v = (centred * centred).mean(axis=(0, 2)) if n * p else np.ones(c, values.dtype)
        d = np.sqrt(v + eps)
        if n * p:
            for running, latest in ((mean, m), (variance, v * unbiased(n * p)), (weight, 1)):
                array = self.update(running)
                array[...] = fraction * array + latest
        result = (centred / d[:, None]).reshape(x.shape)
        self.write(deviation)[...] = d
        self.write(normalized)[...] = result
        self.write(y)[...] = result

    @operation(writes="y deviation")
    def batch_norm_global(
        self, x: Tensor, y: Tensor, deviation: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
    ) -> None:
        """y = (x - mean / weight) / deviation, deviation = sqrt(variance / weight + eps); 0 / 0 counts 0."""
        values = channels(self.read(x))
        total = self.read(weight).item()
        share = 1 / total if total else 0
        d = np.sqrt(share * self.read(variance) + eps)
        result = (values - (share * self.read(mean))[:, None]) / d[:, None]
        self.write(deviation)[...] = d
        self.write(y)[...] = result.reshape(y.shape)

    @operation(writes="dx")
    def batch_norm_grad(self, normalized: Tensor, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = (dy - mean of dy - normalized * mean of dy normalized) / deviation, means of each channel."""
        gradient, y = channels(self.read(dy)), channels(self.read(normalized))
        n, _, p = gradient.shape
        count = max(1, n * p)
        along_y = (gradient * y).sum(axis=(0, 2)) / count
        result = gradient - (gradient.sum(axis=(0, 2)) / count)[:, None] - along_y[:, None] * y
        result /= self.read(deviation)[:, None]
        self.write(dx)[...] = result.reshape(dx.shape)

    @operation(writes="dx")
    def batch_norm_global_grad(self, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy / deviation."""
        result = channels(self.read(dy)) / self.read(deviation)[:, None]
        self.write(dx)[...] = result.reshape(dx.shape)

    @operation(writes="y deviation")
    def mvn(self, x: Tensor, y: Tensor, deviation: Tensor | None, eps: float) -> None:
        """y = x - mean of each row; divided by the row's deviation + eps if a tensor is given for it.

        x and y (rows, values), deviation (rows,), which is written with eps added.
        """
        values = self.read(x)
        result = values - (values.sum(axis=1, keepdims=True) / max(1, values.shape[1]))
        if deviation is not None:
            squares = (result * result).sum(axis=1) / max(1, values.shape[1])
            d = np.sqrt(squares) + eps
            result = result / d[:, None]
            self.write(deviation)[...] = d
        self.write(y)[...] = result

    @operation(writes="dx")
    def mvn_grad(self, y: Tensor, deviation: Tensor | None, dy: Tensor, dx: Tensor) -> None:
        """dx = dy - mean of dy, and with a deviation (dy - mean of dy - y * mean of dy y) / deviation."""
        gradient = self.read(dy)
        count = max(1, gradient.shape[1])
        result = gradient - gradient.sum(axis=1, keepdims=True) / count
        if deviation is not None:
            normalized = self.read(y)
            result = result - normalized * ((gradient * normalized).sum(axis=1, keepdims=True) / count)
            result = result / self.read(deviation)[:, None]
        self.write(dx)[...] = result


def _neighbours(x: Array, size: int, within: bool) -> Array:
    """The sum over each neighbourhood."""
    return _sums(_sums(x, size, 2), size, 3) if within else _sums(x, size, 1)


def _sums(x: Array, size: int, axis: int) -> Array:
    """The sum of ``size`` (odd) values around each along an axis; beyond the ends are zeros."""
    size = min(size, 2 * x.shape[axis] + 1)  # there is nothing further away
    before = [(0, 0)] * x.ndim
    before[axis] = (size // 2, size // 2)
    padded = np.pad(x, before)
    total = np.zeros_like(x)
    for start in range(size):
        total += padded.take(range(start, start + x.shape[axis]), axis)
    return total


def channels(x: Array) -> Array:
    """(n, c, ...) as (n, c, places); a vector is one channel."""
    channels = x.shape[1] if x.ndim > 1 else 1
    return x.reshape(x.shape[0], channels, -1 if x.size else 0)


def unbiased(count: int) -> float:
    """What makes the variance of a sample that of the population it is from."""
    return count / (count - 1) if count > 1 else 1.0
