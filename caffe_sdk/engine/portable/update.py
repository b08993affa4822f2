"""The update rules in one pass each, on weights that stay where they are: on the host, or in a layout of oneDNN's.

A step that is infinite or no number is an error here, before it is in a snapshot. It would not show in the loss, for a
ReLU of NaN is 0 where oneDNN computes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple

import numpy as np

from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.update import Update
from caffe_sdk.engine.rules import Rule, Step
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Array, Place, Tensor


class FastUpdate(Update):
    """An update is one loop over weight, diff and histories where the weight is.

    What a layout pads is 0 and stays 0. SolverError for a step that is not finite, which is made nevertheless.
    """

    def update_weights(self, rule: Rule, weight: Tensor, diff: Tensor, histories: Sequence[Tensor], step: Step) -> None:
        """weight -= the rule's step;  diff = the step. All tensors are of one shape."""
        if not _made(rule, [weight, diff, *histories], step):
            super().update_weights(rule, weight, diff, histories, step)

    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers, each tensor's wherever it is: what a layout pads is 0."""
        flat = map(_numbers, tensors)
        self.write(total)[...] = math.fsum(float(np.dot(numbers, numbers)) for numbers in flat)


def _made(rule: Rule, tensors: Sequence[Tensor], step: Step) -> bool:
    """Whether a rule's loop has updated weight, diff and histories, in this order; else nothing has changed.

    A rule that divides by something plus ``delta`` would divide 0 by 0 where a layout pads if that is 0.
    """
    weight, diff = tensors[:2]
    if not (conditions.HAS_NUMBA and weight.count and all(tensor.count == tensor.memory.count for tensor in tensors)):
        return False
    from caffe_sdk.engine.portable.loops import update as loops

    place = meeting_place(weight, diff) if getattr(rule, "delta", 1) else HOST
    arrays = [tensor.memory.update(place) for tensor in tensors]
    loop: Callable[..., int] = getattr(loops, f"{rule.name}_update")
    scalars = map(weight.memory.dtype.type, (step.rate, *astuple(rule), step.decay, step.scale))
    numbers = *scalars, step.l1
    wrong: list[int] = []

    def work(i: int, j: int) -> None:
        wrong.append(loop(*(array[i:j] for array in arrays), *numbers))

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
