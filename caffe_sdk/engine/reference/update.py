"""Update rules of solvers: one operation each, over one parameter.

Shapes: weight, diff and histories all alike. Every rule starts from the gradient of the regularised loss,

    g = scale diff + decay weight        (with ``l1``: decay sign(weight)),

and leaves in diff what it has taken from the weight, as Caffe does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Update(EngineBase):
    """The six rules, and the norm that gradients are clipped by."""

    @operation(updates="weight diff history")
    def sgd_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = momentum history + rate g;  weight -= history"""
        values, gradient, steps = self.update(weight), self.update(diff), self.update(history)
        _regularize(gradient, values, decay, l1, scale)
        steps *= momentum
        steps += rate * gradient
        gradient[...] = steps
        values -= steps

    @operation(updates="weight diff history")
    def nesterov_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """new = momentum history + rate g;  weight -= (1 + momentum) new - momentum history;  history = new"""
        values, gradient, steps = self.update(weight), self.update(diff), self.update(history)
        _regularize(gradient, values, decay, l1, scale)
        before = steps.copy()
        steps *= momentum
        steps += rate * gradient
        gradient[...] = (1 + momentum) * steps - momentum * before
        values -= gradient

    @operation(updates="weight diff history")
    def adagrad_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history += g^2;  weight -= rate g / (sqrt(history) + delta)"""
        values, gradient, squares = self.update(weight), self.update(diff), self.update(history)
        _regularize(gradient, values, decay, l1, scale)
        squares += gradient * gradient
        gradient *= rate / (np.sqrt(squares) + delta)
        values -= gradient

    @operation(updates="weight diff history")
    def rmsprop_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        rms_decay: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = rms_decay history + (1 - rms_decay) g^2;  weight -= rate g / (sqrt(history) + delta)"""
        values, gradient, squares = self.update(weight), self.update(diff), self.update(history)
        _regularize(gradient, values, decay, l1, scale)
        squares *= rms_decay
        squares += (1 - rms_decay) * gradient * gradient
        gradient *= rate / (np.sqrt(squares) + delta)
        values -= gradient

    @operation(updates="weight diff squares steps")
    def adadelta_update(
        self,
        weight: Tensor,
        diff: Tensor,
        squares: Tensor,
        steps: Tensor,
        rate: float,
        momentum: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """Two running means with factor ``momentum``: of g^2 in squares, of s^2 in steps, where

        s = g sqrt((steps + delta) / (squares + delta));  weight -= rate s
        """
        values, gradient = self.update(weight), self.update(diff)
        mean_squares, mean_steps = self.update(squares), self.update(steps)
        _regularize(gradient, values, decay, l1, scale)
        mean_squares *= momentum
        mean_squares += (1 - momentum) * gradient * gradient
        gradient *= np.sqrt((mean_steps + delta) / (mean_squares + delta))
        mean_steps *= momentum
        mean_steps += (1 - momentum) * gradient * gradient
        gradient *= rate
        values -= gradient

    @operation(updates="weight diff mean squares")
    def adam_update(
        self,
        weight: Tensor,
        diff: Tensor,
        mean: Tensor,
        squares: Tensor,
        rate: float,
        beta1: float,
        beta2: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """mean = beta1 mean + (1 - beta1) g;  squares = beta2 squares + (1 - beta2) g^2;

        weight -= rate mean / (sqrt(squares) + delta). The correction of the two means' bias is part of ``rate``.
        """
        values, gradient = self.update(weight), self.update(diff)
        mean_gradient, mean_squares = self.update(mean), self.update(squares)
        _regularize(gradient, values, decay, l1, scale)
        mean_gradient *= beta1
        mean_gradient += (1 - beta1) * gradient
        mean_squares *= beta2
        mean_squares += (1 - beta2) * gradient * gradient
        np.divide(rate * mean_gradient, np.sqrt(mean_squares) + delta, out=gradient)
        values -= gradient

    @operation(writes="total")
    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers of all tensors; total is a scalar"""
        flat = (self.read(tensor).reshape(-1) for tensor in tensors)
        self.write(total)[...] = sum(float(np.dot(numbers, numbers)) for numbers in flat)


def _regularize(gradient: Array, weight: Array, decay: float, l1: bool, scale: float) -> None:
    """gradient = scale gradient + decay weight, or the weight's sign with ``l1``"""
    if scale != 1:
        gradient *= scale
    if decay:
        gradient += decay * (np.sign(weight) if l1 else weight)
