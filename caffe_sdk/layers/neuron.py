"""Layers that compute every value by itself. Bottom and top have one shape, and may be one blob (in place)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, Parameter, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import FillerParameter


class Neuron(Layer):
    """A function of single values: `compute` it and its gradient, `derive`."""

    in_place = True

    keeps_input: bool = False
    """Whether the gradient needs x: in place, where y takes its place, a copy is kept."""

    before: Tensor | None = None

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        """Write y."""
        raise NotImplementedError

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        """Write dx. In place x holds y unless the layer keeps its input."""
        raise NotImplementedError

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.before = fitted(self.before, bottom[0]) if self.keeps_input and bottom[0] is top[0] else None

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.before is not None:
            engine.copy(bottom[0].data_tensor, self.before)
        self.compute(engine, bottom[0].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            x = self.input(bottom)
            self.derive(engine, x, top[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor)

    def input(self, bottom: Sequence[Blob]) -> Tensor:
        """What x was before y took its place."""
        return self.before if self.before is not None else bottom[0].data_tensor


@layer("ReLU")
class ReLU(Neuron):
    """y = x where x > 0, else negative_slope x.  (...) -> (...)"""

    def setup(self, config: Any) -> None:
        self.slope: float = config.relu_param.negative_slope

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.relu(x, y, self.slope)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.relu_grad(x, dy, dx, self.slope)  # y has the sign of x


@layer("PReLU")
class PReLU(Neuron):
    """y = x where x > 0, else slope[c] x, the slope being learned.  (n, c, ...) -> (n, c, ...)

    ``channel_shared``: one slope for all channels. Slopes begin with 0.25 if there is no filler.
    """

    keeps_input = True

    def setup(self, config: Any) -> None:
        self.param = config.prelu_param

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        shape = bottoms[0]
        self.check_shape(len(shape) >= 2, f"input {shape} has {len(shape)} axes", "give 2 or more: num, channels, ...")
        filler = self.param.filler if self.param.HasField("filler") else FillerParameter(type="constant", value=0.25)
        return [Parameter(() if self.param.channel_shared else (shape[1],), filler)]

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.prelu(x, self.blobs[0].data_tensor, y)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dslope = self.gradient(0)
        if dslope is not None:  # first: dx may take dy's place
            engine.prelu_grad_slope(self.input(bottom), top[0].diff_tensor, dslope)
        super().backward(engine, top, needs, bottom)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.prelu_grad_data(x, self.blobs[0].data_tensor, dy, dx)


@layer("Dropout")
class Dropout(Layer):
    """y = x / (1 - dropout_ratio), or 0 with that probability; in the TEST phase y = x.  (...) -> (...)"""

    in_place = True

    def setup(self, config: Any) -> None:
        self.ratio: float = config.dropout_param.dropout_ratio
        self.mask: Tensor | None = None
        self.check(0 <= self.ratio < 1, f"dropout_ratio: {self.ratio:g}", "give 0 or more, but less than 1")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.training:
            self.mask = fitted(self.mask, top[0], np.float32)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.mask is not None:
            engine.dropout(bottom[0].data_tensor, top[0].data_tensor, self.mask, self.ratio, self.rng)
        elif bottom[0] is not top[0]:
            engine.copy(bottom[0].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0] and self.mask is not None:
            engine.dropout_grad(top[0].diff_tensor, self.mask, bottom[0].diff_tensor)
        elif needs[0] and bottom[0] is not top[0]:
            engine.copy(top[0].diff_tensor, bottom[0].diff_tensor)


@layer("Sigmoid")
class Sigmoid(Neuron):
    """y = 1 / (1 + exp(-x)).  (...) -> (...)"""

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.sigmoid(x, y)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.sigmoid_grad(y, dy, dx)


@layer("TanH")
class TanH(Neuron):
    """y = tanh x.  (...) -> (...)"""

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.tanh(x, y)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.tanh_grad(y, dy, dx)


@layer("ELU")
class ELU(Neuron):
    """y = x where x > 0, else alpha (exp(x) - 1).  (...) -> (...)"""

    keeps_input = True

    def setup(self, config: Any) -> None:
        self.alpha: float = config.elu_param.alpha

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.elu(x, y, self.alpha)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.elu_grad(x, dy, dx, self.alpha)


@layer("Swish")
class Swish(Neuron):
    """y = x / (1 + exp(-beta x)).  (...) -> (...)"""

    keeps_input = True

    def setup(self, config: Any) -> None:
        self.beta: float = config.swish_param.beta

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.swish(x, y, self.beta)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.swish_grad(x, dy, dx, self.beta)


@layer("BNLL")
class BNLL(Neuron):
    """y = log(1 + exp(x)), the binomial normal log likelihood.  (...) -> (...)"""

    keeps_input = True

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.bnll(x, y)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.bnll_grad(x, dy, dx)


@layer("Clip")
class Clip(Neuron):
    """y = x, but at least min and at most max.  (...) -> (...)"""

    keeps_input = True

    def setup(self, config: Any) -> None:
        self.param = config.clip_param
        low, high = self.param.min, self.param.max
        self.check(self.param.HasField("min") and self.param.HasField("max"), "has no bounds", "give min and max")
        self.check(low <= high, f"min: {low:g} is more than max: {high:g}", "give min <= max")

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.clip(x, y, self.param.min, self.param.max)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.clip_grad(x, dy, dx, self.param.min, self.param.max)


@layer("Threshold")
class Threshold(Neuron):
    """y = 1 where x > threshold, else 0. It has no gradient.  (...) -> (...)"""

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.threshold(x, y, self.config.threshold_param.threshold)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[0], "a threshold has no gradient", "set propagate_down: false")

    def can_force_backward(self, bottom: int) -> bool:
        return False


@layer("AbsVal")
class AbsVal(Neuron):
    """y = |x|.  (...) -> (...)"""

    keeps_input = True

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.absolute(x, y)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.absolute_grad(x, dy, dx)


@layer("Power")
class Power(Neuron):
    """y = (shift + scale x)^power.  (...) -> (...)"""

    def setup(self, config: Any) -> None:
        param = config.power_param
        self.power, self.scale, self.shift = param.power, param.scale, param.shift
        self.keeps_input = self.power not in (0, 1)

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.power(x, y, self.power, self.scale, self.shift)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.power_grad(x, dy, dx, self.power, self.scale, self.shift)


@layer("Exp")
class Exp(Neuron):
    """y = base^(shift + scale x); base -1 stands for e.  (...) -> (...)"""

    def setup(self, config: Any) -> None:
        param = config.exp_param
        natural = logarithm_of_base(self, param.base)
        self.scale, self.shift = natural * param.scale, natural * param.shift

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.exponential(x, y, self.scale, self.shift)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.exponential_grad(y, dy, dx, self.scale)


@layer("Log")
class Log(Neuron):
    """y = log_base(shift + scale x); base -1 stands for e.  (...) -> (...)"""

    keeps_input = True

    def setup(self, config: Any) -> None:
        param = config.log_param
        natural = logarithm_of_base(self, param.base)
        self.check(natural != 0, "base: 1 has no logarithm", "give another base")
        self.factor, self.scale, self.shift = 1 / natural, param.scale, param.shift

    def compute(self, engine: Engine, x: Tensor, y: Tensor) -> None:
        engine.logarithm(x, y, self.factor, self.scale, self.shift)

    def derive(self, engine: Engine, x: Tensor, y: Tensor, dy: Tensor, dx: Tensor) -> None:
        engine.logarithm_grad(x, dy, dx, self.factor, self.scale, self.shift)


def logarithm_of_base(layer: Layer, base: float) -> float:
    """The natural logarithm of the base of Exp and Log, where -1 stands for e."""
    if base == -1:
        return 1.0
    layer.check(base > 0, f"base: {base:g}", "give a positive base, or -1 for e")
    return math.log(base)
