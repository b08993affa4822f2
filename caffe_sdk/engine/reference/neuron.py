"""Functions of single values. y may be x, and dx may be dy: every operation reads before it writes."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Neuron(EngineBase):
    """Shapes: x, y, mask and their gradients all alike; slope (c,), c being axis 1 of x, or one value for all."""

    @operation(writes="y")
    def relu(self, x: Tensor, y: Tensor, negative_slope: float) -> None:
        """y = max(x, 0) + negative_slope min(x, 0)."""
        values = self.read(x)
        result = np.maximum(values, 0)
        if negative_slope:
            result += negative_slope * np.minimum(values, 0)
        self.write(y)[...] = result

    @operation(writes="dx")
    def relu_grad(self, x: Tensor, dy: Tensor, dx: Tensor, negative_slope: float) -> None:
        """dx = dy where x > 0, else negative_slope dy. x may be y: only its sign counts."""
        values, gradient = self.read(x), self.read(dy)
        self.write(dx)[...] = np.where(values > 0, gradient, negative_slope * gradient)

    @operation(writes="y")
    def prelu(self, x: Tensor, slope: Tensor, y: Tensor) -> None:
        """y = max(x, 0) + slope min(x, 0)."""
        values = self.read(x)
        result = np.maximum(values, 0) + _along_channels(self.read(slope), values) * np.minimum(values, 0)
        self.write(y)[...] = result

    @operation(writes="dx")
    def prelu_grad_data(self, x: Tensor, slope: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy where x > 0, else slope dy."""
        values, gradient = self.read(x), self.read(dy)
        factor = _along_channels(self.read(slope), values)
        self.write(dx)[...] = np.where(values > 0, gradient, factor * gradient)

    @operation(updates="dslope")
    def prelu_grad_slope(self, x: Tensor, dy: Tensor, dslope: Tensor) -> None:
        """dslope += sum of dy min(x, 0) over what shares the slope."""
        products = self.read(dy) * np.minimum(self.read(x), 0)
        every = dslope.count == 1
        total = products.sum() if every else products.sum(axis=(0, *range(2, products.ndim)))
        self.update(dslope)[...] += total.reshape(dslope.shape)

    @operation(writes="y mask")
    def dropout(self, x: Tensor, y: Tensor, mask: Tensor, ratio: float, rng: np.random.Generator) -> None:
        """y = x mask, where mask is 0 with probability ratio, else 1 / (1 - ratio)."""
        values = self.read(x)
        factors = self.write(mask)
        factors[...] = (rng.random(mask.shape, np.float32) >= ratio) / (1 - ratio)
        result = values * factors
        self.write(y)[...] = result

    @operation(writes="dx")
    def dropout_grad(self, dy: Tensor, mask: Tensor, dx: Tensor) -> None:
        """dx = dy mask."""
        result = self.read(dy) * self.read(mask)
        self.write(dx)[...] = result


def _along_channels(slope: Array, x: Array) -> Array:
    """The slopes in a shape that meets x at its channel axis."""
    return slope.reshape(-1, *(1,) * (x.ndim - 2)) if slope.size > 1 else slope.reshape(())
