"""Normalizations: by neighbours (LRN), by the batch, and by the mean and variance of each image."""

from __future__ import annotations

import math

from caffe_sdk.engine.cuda.affine import CudaSums, Shares
from caffe_sdk.engine.cuda.base import FLOAT
from caffe_sdk.engine.cuda.dnn.normalization import Lrn, LrnGrad, Normalize
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, Layout, planes
from caffe_sdk.engine.cuda.fusion import Scaling, ScalingGradient
from caffe_sdk.engine.cuda.structures import Neighbours
from caffe_sdk.engine.reference.normalization import Normalization, unbiased
from caffe_sdk.memory import Tensor


class CudaNormalization(CudaSums, Normalization):
    """Statistics of a channel by as many blocks as its values need, of a row by one; then a thread for each value."""

    def lrn(
        self, x: Tensor, y: Tensor, scale: Tensor | None, size: int, alpha: float, beta: float, k: float, within: bool
    ) -> None:
        """y = x / scale^beta with scale = k + alpha / n * sum of x^2 over the n values of a neighbourhood.

        cuDNN does not tell of the scale, and may compute where nobody asks for it; channels last it has no LRN.
        """
        share = alpha / (size * size if within else size)
        job = Lrn(planes(x.shape), TYPES[self.now.real], size, alpha, beta, k)
        can = job.taken and scale is None and not (within or self.now.last) and x.memory is not y.memory
        given, made = [self.source(x)], [self.target(y)]
        rest = self.target(scale), self._neighbours(x, size, within), share, beta, k
        self.either(job if can else None, given, made, self.kernel("lrn", y.count, *rest))

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
        """dx = dy / scale^beta - 2 alpha beta / n * x * sum of dy y / scale over the neighbourhood."""
        factor = 2 * alpha * beta / (size * size if within else size)
        forward = Lrn(planes(x.shape), TYPES[self.now.real], size, alpha, beta, k)
        apart = all(dx.memory is not other.memory for other in (x, y, dy))
        job = LrnGrad(forward) if forward.taken and not (within or self.now.last) and apart else None
        values, result, divisors, gradient = map(self.source, (x, y, scale, dy))
        rest = divisors, self._neighbours(x, size, within), factor, beta
        self.either(job, [values, result, gradient], [self.target(dx)], self.kernel("lrn_grad", dx.count, *rest))

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
        self.scaled_batch_norm(x, y, normalized, deviation, mean, variance, weight, eps, fraction, Scaling())

    def scaled_batch_norm(
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
        scaling: Scaling,
    ) -> None:
        """The same, and y scaled, shifted and through a ReLU."""
        outer, channels, places = self._channels(x)
        values, d, means = self.source(x), self.target(deviation), self.scratch("means", channels)
        if x.count:
            count, running = outer * places, map(self.both, (mean, variance, weight))
            shares = Shares(channels, outer, places)
            parts = self.scratch("parts", shares.parts)
            self.launch_rows("moment_parts", shares.blocks, values, 0, parts, *shares.cut)
            self._means(parts, means, 1, shares, count)
            self.launch_rows("moment_parts", shares.blocks, values, means, parts, *shares.cut)
            numbers = channels, shares.each, count, eps, fraction, unbiased(count)
            self.launch_rows("batch_statistics", shares.tiles, parts, means, d, *running, *numbers)
        else:
            self.launch("fill", channels, d, math.sqrt(1 + eps))
        self._normalize(values, means, d, normalized, y, scaling)

    def batch_norm_global(
        self, x: Tensor, y: Tensor, deviation: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
    ) -> None:
        """y = (x - mean / weight) / deviation, deviation = sqrt(variance / weight + eps); 0 / 0 counts 0."""
        self.scaled_batch_norm_global(x, y, deviation, mean, variance, weight, eps, Scaling())

    def scaled_batch_norm_global(
        self,
        x: Tensor,
        y: Tensor,
        deviation: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        eps: float,
        scaling: Scaling,
    ) -> None:
        """The same, and y scaled, shifted and through a ReLU."""
        _, channels, places = self._channels(x)
        values, running = self.source(x), map(self.source, (mean, variance, weight))
        means, d = self.scratch("means", channels), self.target(deviation)
        job = self._normalization(x, y, eps, scaling)
        if job is None:
            self.launch("global_statistics", channels, *running, means, d, 0, eps)
            self._normalize(values, means, d, None, y, scaling)
            return
        variances = self.scratch("statistics", 3 * channels)
        ones, zeros = (variances + i * channels * FLOAT for i in (1, 2))
        self.launch("global_statistics", channels, *running, means, d, variances, eps)
        scale, shift = self.source(scaling.scale), self.source(scaling.shift)

        def ours(x: int, *more: int) -> None:
            numbers = channels, places, False, 0.0
            self.launch("normalize", y.count, x, means, d, scale, shift, 0, 0, more[-1], *numbers)

        self.either(job, [values, scale or ones, shift or zeros, means, variances], [self.target(y)], ours)

    def _normalization(self, x: Tensor, y: Tensor, eps: float, scaling: Scaling) -> Normalize | None:
        """What cuDNN could compute: scaled and shifted, but not kept before that, nor behind a ReLU or in place."""
        can = scaling.kept is None and scaling.negative_slope is None and x.memory is not y.memory and len(x.shape) > 1
        layout = Layout.NHWC if self.now.last else Layout.NCHW
        return Normalize(planes(x.shape), TYPES[self.now.real], eps, layout) if can else None

    def _normalize(
        self, values: int, means: int, deviation: int, normalized: Tensor | None, y: Tensor, scaling: Scaling
    ) -> None:
        _, channels, places = self._channels(y)
        coefficients = map(self.source, (scaling.scale, scaling.shift))
        results = map(self.target, (normalized, scaling.kept, y))
        slope = scaling.negative_slope
        sizes = channels, places, slope is not None, slope or 0.0
        self.launch("normalize", y.count, values, means, deviation, *coefficients, *results, *sizes)

    def batch_norm_grad(self, normalized: Tensor, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = (dy - mean of dy - normalized * mean of dy normalized) / deviation, means of each channel."""
        self.scaled_batch_norm_grad(normalized, deviation, dy, dx, ScalingGradient())

    def scaled_batch_norm_grad(
        self, normalized: Tensor, deviation: Tensor, dy: Tensor, dx: Tensor, scaling: ScalingGradient
    ) -> None:
        """The same, for a dy that first goes back through a ReLU, a shift and a scale, which add to their gradients."""
        outer, channels, places = self._channels(dy)
        y, d, gradient, top, kept, scale = map(
            self.source, (normalized, deviation, dy, scaling.top, scaling.kept, scaling.scale)
        )
        means, slope = self.scratch("means", 2 * channels), scaling.negative_slope
        if dy.count:
            count = outer * places
            shares = Shares(channels, outer, places)
            parts = self.scratch("parts", 3 * shares.parts)
            self.launch_rows("gradient_parts", shares.blocks, y, gradient, top, kept, parts, *shares.cut, slope)
            self._means(parts, means, 2, shares, count)
            for total, at in ((scaling.dshift, 0), (scaling.dscale, 2)):
                if total is not None:
                    self.total_parts(parts + at * shares.parts * FLOAT, total, shares)
        sources = y, d, means, gradient, top, scale
        self.launch("batch_norm_grad", dx.count, *sources, self.target(dx), channels, places, slope)

    def batch_norm_global_grad(self, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy / deviation."""
        _, channels, places = self._channels(dy)
        sources = self.source(dy), self.source(deviation)
        self.launch("divide_channels", dx.count, *sources, self.target(dx), channels, places)

    def _means(self, parts: int, means: int, kinds: int, shares: Shares, count: int) -> None:
        """Of each channel, from the parts of so many kinds of sums over so many values."""
        cut = shares.tiles, shares.channels, shares.each, count
        self.launch_rows("means_of_parts", kinds * shares.tiles, parts, means, *cut)

    def mvn(self, x: Tensor, y: Tensor, deviation: Tensor | None, eps: float) -> None:
        """y = x - mean of each row; divided by the row's deviation + eps if a tensor is given for it."""
        rows, values = x.shape
        self.launch_rows("mvn", rows, self.source(x), self.target(y), self.target(deviation), values, eps)

    def mvn_grad(self, y: Tensor, deviation: Tensor | None, dy: Tensor, dx: Tensor) -> None:
        """dx = dy - mean of dy, and with a deviation (dy - mean of dy - y * mean of dy y) / deviation."""
        rows, values = dy.shape
        sources = map(self.source, (y if deviation is not None else None, deviation, dy))
        self.launch_rows("mvn_grad", rows, *sources, self.target(dx), values)

    def _neighbours(self, x: Tensor, size: int, within: bool) -> Neighbours:
        """Of a size, as values lie now; nothing is further away than the whole."""
        shape, reach = (*x.shape, 1, 1, 1), min(size // 2, 2**30)
        channels, places = shape[1], math.prod(shape[2:])
        h, w = (shape[2], shape[3]) if within else (1, places)
        steps = (1, channels) if self.now.last else (places, 1)
        return Neighbours(channels, h, w, reach, within, *steps)

    def _channels(self, x: Tensor) -> tuple[int, int, int]:
        """Images, channels and places, or all of these, channels, and 1; a vector is one channel."""
        return self.around(x.shape if len(x.shape) > 1 else (*x.shape, 1), 1)
