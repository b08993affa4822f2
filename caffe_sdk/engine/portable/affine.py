"""Scale and shift by loops, where each coefficient is for enough numbers that lie side by side."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import usable
from caffe_sdk.engine.reference.affine import Affine
from caffe_sdk.memory import Shape, Tensor

ENOUGH = 8
"""Numbers for one coefficient. For fewer NumPy is as fast."""


class FastAffine(Affine):
    """Arrays are cut to (before, coefficients, behind)."""

    @quiet
    def affine(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, y: Tensor, axis: int) -> None:
        """y = scale x + shift. y may be x."""
        known = scale if scale is not None else shift
        shape = _cut(x, known, axis)
        if known is None or shape[2] < ENOUGH or not usable(x, y):
            super().affine(x, scale, shift, y, axis)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        factor = self.read(scale).reshape(-1) if scale is not None else np.ones(shape[1], np.float32)
        added = self.read(shift).reshape(-1) if shift is not None else np.zeros(shape[1], np.float32)
        values = self.read(x).reshape(shape)
        loops.scaled(values, factor, added, self.write(y).reshape(shape))

    @quiet
    def affine_grad_data(self, dy: Tensor, scale: Tensor, dx: Tensor, axis: int) -> None:
        """dx = scale dy. dx may be dy."""
        self.affine(dy, scale, None, dx, axis)

    @quiet
    def affine_grad_scale(self, x: Tensor, dy: Tensor, dscale: Tensor, axis: int) -> None:
        """dscale += sum of x dy over the other axes."""
        shape = _cut(x, dscale, axis)
        if shape[2] < ENOUGH or not usable(x, dy):
            super().affine_grad_scale(x, dy, dscale, axis)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        products, sums = np.empty((2, shape[1]), np.float32)
        loops.sums_of_products(self.read(x).reshape(shape), self.read(dy).reshape(shape), products, sums)
        self.update(dscale)[...] += products.reshape(dscale.shape)


def _cut(x: Tensor, coefficients: Tensor | None, axis: int) -> Shape:
    """(before, coefficients, behind)."""
    middle = coefficients.shape if coefficients is not None else ()
    return math.prod(x.shape[:axis]), math.prod(middle), math.prod(x.shape[axis + len(middle) :])
