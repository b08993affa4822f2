"""The update rules in one pass each, on weights that stay where they are: on the host, or in a layout of oneDNN's.

A step that is infinite or no number is an error here, before it is in a snapshot. It would not show in the loss, for a
ReLU of NaN is 0 where oneDNN computes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.update import Update
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Array, Place, Tensor


class FastUpdate(Update):
    """An update is one loop over weight, diff and histories where the weight is.

    What a layout pads is 0 and stays 0. SolverError for a step that is not finite, which is made nevertheless.
    """

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
        if not _made("sgd_update", [weight, diff, history], [rate, momentum, decay, scale], l1):
            super().sgd_update(weight, diff, history, rate, momentum, decay, l1, scale)

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
        if not _made("nesterov_update", [weight, diff, history], [rate, momentum, decay, scale], l1):
            super().nesterov_update(weight, diff, history, rate, momentum, decay, l1, scale)

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
        if not _made("adagrad_update", [weight, diff, history], [rate, delta, decay, scale], l1, delta):
            super().adagrad_update(weight, diff, history, rate, delta, decay, l1, scale)

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
        if not _made("rmsprop_update", [weight, diff, history], [rate, rms_decay, delta, decay, scale], l1, delta):
            super().rmsprop_update(weight, diff, history, rate, rms_decay, delta, decay, l1, scale)

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
        numbers = [rate, momentum, delta, decay, scale]
        if not _made("adadelta_update", [weight, diff, squares, steps], numbers, l1, delta):
            super().adadelta_update(weight, diff, squares, steps, rate, momentum, delta, decay, l1, scale)

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

        weight -= rate mean / (sqrt(squares) + delta).
        """
        numbers = [rate, beta1, beta2, delta, decay, scale]
        if not _made("adam_update", [weight, diff, mean, squares], numbers, l1, delta):
            super().adam_update(weight, diff, mean, squares, rate, beta1, beta2, delta, decay, l1, scale)

    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers, each tensor's wherever it is: what a layout pads is 0."""
        flat = map(_numbers, tensors)
        self.write(total)[...] = math.fsum(float(np.dot(numbers, numbers)) for numbers in flat)


def _made(rule: str, tensors: Sequence[Tensor], numbers: Sequence[float], l1: bool, delta: float = 1) -> bool:
    """Whether a rule's loop has updated weight, diff and histories, in this order; else nothing has changed.

    A rule that divides by something plus ``delta`` would divide 0 by 0 where a layout pads if that is 0.
    """
    weight, diff = tensors[:2]
    if not (conditions.HAS_NUMBA and weight.count and all(tensor.count == tensor.memory.count for tensor in tensors)):
        return False
    from caffe_sdk.engine.portable.loops import update as loops

    place = meeting_place(weight, diff) if delta else HOST
    arrays = [tensor.memory.update(place) for tensor in tensors]
    loop: Callable[..., int] = getattr(loops, rule)
    scalars = list(map(weight.memory.dtype.type, numbers))
    wrong: list[int] = []

    def work(i: int, j: int) -> None:
        wrong.append(loop(*(array[i:j] for array in arrays), *scalars, l1))

    shared(work, arrays[0].size, arrays[0].size)
    if any(wrong):
        raise SolverError(
            "",
            "an update of the weights is not a finite number",
            "check the data, make base_lr smaller, or set clip_gradients; go on from the last snapshot",
        )
    return True


def meeting_place(weight: Tensor, diff: Tensor) -> Place:
    """Where an update costs least: a place of the weight's, the gradient's too if it can be, rather not the host."""
    places = [place for place in weight.memory.fresh if place is not HOST and not place.derived]
    both = [place for place in places if place in diff.memory.fresh]
    return (both or places or [HOST])[0]


def _numbers(tensor: Tensor) -> Array:
    """A tensor's numbers in whatever order they are, with the zeros of a layout that pads."""
    memory = tensor.memory
    if tensor.count == memory.count:
        for place in memory.fresh:
            if not place.derived:
                buffer: Array = memory.read(place)
                return buffer
    host: Array = memory.read(HOST)[: tensor.count]
    return host
