"""Normalizations: by neighbours (LRN), by the batch, and by the mean and variance of each image."""

from __future__ import annotations

import math

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.structures import Neighbours
from caffe_sdk.engine.reference.normalization import Normalization, unbiased
from caffe_sdk.memory import Tensor


class CudaNormalization(CudaBase, Normalization):
    """Statistics by a block for each channel or row, then a thread for each value."""

    def lrn(
        self, x: Tensor, y: Tensor, scale: Tensor, size: int, alpha: float, beta: float, k: float, within: bool
    ) -> None:
        """y = x / scale^beta with scale = k + alpha / n * sum of x^2 over the n values of a neighbourhood."""
        share = alpha / (size * size if within else size)
        reach = _neighbours(x, size, within)
        self.launch("lrn", y.count, self.source(x), self.target(y), self.target(scale), reach, share, beta, k)

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
        within: bool,
    ) -> None:
        """dx = dy / scale^beta - 2 alpha beta / n * x * sum of dy y / scale over the neighbourhood."""
        factor = 2 * alpha * beta / (size * size if within else size)
        sources = map(self.source, (x, y, scale, dy))
        self.launch("lrn_grad", dx.count, *sources, self.target(dx), _neighbours(x, size, within), factor, beta)

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
        """y = normalized = (x - m) / deviation, of the batch; the running sums follow."""
        outer, channels, places = _channels(x)
        values, d, means = self.source(x), self.target(deviation), self.scratch("means", channels)
        if x.count:
            running = map(self.both, (mean, variance, weight))
            numbers = eps, fraction, unbiased(outer * places)
            self.launch_rows("batch_statistics", channels, values, means, d, *running, outer, places, *numbers)
        else:
            self.launch("fill", channels, d, math.sqrt(1 + eps))
        kept, result = self.target(normalized), self.target(y)
        self.launch("normalize", y.count, values, means, d, kept, result, channels, places)

    def batch_norm_global(
        self, x: Tensor, y: Tensor, deviation: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
    ) -> None:
        """y = (x - mean / weight) / deviation, deviation = sqrt(variance / weight + eps); 0 / 0 counts 0."""
        _, channels, places = _channels(x)
        values, running = self.source(x), map(self.source, (mean, variance, weight))
        means, d = self.scratch("means", channels), self.target(deviation)
        self.launch("global_statistics", channels, *running, means, d, eps)
        self.launch("normalize", y.count, values, means, d, 0, self.target(y), channels, places)

    def batch_norm_grad(self, normalized: Tensor, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = (dy - mean of dy - normalized * mean of dy normalized) / deviation, means of each channel."""
        outer, channels, places = _channels(dy)
        y, d, gradient = map(self.source, (normalized, deviation, dy))
        sums = self.scratch("means", 2 * channels)
        if dy.count:
            self.launch_rows("gradient_means", channels, y, gradient, sums, outer, places)
        self.launch("batch_norm_grad", dx.count, y, d, sums, gradient, self.target(dx), channels, places)

    def batch_norm_global_grad(self, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy / deviation."""
        _, channels, places = _channels(dy)
        sources = self.source(dy), self.source(deviation)
        self.launch("divide_channels", dx.count, *sources, self.target(dx), channels, places)

    def mvn(self, x: Tensor, y: Tensor, deviation: Tensor | None, eps: float) -> None:
        """y = x - mean of each row; divided by the row's deviation + eps if a tensor is given for it."""
        rows, values = x.shape
        self.launch_rows("mvn", rows, self.source(x), self.target(y), self.target(deviation), values, eps)

    def mvn_grad(self, y: Tensor, deviation: Tensor | None, dy: Tensor, dx: Tensor) -> None:
        """dx = dy - mean of dy, and with a deviation (dy - mean of dy - y * mean of dy y) / deviation."""
        rows, values = dy.shape
        sources = map(self.source, (y if deviation is not None else None, deviation, dy))
        self.launch_rows("mvn_grad", rows, *sources, self.target(dx), values)


def _neighbours(x: Tensor, size: int, within: bool) -> Neighbours:
    """Of a size; nothing is further away than the whole."""
    shape = (*x.shape, 1, 1, 1)
    h, w = (x.shape[2], x.shape[3]) if within else (1, math.prod(shape[2:]))
    return Neighbours(shape[1], h, w, min(size // 2, 2**30), within)


def _channels(x: Tensor) -> tuple[int, int, int]:
    """Images, channels and places; a vector is one channel."""
    shape = x.shape if len(x.shape) > 1 else (*x.shape, 1)
    return shape[0], shape[1], math.prod(shape[2:])
