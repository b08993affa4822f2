"""Normalization by neighbouring channels and by the batch."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.normalization import Normalization, channels, unbiased
from caffe_sdk.memory import Tensor


class FastNormalization(Normalization):
    """LRN within a channel and the normalization of single images are left to the reference."""

    @quiet
    def lrn(
        self, x: Tensor, y: Tensor, scale: Tensor | None, size: int, alpha: float, beta: float, k: float, within: bool
    ) -> None:
        """y = x / scale^beta with scale = k + alpha / n * sum of x^2 over the n values of a neighbourhood."""
        made = [y] if scale is None else [y, scale]
        if within or not (usable(x, *made) and apart(y, x)):
            super().lrn(x, y, scale, size, alpha, beta, k, within)
            return
        from caffe_sdk.engine.portable.loops import lrn as loops

        values = channels(self.read(x))
        result, *divisors = (self.write(tensor).reshape(values.shape) for tensor in made)
        numbers = (size // 2, *map(np.float32, (alpha / size, beta, k)))

        def work(i: int, j: int) -> None:
            if divisors:
                loops.lrn(values[i:j], result[i:j], divisors[0][i:j], *numbers)
                return
            room = np.empty((1, *values.shape[1:]), np.float32)
            for image in range(i, j):
                loops.lrn(values[image : image + 1], result[image : image + 1], room, *numbers)

        shared(work, len(values), values.size)

    @quiet
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
        if within or not (usable(x, y, scale, dy, dx) and apart(dx, x, y, scale)):
            super().lrn_grad(x, y, scale, dy, dx, size, alpha, beta, k, within)
            return
        from caffe_sdk.engine.portable.loops import lrn as loops

        known = [channels(self.read(tensor)) for tensor in (x, y, scale, dy)]
        shape = known[0].shape
        result = self.write(dx).reshape(shape)
        factor, exponent = np.float32(2 * alpha * beta / size), np.float32(beta)

        def work(i: int, j: int) -> None:
            room = np.empty(shape[1:], np.float32)
            loops.lrn_grad(*(each[i:j] for each in (*known, result)), room, size // 2, factor, exponent)

        shared(work, shape[0], dx.count)

    @quiet
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
        """y = normalized = (x - m) / deviation; the running sums follow."""
        if not (usable(x, y, normalized) and apart(normalized, x)):
            super().batch_norm(x, y, normalized, deviation, mean, variance, weight, eps, fraction)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        values = channels(self.read(x))
        m, v = np.empty((2, values.shape[1]), np.float32)
        loops.moments(values, m, v)
        count = values.size // m.size
        for running, latest in ((mean, m), (variance, v * np.float32(unbiased(count))), (weight, 1)):
            array = self.update(running)
            array[...] = fraction * array + latest
        d = self.write(deviation)
        d[...] = np.sqrt(v + np.float32(eps))
        result = self.write(normalized)
        loops.scaled(values, 1 / d, -m / d, result.reshape(values.shape))
        if y.memory is not normalized.memory:
            self.write(y)[...] = result

    @quiet
    def batch_norm_global(
        self, x: Tensor, y: Tensor, deviation: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
    ) -> None:
        """y = (x - mean / weight) / deviation, deviation = sqrt(variance / weight + eps); 0 / 0 counts 0."""
        if not usable(x, y):
            super().batch_norm_global(x, y, deviation, mean, variance, weight, eps)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        values = channels(self.read(x))
        total = self.read(weight).item()
        share = np.float32(1 / total if total else 0)
        d = self.write(deviation)
        d[...] = np.sqrt(share * self.read(variance) + np.float32(eps))
        loops.scaled(values, 1 / d, -share * self.read(mean) / d, self.write(y).reshape(values.shape))

    @quiet
    def batch_norm_grad(self, normalized: Tensor, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = (dy - mean of dy - normalized * mean of dy normalized) / deviation, means of each channel."""
        if not usable(normalized, dy, dx):
            super().batch_norm_grad(normalized, deviation, dy, dx)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        y, gradient, d = channels(self.read(normalized)), channels(self.read(dy)), self.read(deviation)
        along_y, total = np.empty((2, d.size), np.float32)
        loops.sums_of_products(y, gradient, along_y, total)
        count = np.float32(y.size // d.size)
        result = self.write(dx).reshape(y.shape)
        loops.combined(gradient, y, 1 / d, -along_y / (count * d), -total / (count * d), result)

    @quiet
    def batch_norm_global_grad(self, deviation: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy / deviation."""
        if not usable(dy, dx):
            super().batch_norm_global_grad(deviation, dy, dx)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        gradient, d = channels(self.read(dy)), self.read(deviation)
        loops.scaled(gradient, 1 / d, np.zeros_like(d), self.write(dx).reshape(gradient.shape))
