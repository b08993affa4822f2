"""Functions of single values that are more than one step for NumPy. y may be x, and dx may be dy."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.neuron import Neuron
from caffe_sdk.memory import Array, Tensor


class FastNeuron(Neuron):
    """What NumPy does in one step is left to the reference."""

    @quiet
    def relu(self, x: Tensor, y: Tensor, negative_slope: float) -> None:
        """y = max(x, 0) + negative_slope min(x, 0)."""
        if not usable(x, y):
            super().relu(x, y, negative_slope)
        elif not negative_slope:
            values, result = _flat(self.read(x)), _flat(self.write(y))
            shared(lambda i, j: np.maximum(values[i:j], 0, out=result[i:j]), x.count, x.count)
        else:
            from caffe_sdk.engine.portable.loops import neuron as loops

            values = _flat(self.read(x))
            loops.leaky(values, _flat(self.write(y)), np.float32(negative_slope))

    @quiet
    def relu_grad(self, x: Tensor, dy: Tensor, dx: Tensor, negative_slope: float) -> None:
        """dx = dy where x > 0, else negative_slope dy. x may be y: only its sign counts."""
        if not (usable(x, dy, dx) and apart(dx, x)):
            super().relu_grad(x, dy, dx, negative_slope)
            return
        from caffe_sdk.engine.portable.loops import neuron as loops

        values, gradient, slope = _flat(self.read(x)), _flat(self.read(dy)), np.float32(negative_slope)
        if dx.memory is dy.memory:
            result = _flat(self.update(dx))
            shared(lambda i, j: loops.relu_grad_in_place(values[i:j], result[i:j], slope), x.count, x.count)
        else:
            result = _flat(self.write(dx))
            shared(lambda i, j: loops.relu_grad(values[i:j], gradient[i:j], result[i:j], slope), x.count, x.count)

    @quiet
    def prelu(self, x: Tensor, slope: Tensor, y: Tensor) -> None:
        """y = max(x, 0) + slope min(x, 0)."""
        if not usable(x, y):
            super().prelu(x, slope, y)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        values = _channels(self.read(x), slope)
        loops.prelu(values, _flat(self.read(slope)), _channels(self.write(y), slope))

    @quiet
    def prelu_grad_data(self, x: Tensor, slope: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy where x > 0, else slope dy."""
        if not usable(x, dy, dx):
            super().prelu_grad_data(x, slope, dy, dx)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        values, gradient = _channels(self.read(x), slope), _channels(self.read(dy), slope)
        loops.prelu_grad_data(values, _flat(self.read(slope)), gradient, _channels(self.write(dx), slope))

    @quiet
    def prelu_grad_slope(self, x: Tensor, dy: Tensor, dslope: Tensor) -> None:
        """dslope += sum of dy min(x, 0) over what shares the slope."""
        if not usable(x, dy):
            super().prelu_grad_slope(x, dy, dslope)
            return
        from caffe_sdk.engine.portable.loops import channels as loops

        total = np.empty(dslope.count, np.float32)
        loops.prelu_grad_slope(_channels(self.read(x), dslope), _channels(self.read(dy), dslope), total)
        self.update(dslope)[...] += total.reshape(dslope.shape)

    @quiet
    def dropout(self, x: Tensor, y: Tensor, mask: Tensor, ratio: float, rng: np.random.Generator) -> None:
        """y = x mask, where mask is 0 with probability ratio, else 1 / (1 - ratio)."""
        if not (usable(x, y, mask) and apart(mask, x)):
            super().dropout(x, y, mask, ratio, rng)
            return
        from caffe_sdk.engine.portable.loops import neuron as loops

        factors, values = self.write(mask), self.read(x)
        rng.random(out=factors, dtype=np.float32)
        loops.dropped(_flat(factors), np.float32(ratio))
        np.multiply(values, factors, out=self.write(y))

    @quiet
    def dropout_grad(self, dy: Tensor, mask: Tensor, dx: Tensor) -> None:
        """dx = dy mask."""
        if not usable(dy, mask, dx):
            super().dropout_grad(dy, mask, dx)
            return
        gradient, factors = self.read(dy), self.read(mask)
        np.multiply(gradient, factors, out=self.write(dx))


def _flat(x: Array) -> Array:
    return x.reshape(-1)


def _channels(x: Array, slope: Tensor) -> Array:
    """x as (before, slopes, behind): all of it, if there is one slope."""
    return x.reshape(1, 1, -1) if slope.count == 1 else x.reshape(len(x), slope.count, -1)
