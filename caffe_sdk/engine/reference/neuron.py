"""Functions of single values. y may be x, and dx may be dy: every operation reads before it writes."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Neuron(EngineBase):
    """Shapes: x, y, mask and their gradients all alike; slope (c,), c being axis 1 of x, or one value for all.

    Gradients are computed from x, or from y where that is enough.
    """

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

    @operation(writes="y")
    def sigmoid(self, x: Tensor, y: Tensor) -> None:
        """y = 1 / (1 + exp(-x))."""
        result = _sigmoid(self.read(x))
        self.write(y)[...] = result

    @operation(writes="dx")
    def sigmoid_grad(self, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy y (1 - y)."""
        values = self.read(y)
        result = self.read(dy) * values * (1 - values)
        self.write(dx)[...] = result

    @operation(writes="y")
    def tanh(self, x: Tensor, y: Tensor) -> None:
        """y = tanh x."""
        result = np.tanh(self.read(x))
        self.write(y)[...] = result

    @operation(writes="dx")
    def tanh_grad(self, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy (1 - y^2)."""
        values = self.read(y)
        result = self.read(dy) * (1 - values * values)
        self.write(dx)[...] = result

    @operation(writes="y")
    def elu(self, x: Tensor, y: Tensor, alpha: float) -> None:
        """y = x where x > 0, else alpha (exp(x) - 1)  (Clevert and others, 2015)."""
        values = self.read(x)
        result = np.where(values > 0, values, alpha * np.expm1(np.minimum(values, 0)))
        self.write(y)[...] = result

    @operation(writes="dx")
    def elu_grad(self, x: Tensor, dy: Tensor, dx: Tensor, alpha: float) -> None:
        """dx = dy where x > 0, else alpha exp(x) dy."""
        values, gradient = self.read(x), self.read(dy)
        result = np.where(values > 0, gradient, alpha * np.exp(np.minimum(values, 0)) * gradient)
        self.write(dx)[...] = result

    @operation(writes="y")
    def swish(self, x: Tensor, y: Tensor, beta: float) -> None:
        """y = x sigmoid(beta x)  (Ramachandran and others, 2017)."""
        values = self.read(x)
        result = values * _sigmoid(beta * values)
        self.write(y)[...] = result

    @operation(writes="dx")
    def swish_grad(self, x: Tensor, dy: Tensor, dx: Tensor, beta: float) -> None:
        """dx = dy s (1 + beta x (1 - s)) with s = sigmoid(beta x)."""
        values = self.read(x)
        s = _sigmoid(beta * values)
        result = self.read(dy) * s * (1 + beta * values * (1 - s))
        self.write(dx)[...] = result

    @operation(writes="y")
    def bnll(self, x: Tensor, y: Tensor) -> None:
        """y = log(1 + exp(x))."""
        result = np.logaddexp(0, self.read(x))
        self.write(y)[...] = result

    @operation(writes="dx")
    def bnll_grad(self, x: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy sigmoid(x)."""
        result = self.read(dy) * _sigmoid(self.read(x))
        self.write(dx)[...] = result

    @operation(writes="y")
    def clip(self, x: Tensor, y: Tensor, low: float, high: float) -> None:
        """y = x, but at least low and at most high."""
        result = np.clip(self.read(x), low, high)
        self.write(y)[...] = result

    @operation(writes="dx")
    def clip_grad(self, x: Tensor, dy: Tensor, dx: Tensor, low: float, high: float) -> None:
        """dx = dy where low <= x <= high, else 0."""
        values = self.read(x)
        result = self.read(dy) * ((values >= low) & (values <= high))
        self.write(dx)[...] = result

    @operation(writes="y")
    def threshold(self, x: Tensor, y: Tensor, threshold: float) -> None:
        """y = 1 where x > threshold, else 0."""
        result = self.read(x) > threshold
        self.write(y)[...] = result

    @operation(writes="y")
    def absolute(self, x: Tensor, y: Tensor) -> None:
        """y = |x|."""
        result = np.abs(self.read(x))
        self.write(y)[...] = result

    @operation(writes="dx")
    def absolute_grad(self, x: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy sign x."""
        result = self.read(dy) * np.sign(self.read(x))
        self.write(dx)[...] = result

    @operation(writes="y")
    def power(self, x: Tensor, y: Tensor, power: float, scale: float, shift: float) -> None:
        """y = (scale x + shift)^power."""
        result = scale * self.read(x) + shift
        self.write(y)[...] = result if power == 1 else result**power

    @operation(writes="dx")
    def power_grad(self, x: Tensor, dy: Tensor, dx: Tensor, power: float, scale: float, shift: float) -> None:
        """dx = dy power scale (scale x + shift)^(power - 1); 0 if power or scale is."""
        result = power * scale * self.read(dy)
        if power * scale and power != 1:
            result *= (scale * self.read(x) + shift) ** (power - 1)
        self.write(dx)[...] = result

    @operation(writes="y")
    def exponential(self, x: Tensor, y: Tensor, scale: float, shift: float) -> None:
        """y = exp(scale x + shift)."""
        result = np.exp(scale * self.read(x) + shift)
        self.write(y)[...] = result

    @operation(writes="dx")
    def exponential_grad(self, y: Tensor, dy: Tensor, dx: Tensor, scale: float) -> None:
        """dx = dy scale y."""
        result = self.read(dy) * scale * self.read(y)
        self.write(dx)[...] = result

    @operation(writes="y")
    def logarithm(self, x: Tensor, y: Tensor, factor: float, scale: float, shift: float) -> None:
        """y = factor log(scale x + shift)."""
        result = factor * np.log(scale * self.read(x) + shift)
        self.write(y)[...] = result

    @operation(writes="dx")
    def logarithm_grad(self, x: Tensor, dy: Tensor, dx: Tensor, factor: float, scale: float, shift: float) -> None:
        """dx = dy factor scale / (scale x + shift)."""
        result = self.read(dy) * (factor * scale) / (scale * self.read(x) + shift)
        self.write(dx)[...] = result


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by the tanh so that nothing overflows."""
    half: Array = 0.5 * np.tanh(0.5 * x)
    return half + 0.5


def _along_channels(slope: Array, x: Array) -> Array:
    """The slopes in a shape that meets x at its channel axis."""
    return slope.reshape(-1, *(1,) * (x.ndim - 2)) if slope.size != 1 else slope.reshape(())
