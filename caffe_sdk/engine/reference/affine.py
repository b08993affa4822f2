"""Scale and shift with coefficients that repeat along some axes."""

from __future__ import annotations

import math

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Shape, Tensor


class Affine(EngineBase):
    """Shapes: x and y alike; scale and shift those axes of x that begin at ``axis``, as many as they have."""

    @operation(writes="y")
    def affine(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, y: Tensor, axis: int) -> None:
        """y = scale x + shift. y may be x."""
        result = self.read(x)
        if scale is not None:
            result = result * _spread(self.read(scale), x.shape, axis)
        if shift is not None:
            result = result + _spread(self.read(shift), x.shape, axis)
        self.write(y)[...] = result

    @operation(writes="dx")
    def affine_grad_data(self, dy: Tensor, scale: Tensor, dx: Tensor, axis: int) -> None:
        """dx = scale dy. dx may be dy."""
        result = self.read(dy) * _spread(self.read(scale), dy.shape, axis)
        self.write(dx)[...] = result

    @operation(updates="dscale")
    def affine_grad_scale(self, x: Tensor, dy: Tensor, dscale: Tensor, axis: int) -> None:
        """dscale += sum of x dy over the other axes."""
        self.update(dscale)[...] += _gathered(self.read(x) * self.read(dy), dscale.shape, axis)

    @operation(updates="dshift")
    def affine_grad_shift(self, dy: Tensor, dshift: Tensor, axis: int) -> None:
        """dshift += sum of dy over the other axes."""
        self.update(dshift)[...] += _gathered(self.read(dy), dshift.shape, axis)


def _spread(coefficients: Array, shape: Shape, axis: int) -> Array:
    """The coefficients in a shape that meets ``shape`` at ``axis``."""
    behind = len(shape) - axis - coefficients.ndim
    return coefficients.reshape(coefficients.shape + (1,) * behind)


def _gathered(x: Array, shape: Shape, axis: int) -> Array:
    """The transpose of `_spread`: the sum over all axes but those of ``shape``."""
    before, middle = math.prod(x.shape[:axis]), math.prod(shape)
    behind = math.prod(x.shape[axis + len(shape) :])
    total: Array = x.reshape(before, middle, behind).sum(axis=(0, 2))
    return total.reshape(shape)
