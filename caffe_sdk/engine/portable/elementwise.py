"""Sums, products and the largest of several tensors, put together where they are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.reference.elementwise import Elementwise
from caffe_sdk.memory import Tensor


class FastElementwise(Elementwise):
    """NumPy without arrays in between."""

    @quiet
    def add_all(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the sum of xs."""
        if len(xs) < 2 or not (usable(*xs, y) and apart(y, *xs[2:])):
            super().add_all(xs, y)
            return
        first, second, *others = (self.read(x) for x in xs)
        total = self.write(y)
        np.add(first, second, out=total)
        for values in others:
            total += values

    @quiet
    def scale(self, x: Tensor, y: Tensor, factor: float) -> None:
        """y = factor x."""
        if not usable(x, y):
            super().scale(x, y, factor)
            return
        values = self.read(x)
        np.multiply(values, np.float32(factor), out=self.write(y))

    @quiet
    def product(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the product of xs."""
        if len(xs) < 2 or not (usable(*xs, y) and apart(y, *xs[2:])):
            super().product(xs, y)
            return
        first, second, *others = (self.read(x) for x in xs)
        result = self.write(y)
        np.multiply(first, second, out=result)
        for values in others:
            result *= values

    @quiet
    def weighted_sum(self, xs: Sequence[Tensor], y: Tensor, coefficients: Sequence[float]) -> None:
        """y = the sum of coefficient x."""
        if not (usable(*xs, y) and apart(y, *xs)):
            super().weighted_sum(xs, y, coefficients)
            return
        from caffe_sdk.engine.portable.loops import neuron as loops

        total = self.write(y).reshape(-1)
        total[:] = 0
        for x, coefficient in zip(xs, coefficients, strict=True):
            loops.add_scaled(self.read(x).reshape(-1), total, np.float32(coefficient))

    @quiet
    def maximum(self, xs: Sequence[Tensor], y: Tensor, mask: Tensor) -> None:
        """y = the largest of xs; mask (int32) = which. Of equals Caffe takes the second x, else the first."""
        if len(xs) < 2 or not (usable(*xs, y) and apart(y, *xs)):
            super().maximum(xs, y, mask)
            return
        from caffe_sdk.engine.portable.loops import maximum as loops

        first, second, *others = (self.read(x).reshape(-1) for x in xs)
        largest, which = self.write(y).reshape(-1), self.write(mask).reshape(-1)
        loops.maximum_of_two(first, second, largest, which)
        for i, values in enumerate(others, 2):
            loops.maximum_with(values, largest, which, i)

    @quiet
    def maximum_grad(self, mask: Tensor, dy: Tensor, dx: Tensor, index: int) -> None:
        """dx of the x at ``index``: dy where it was the largest, else 0."""
        if not usable(dy, dx):
            super().maximum_grad(mask, dy, dx, index)
            return
        from caffe_sdk.engine.portable.loops import maximum as loops

        gradient, which = self.read(dy).reshape(-1), self.read(mask).reshape(-1)
        loops.maximum_grad(gradient, which, self.write(dx).reshape(-1), index)
