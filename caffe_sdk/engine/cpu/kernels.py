"""Loops compiled by Numba. Importing this module imports Numba, so only functions that need a loop do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from caffe_sdk.memory import Array

Loop = Callable[..., Any]
IGNORED, WRONG = -1, -2


def _compiled(loop: Loop) -> Loop:
    """The loop compiled without the interpreter's lock; kept on disk between processes where there is room for it."""
    try:
        made: Any = numba.njit(nogil=True, cache=True, fastmath={"contract"})(loop)
    except RuntimeError:  # no folder to keep it in
        made = numba.njit(nogil=True, fastmath={"contract"})(loop)
    return made  # type: ignore[no-any-return]


@_compiled
def sgd(weight: Array, diff: Array, history: Array, rate: float, momentum: float, decay: float, scale: float) -> None:
    """One pass of `sgd_update`."""
    for i in range(weight.size):
        step = momentum * history[i] + rate * (scale * diff[i] + decay * weight[i])
        history[i] = step
        diff[i] = step
        weight[i] -= step


@_compiled
def sgd_l1(
    weight: Array, diff: Array, history: Array, rate: float, momentum: float, decay: float, scale: float
) -> None:
    """One pass of `sgd_update` where the decay is that of the weight's sign."""
    for i in range(weight.size):
        sign = (weight[i] > 0) - (weight[i] < 0)
        step = momentum * history[i] + rate * (scale * diff[i] + decay * sign)
        history[i] = step
        diff[i] = step
        weight[i] -= step


@_compiled
def class_of(label: float, classes: int, ignored: float) -> int:
    """The class a label names: IGNORED if it is that label (NaN names none), WRONG if it is no class."""
    value = np.trunc(label)
    if value == ignored:
        return IGNORED
    return int(value) if 0 <= value < classes else WRONG


@_compiled
def softmax_loss(prob: Array, label: Array, ignored: float, smallest: float) -> tuple[float, int]:
    """The sum of -log max(prob, smallest) at the labels, and how many count; WRONG for that when one is no class.

    prob (outer, classes, inner), label (outer, inner).
    """
    outer, classes, inner = prob.shape
    total, counted = 0.0, 0
    for i in range(outer):
        for j in range(inner):
            at = class_of(label[i, j], classes, ignored)
            if at == WRONG:
                return total, WRONG
            if at != IGNORED:
                p = prob[i, at, j]
                total -= math.log(smallest if p < smallest else p)
                counted += 1
    return total, counted


@_compiled
def softmax_loss_grad(prob: Array, label: Array, ignored: float, dx: Array) -> int:
    """dx = prob - one at the label, 0 where that is ignored; how many labels count, or WRONG."""
    outer, classes, inner = prob.shape
    counted = 0
    for i in range(outer):
        for j in range(inner):
            at = class_of(label[i, j], classes, ignored)
            if at == WRONG:
                return WRONG
            if at == IGNORED:
                dx[i, :, j] = 0
            else:
                dx[i, :, j] = prob[i, :, j]
                dx[i, at, j] -= 1
                counted += 1
    return counted
