"""Losses of labels."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array

IGNORED, WRONG = -1, -2


@compiled
def class_of(label: float, classes: int, ignored: float) -> int:
    """The class a label names: IGNORED if it is that label (NaN names none), WRONG if it is no class."""
    value = np.trunc(label)
    if value == ignored:
        return IGNORED
    return int(value) if 0 <= value < classes else WRONG


@compiled
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


@compiled
def softmax_loss_grad(prob: Array, label: Array, ignored: float, dx: Array) -> int:
    """dx = prob - one at the label, 0 where that is ignored; how many labels count, or WRONG."""
    outer, classes, inner = prob.shape
    counted = 0
    for i in range(outer):
        for j in range(inner):
            at = class_of(label[i, j], classes, ignored)
            if at == WRONG:
                return WRONG
            for k in range(classes):
                dx[i, k, j] = 0 if at == IGNORED else prob[i, k, j]
            if at != IGNORED:
                dx[i, at, j] -= 1
                counted += 1
    return counted
