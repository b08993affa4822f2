"""Coefficients that repeat, and sums over what shares one."""

from __future__ import annotations

import math

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.reference.affine import Affine
from caffe_sdk.memory import Shape, Tensor

SHARES = 64
"""Into at most so many parts a sum over a channel is shared out."""
LEAST = 1024
"""Values in a part at least."""


def shared_out(count: int) -> int:
    """Into how many parts a sum over a channel of so many values is shared out."""
    return min(SHARES, -(-count // LEAST))


class CudaSums(CudaBase):
    """Sums over channels, in two steps: of parts, and of these. In this order always, so they are the same always."""

    def add_channel_sums(self, a: int, b: int, total: Tensor, outer: int, inner: int) -> None:
        """total[c] += the sum of a b over (outer, channels, inner), or of a where b is 0: a gradient's true sum."""
        channels = total.count
        shares = shared_out(outer * inner)
        if not channels * shares:
            return
        parts = self.scratch("parts", channels * shares)
        if inner == 1:
            self.launch("column_parts", channels * shares, a, b, parts, channels, outer, shares)
        else:
            self.launch_rows("channel_parts", channels * shares, a, b, parts, channels, outer, inner, shares)
        self.launch("add_parts", channels, parts, self.both(total), shares, self.true)


class CudaAffine(CudaSums, Affine):
    """Scale and shift."""

    def affine(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, y: Tensor, axis: int) -> None:
        """y = scale x + shift. y may be x."""
        some = scale if scale is not None else shift
        _, channels, inner = _cut(x.shape, () if some is None else some.shape, axis)
        self.launch("affine", y.count, *map(self.source, (x, scale, shift)), self.target(y), channels, inner)

    def affine_grad_data(self, dy: Tensor, scale: Tensor, dx: Tensor, axis: int) -> None:
        """dx = scale dy. dx may be dy."""
        self.affine(dy, scale, None, dx, axis)

    def affine_grad_scale(self, x: Tensor, dy: Tensor, dscale: Tensor, axis: int) -> None:
        """dscale += sum of x dy over the other axes."""
        outer, _, inner = _cut(x.shape, dscale.shape, axis)
        self.add_channel_sums(self.source(x), self.source(dy), dscale, outer, inner)

    def affine_grad_shift(self, dy: Tensor, dshift: Tensor, axis: int) -> None:
        """dshift += sum of dy over the other axes."""
        outer, _, inner = _cut(dy.shape, dshift.shape, axis)
        self.add_channel_sums(self.source(dy), 0, dshift, outer, inner)


def _cut(x: Shape, coefficients: Shape, axis: int) -> tuple[int, int, int]:
    """Values of x before, along and behind the axes of the coefficients."""
    return math.prod(x[:axis]), math.prod(coefficients), math.prod(x[axis + len(coefficients) :])
