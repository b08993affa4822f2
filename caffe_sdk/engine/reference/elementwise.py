"""Copies and constants, and what several tensors of one shape give value by value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Tensor


class Elementwise(EngineBase):
    """Tensors of equal count."""

    @operation(writes="y")
    def copy(self, x: Tensor, y: Tensor) -> None:
        """y = x, whatever their types and shapes."""
        values = self.read(x)
        self.write(y)[...] = values.reshape(y.shape)

    @operation(writes="y")
    def fill(self, y: Tensor, value: float) -> None:
        """y = value."""
        self.write(y)[...] = value

    @operation(updates="y")
    def accumulate(self, x: Tensor, y: Tensor) -> None:
        """y += x."""
        values = self.read(x)
        self.update(y)[...] += values.reshape(y.shape)

    @operation(writes="y")
    def add_all(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the sum of xs."""
        first, *others = (self.read(x) for x in xs)
        total = first.copy()
        for values in others:
            total += values
        self.write(y)[...] = total

    @operation(writes="y")
    def weighted_sum(self, xs: Sequence[Tensor], y: Tensor, coefficients: Sequence[float]) -> None:
        """y = the sum of coefficient x."""
        total = sum(c * self.read(x) for c, x in zip(coefficients, xs, strict=True))
        self.write(y)[...] = total

    @operation(writes="y")
    def scale(self, x: Tensor, y: Tensor, factor: float) -> None:
        """y = factor x."""
        result = factor * self.read(x)
        self.write(y)[...] = result

    @operation(writes="y")
    def product(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the product of xs."""
        result = math.prod(self.read(x) for x in xs)
        self.write(y)[...] = result

    @operation(writes="dx")
    def product_grad(self, xs: Sequence[Tensor], y: Tensor, dy: Tensor, dx: Tensor, index: int, stable: bool) -> None:
        """dx of the x at ``index``: dy times the product of the others if stable, else dy y / x, NaN at 0."""
        gradient = self.read(dy)
        if stable:
            result = gradient * math.prod(self.read(x) for i, x in enumerate(xs) if i != index)
        else:
            result = gradient * (self.read(y) / self.read(xs[index]))
        self.write(dx)[...] = result

    @operation(writes="y mask")
    def maximum(self, xs: Sequence[Tensor], y: Tensor, mask: Tensor) -> None:
        """y = the largest of xs; mask (int32) = which. Of equals Caffe takes the second x, else the first."""
        best = self.read(xs[0])
        chosen = np.zeros(best.shape, np.int32)
        for i, x in enumerate(xs[1:], 1):
            values = self.read(x)
            better = values >= best if i == 1 else values > best
            best, chosen = np.where(better, values, best), np.where(better, i, chosen)
        self.write(y)[...] = best
        self.write(mask)[...] = chosen

    @operation(writes="dx")
    def maximum_grad(self, mask: Tensor, dy: Tensor, dx: Tensor, index: int) -> None:
        """dx of the x at ``index``: dy where it was the largest, else 0."""
        result = self.read(dy) * (self.read(mask) == index)
        self.write(dx)[...] = result
