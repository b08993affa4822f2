"""Functions of single values."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.cuda.affine import CudaSums, Shares
from caffe_sdk.engine.cuda.dnn.descriptors import Activation
from caffe_sdk.engine.cuda.dnn.neuron import Activate, ActivateGrad
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, planes
from caffe_sdk.engine.cuda.draws import Draw, skip_halves
from caffe_sdk.engine.cuda.place import LastPlace
from caffe_sdk.engine.reference.neuron import Neuron
from caffe_sdk.memory import Tensor

DRAWS = 8  # as in random.cu: numbers of 64 bits that a thread draws at a stretch


class CudaNeuron(CudaSums, Neuron):
    """A launch each, or for some a call of cuDNN."""

    def relu(self, x: Tensor, y: Tensor, negative_slope: float) -> None:
        """y = max(x, 0) + negative_slope min(x, 0)."""
        job = None if negative_slope else self._activate(Activation.RELU, y)
        self.either(job, [self.source(x)], [self.target(y)], self.kernel("relu", y.count, negative_slope))

    def relu_grad(self, x: Tensor, dy: Tensor, dx: Tensor, negative_slope: float) -> None:
        """dx = dy where x > 0, else negative_slope dy."""
        job = None if negative_slope else self._activate_grad(Activation.RELU, dx)
        given = [self.source(x), self.source(dy)]
        self.either(job, given, [self.target(dx)], self.kernel("relu_grad", dx.count, negative_slope))

    def prelu(self, x: Tensor, slope: Tensor, y: Tensor) -> None:
        """y = max(x, 0) + slope min(x, 0)."""
        channels, inner = self._slopes(x, slope)
        self.launch("prelu", y.count, self.source(x), self.source(slope), self.target(y), channels, inner)

    def prelu_grad_data(self, x: Tensor, slope: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy where x > 0, else slope dy."""
        sources = map(self.source, (x, slope, dy))
        self.launch("prelu_grad_data", dx.count, *sources, self.target(dx), *self._slopes(x, slope))

    def prelu_grad_slope(self, x: Tensor, dy: Tensor, dslope: Tensor) -> None:
        """dslope += sum of dy min(x, 0) over what shares the slope."""
        channels, inner = self._slopes(x, dslope)
        shares = Shares(channels, x.count // max(1, channels * inner), inner)
        self.add_parts("slope_parts", (self.source(x), self.source(dy)), dslope, shares)

    def dropout(self, x: Tensor, y: Tensor, mask: Tensor, ratio: float, rng: np.random.Generator) -> None:
        """y = x mask, where mask is 0 with probability ratio, else 1 / (1 - ratio): that of the other engines."""
        values = self.source(x)
        factors = self.target(mask)
        begin = self.drawn(Draw(rng, skip_halves, mask.count))
        kept = 1 / (1 - ratio) if ratio < 1 else math.inf
        stretches = -(-mask.count // (2 * DRAWS))
        lies = self.now.places.get(mask.memory)
        order = (lies.last.channels, lies.last.places) if isinstance(lies, LastPlace) else (1, 1)
        self.launch("dropout_mask", stretches, factors, mask.count, ratio, kept, begin, *order)
        self.launch("multiply", y.count, values, factors, self.target(y))

    def dropout_grad(self, dy: Tensor, mask: Tensor, dx: Tensor) -> None:
        """dx = dy mask."""
        self.launch("multiply", dx.count, self.source(dy), self.source(mask), self.target(dx))

    def sigmoid(self, x: Tensor, y: Tensor) -> None:
        """y = 1 / (1 + exp(-x))."""
        job = self._activate(Activation.SIGMOID, y)
        self.either(job, [self.source(x)], [self.target(y)], self.kernel("sigmoid", y.count))

    def sigmoid_grad(self, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy y (1 - y)."""
        job, given = self._activate_grad(Activation.SIGMOID, dx), [self.source(y), self.source(dy)]
        self.either(job, given, [self.target(dx)], self.kernel("sigmoid_grad", dx.count))

    def tanh(self, x: Tensor, y: Tensor) -> None:
        """y = tanh x."""
        job = self._activate(Activation.TANH, y)
        self.either(job, [self.source(x)], [self.target(y)], self.kernel("tanh_of", y.count))

    def tanh_grad(self, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy (1 - y^2)."""
        job, given = self._activate_grad(Activation.TANH, dx), [self.source(y), self.source(dy)]
        self.either(job, given, [self.target(dx)], self.kernel("tanh_grad", dx.count))

    def elu(self, x: Tensor, y: Tensor, alpha: float) -> None:
        """y = x where x > 0, else alpha (exp(x) - 1)."""
        job = self._activate(Activation.ELU, y, alpha)
        self.either(job, [self.source(x)], [self.target(y)], self.kernel("elu", y.count, alpha))

    def elu_grad(self, x: Tensor, dy: Tensor, dx: Tensor, alpha: float) -> None:
        """dx = dy where x > 0, else alpha exp(x) dy."""
        self.launch("elu_grad", dx.count, self.source(x), self.source(dy), self.target(dx), alpha)

    def swish(self, x: Tensor, y: Tensor, beta: float) -> None:
        """y = x sigmoid(beta x)."""
        self.launch("swish", y.count, self.source(x), self.target(y), beta)

    def swish_grad(self, x: Tensor, dy: Tensor, dx: Tensor, beta: float) -> None:
        """dx = dy s (1 + beta x (1 - s)) with s = sigmoid(beta x)."""
        self.launch("swish_grad", dx.count, self.source(x), self.source(dy), self.target(dx), beta)

    def bnll(self, x: Tensor, y: Tensor) -> None:
        """y = log(1 + exp(x))."""
        self.launch("bnll", y.count, self.source(x), self.target(y))

    def bnll_grad(self, x: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy sigmoid(x)."""
        self.launch("bnll_grad", dx.count, self.source(x), self.source(dy), self.target(dx))

    def clip(self, x: Tensor, y: Tensor, low: float, high: float) -> None:
        """y = x, but at least low and at most high."""
        self.launch("clip", y.count, self.source(x), self.target(y), low, high)

    def clip_grad(self, x: Tensor, dy: Tensor, dx: Tensor, low: float, high: float) -> None:
        """dx = dy where low <= x <= high, else 0."""
        self.launch("clip_grad", dx.count, self.source(x), self.source(dy), self.target(dx), low, high)

    def threshold(self, x: Tensor, y: Tensor, threshold: float) -> None:
        """y = 1 where x > threshold, else 0."""
        self.launch("threshold", y.count, self.source(x), self.target(y), threshold)

    def absolute(self, x: Tensor, y: Tensor) -> None:
        """y = |x|."""
        self.launch("absolute", y.count, self.source(x), self.target(y))

    def absolute_grad(self, x: Tensor, dy: Tensor, dx: Tensor) -> None:
        """dx = dy sign x."""
        self.launch("absolute_grad", dx.count, self.source(x), self.source(dy), self.target(dx))

    def power(self, x: Tensor, y: Tensor, power: float, scale: float, shift: float) -> None:
        """y = (scale x + shift)^power."""
        self.launch("power", y.count, self.source(x), self.target(y), power, scale, shift)

    def power_grad(self, x: Tensor, dy: Tensor, dx: Tensor, power: float, scale: float, shift: float) -> None:
        """dx = dy power scale (scale x + shift)^(power - 1); 0 if power or scale is."""
        sources = self.source(x), self.source(dy)
        self.launch("power_grad", dx.count, *sources, self.target(dx), power, scale, shift)

    def exponential(self, x: Tensor, y: Tensor, scale: float, shift: float) -> None:
        """y = exp(scale x + shift)."""
        self.launch("exponential", y.count, self.source(x), self.target(y), scale, shift)

    def exponential_grad(self, y: Tensor, dy: Tensor, dx: Tensor, scale: float) -> None:
        """dx = dy scale y."""
        self.launch("exponential_grad", dx.count, self.source(y), self.source(dy), self.target(dx), scale)

    def logarithm(self, x: Tensor, y: Tensor, factor: float, scale: float, shift: float) -> None:
        """y = factor log(scale x + shift)."""
        self.launch("logarithm", y.count, self.source(x), self.target(y), factor, scale, shift)

    def logarithm_grad(self, x: Tensor, dy: Tensor, dx: Tensor, factor: float, scale: float, shift: float) -> None:
        """dx = dy factor scale / (scale x + shift)."""
        sources = self.source(x), self.source(dy)
        self.launch("logarithm_grad", dx.count, *sources, self.target(dx), factor, scale, shift)

    def _slopes(self, x: Tensor, slope: Tensor) -> tuple[int, int]:
        """How many slopes there are, and how many neighbours share one."""
        return (1, x.count) if slope.count == 1 else self.around(x.shape, 1)[1:]

    def _activate(self, kind: Activation, y: Tensor, alpha: float = 0.0) -> Activate:
        return Activate(kind, planes(y.shape), TYPES[self.now.real], alpha)

    def _activate_grad(self, kind: Activation, dx: Tensor) -> ActivateGrad:
        return ActivateGrad(kind, planes(dx.shape), TYPES[self.now.real])
