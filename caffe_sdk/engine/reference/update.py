"""Updates of weights: one operation, over one parameter, by any of the rules of `caffe_sdk.engine.rules`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.engine.rules import AdaDelta, AdaGrad, Adam, Nesterov, RmsProp, Rule, Sgd, Step
from caffe_sdk.memory import Array, Tensor


class Update(EngineBase):
    """The six rules, and the norm that gradients are clipped by."""

    @operation(updates="weight diff histories")
    def update_weights(self, rule: Rule, weight: Tensor, diff: Tensor, histories: Sequence[Tensor], step: Step) -> None:
        """weight -= the rule's step;  diff = the step. All tensors are of one shape."""
        values, gradient = self.update(weight), self.update(diff)
        if step.scale != 1:
            gradient *= step.scale
        if step.decay:
            gradient += step.decay * (np.sign(values) if step.l1 else values)
        gradient[...] = _step(rule, gradient, [self.update(history) for history in histories], step.rate)
        values -= gradient

    @operation(writes="total")
    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers of all tensors; total is a scalar"""
        flat = (self.read(tensor).reshape(-1) for tensor in tensors)
        self.write(total)[...] = sum(float(np.dot(numbers, numbers)) for numbers in flat)


def _step(rule: Rule, g: Array, histories: Sequence[Array], rate: float) -> Array:
    """What a rule takes from the weight; histories are changed."""
    first, second = histories[0], histories[-1]
    match rule:
        case Sgd(momentum):
            first *= momentum
            first += rate * g
            return first
        case Nesterov(momentum):
            before = first.copy()
            first *= momentum
            first += rate * g
            return (1 + momentum) * first - momentum * before
        case AdaGrad(delta):
            first += g * g
            return g * (rate / (np.sqrt(first) + delta))
        case RmsProp(rms_decay, delta):
            _blend(first, rms_decay, g * g)
            return g * (rate / (np.sqrt(first) + delta))
        case AdaDelta(momentum, delta):
            _blend(first, momentum, g * g)
            s = g * np.sqrt((second + delta) / (first + delta))
            _blend(second, momentum, s * s)
            return rate * s
        case Adam(beta1, beta2, delta):
            _blend(first, beta1, g)
            _blend(second, beta2, g * g)
            return rate * first / (np.sqrt(second) + delta)


def _blend(mean: Array, factor: float, new: Array) -> None:
    """mean = factor mean + (1 - factor) new"""
    mean *= factor
    mean += (1 - factor) * new
