"""Copies and constants, and what several tensors of one shape give value by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.structures import MOST_INPUTS, Inputs, inputs
from caffe_sdk.engine.reference.elementwise import Elementwise
from caffe_sdk.memory import Tensor


class CudaElementwise(CudaBase, Elementwise):
    """A launch each, or one for every MOST_INPUTS tensors."""

    def copy(self, x: Tensor, y: Tensor) -> None:
        """y = x, whatever their types and shapes."""
        source, target = self.source(x), self.target(y)
        kinds = x.memory.dtype, y.memory.dtype
        if kinds[0] == kinds[1]:
            self.device.copy(source, target, x.count * self.now.real.nbytes)
        else:
            self.launch("floats_of_ints" if kinds[0] == np.int32 else "ints_of_floats", x.count, source, target)

    def fill(self, y: Tensor, value: float) -> None:
        """y = value."""
        if y.memory.dtype == np.int32:
            self.launch("fill_ints", y.count, self.target(y), int(value))
        else:
            self.launch("fill", y.count, self.target(y), value)

    def accumulate(self, x: Tensor, y: Tensor) -> None:
        """y += x."""
        self.launch("accumulate", y.count, self.source(x), self.both(y))

    def add_all(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the sum of xs."""
        self.weighted_sum(xs, y, [1.0] * len(xs))

    def rectified_add_all(self, xs: Sequence[Tensor], y: Tensor, negative_slope: float) -> None:
        """The same, and through a ReLU of this slope."""
        self.rectified_weighted_sum(xs, y, [1.0] * len(xs), negative_slope)

    def weighted_sum(self, xs: Sequence[Tensor], y: Tensor, coefficients: Sequence[float]) -> None:
        """y = the sum of coefficient x."""
        self.rectified_weighted_sum(xs, y, coefficients, None)

    def rectified_weighted_sum(
        self, xs: Sequence[Tensor], y: Tensor, coefficients: Sequence[float], negative_slope: float | None
    ) -> None:
        """The same, and through a ReLU of this slope, if there is one."""
        terms = sorted(zip(xs, coefficients, strict=True), key=lambda term: term[0].memory is not y.memory)
        for first, some in self._some([x for x, _ in terms], [factor for _, factor in terms]):
            rectified = negative_slope is not None and first + some.count == len(terms)
            self.launch("weighted_sum", y.count, some, self.target(y), first > 0, rectified, negative_slope or 0.0)

    def scale(self, x: Tensor, y: Tensor, factor: float) -> None:
        """y = factor x."""
        self.launch("scale", y.count, self.source(x), self.target(y), factor)

    def product(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the product of xs."""
        for first, some in self._some(sorted(xs, key=lambda x: x.memory is not y.memory)):
            self.launch("product", y.count, some, self.target(y), first > 0)

    def product_grad(self, xs: Sequence[Tensor], y: Tensor, dy: Tensor, dx: Tensor, index: int, stable: bool) -> None:
        """dx of the x at ``index``: dy times the product of the others if stable, else dy y / x, NaN at 0."""
        if stable:
            self.product([dy, *(x for i, x in enumerate(xs) if i != index)], dx)
        else:
            sources = map(self.source, (xs[index], y, dy))
            self.launch("quotient_grad", dx.count, *sources, self.target(dx))

    def maximum(self, xs: Sequence[Tensor], y: Tensor, mask: Tensor) -> None:
        """y = the largest of xs; mask (int32) = which. Of equals Caffe takes the second x, else the first."""
        for first, some in self._some(xs):
            self.launch("maximum", y.count, some, first, self.target(y), self.target(mask))

    def maximum_grad(self, mask: Tensor, dy: Tensor, dx: Tensor, index: int) -> None:
        """dx of the x at ``index``: dy where it was the largest, else 0."""
        self.launch("maximum_grad", dx.count, self.source(mask), self.source(dy), self.target(dx), index)

    def _some(self, xs: Sequence[Tensor], factors: Sequence[float] = ()) -> Iterator[tuple[int, Inputs]]:
        """As many tensors at a time as a kernel takes, and the number of the first; where y is one it comes first."""
        for first in range(0, len(xs), MOST_INPUTS):
            part = slice(first, first + MOST_INPUTS)
            yield first, inputs([self.source(x) for x in xs[part]], factors[part])
