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
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
"""Of Numba: a * b + c may round once, and dividing by 0 is no error."""


def _compiled(loop: Loop) -> Loop:
    """The loop compiled without the interpreter's lock, kept on disk where there is room for it; 1 / 0 is infinite."""
    try:
        made: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})(loop)
    except RuntimeError:  # no folder to keep it in
        made = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})(loop)
    return made  # type: ignore[no-any-return]


# -- update rules: one pass each over weight, diff and histories; 1 if a step was not a finite number ------------------


@_compiled
def regularized(diff: float, weight: float, decay: float, scale: float, l1: bool) -> float:
    """What every rule starts from: g = scale diff + decay weight, or the weight's sign with ``l1``."""
    return scale * diff + decay * ((weight > 0) - (weight < 0) if l1 else weight)


@_compiled
def not_finite(step: float) -> Any:
    """1 for infinity and NaN, else 0: bytes that a loop may gather without leaving vectors."""
    return numba.uint8(step - step != 0)


@_compiled
def sgd_update(
    weight: Array,
    diff: Array,
    history: Array,
    rate: float,
    momentum: float,
    decay: float,
    scale: float,
    l1: bool,
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    for i in range(weight.size):
        step = momentum * history[i] + rate * regularized(diff[i], weight[i], decay, scale, l1)
        history[i] = step
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


@_compiled
def nesterov_update(
    weight: Array,
    diff: Array,
    history: Array,
    rate: float,
    momentum: float,
    decay: float,
    scale: float,
    l1: bool,
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    for i in range(weight.size):
        before = momentum * history[i]
        new = before + rate * regularized(diff[i], weight[i], decay, scale, l1)
        step = new + momentum * new - before
        history[i] = new
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


@_compiled
def adagrad_update(
    weight: Array, diff: Array, history: Array, rate: float, delta: float, decay: float, scale: float, l1: bool
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    for i in range(weight.size):
        g = regularized(diff[i], weight[i], decay, scale, l1)
        squares = history[i] + g * g
        step = rate * g / (np.sqrt(squares) + delta)
        history[i] = squares
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


@_compiled
def rmsprop_update(
    weight: Array,
    diff: Array,
    history: Array,
    rate: float,
    rms_decay: float,
    delta: float,
    decay: float,
    scale: float,
    l1: bool,
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    rest = weight.dtype.type(1) - rms_decay
    for i in range(weight.size):
        g = regularized(diff[i], weight[i], decay, scale, l1)
        squares = rms_decay * history[i] + rest * g * g
        step = rate * g / (np.sqrt(squares) + delta)
        history[i] = squares
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


@_compiled
def adadelta_update(
    weight: Array,
    diff: Array,
    squares: Array,
    steps: Array,
    rate: float,
    momentum: float,
    delta: float,
    decay: float,
    scale: float,
    l1: bool,
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    rest = weight.dtype.type(1) - momentum
    for i in range(weight.size):
        g = regularized(diff[i], weight[i], decay, scale, l1)
        square = momentum * squares[i] + rest * g * g
        s = g * np.sqrt((steps[i] + delta) / (square + delta))
        step = rate * s
        squares[i] = square
        steps[i] = momentum * steps[i] + rest * s * s
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


@_compiled
def adam_update(
    weight: Array,
    diff: Array,
    mean: Array,
    squares: Array,
    rate: float,
    beta1: float,
    beta2: float,
    delta: float,
    decay: float,
    scale: float,
    l1: bool,
) -> Any:
    """One pass of the rule."""
    wrong = numba.uint8(0)
    rest1, rest2 = weight.dtype.type(1) - beta1, weight.dtype.type(1) - beta2
    for i in range(weight.size):
        g = regularized(diff[i], weight[i], decay, scale, l1)
        m = beta1 * mean[i] + rest1 * g
        square = beta2 * squares[i] + rest2 * g * g
        step = rate * m / (np.sqrt(square) + delta)
        mean[i] = m
        squares[i] = square
        diff[i] = step
        weight[i] -= step
        wrong |= not_finite(step)
    return wrong


# -- functions of single values; scalars come in the arrays' type ------------------------------------------------------


@_compiled
def clip(x: Array, y: Array, low: float, high: float) -> None:
    """One pass of `clip`. NaN stays."""
    for i in range(x.size):
        value = x[i]
        value = low if value < low else value
        y[i] = high if value > high else value


@_compiled
def clip_grad(x: Array, dy: Array, dx: Array, low: float, high: float) -> None:
    """One pass of `clip_grad`."""
    for i in range(x.size):
        dx[i] = dy[i] * ((x[i] >= low) & (x[i] <= high))


@_compiled
def threshold(x: Array, y: Array, limit: float) -> None:
    """One pass of `threshold`."""
    for i in range(x.size):
        y[i] = x[i] > limit


@_compiled
def power_grad(x: Array, dy: Array, dx: Array, power: float, scale: float, shift: float) -> None:
    """One pass of `power_grad`."""
    factor = power * scale
    if factor == 0 or power == 1:
        for i in range(dy.size):
            dx[i] = factor * dy[i]
    elif power == 2:
        for i in range(dy.size):
            dx[i] = factor * dy[i] * (scale * x[i] + shift)
    else:
        for i in range(dy.size):
            dx[i] = factor * dy[i] * (scale * x[i] + shift) ** (power - 1)


@_compiled
def logarithm_grad(x: Array, dy: Array, dx: Array, factor: float, scale: float, shift: float) -> None:
    """One pass of `logarithm_grad`."""
    for i in range(x.size):
        dx[i] = dy[i] * (factor * scale) / (scale * x[i] + shift)


# -- statistics of a batch ---------------------------------------------------------------------------------------------


@_compiled
def batch_statistics(
    m: Array,
    v: Array,
    mean: Array,
    variance: Array,
    weight: Array,
    deviation: Array,
    eps: float,
    fraction: float,
    unbiased: float,
) -> bool:
    """The running sums follow a batch's mean m and variance v, whose deviation is made; whether any is no number."""
    wrong = False
    for c in range(m.size):
        mean[c] = fraction * mean[c] + m[c]
        variance[c] = fraction * variance[c] + unbiased * v[c]
        deviation[c] = np.sqrt(v[c] + eps)
        wrong |= np.isnan(m[c] + v[c])
    weight[0] = fraction * weight[0] + 1
    return wrong


@_compiled
def running_statistics(
    mean: Array, variance: Array, weight: Array, m: Array, v: Array, deviation: Array, eps: float
) -> None:
    """Mean m, variance v and deviation of the running sums, which are 0 where nothing was summed."""
    share = weight.dtype.type(1) / weight[0] if weight[0] != 0 else weight.dtype.type(0)
    for c in range(m.size):
        m[c] = share * mean[c]
        v[c] = share * variance[c]
        deviation[c] = np.sqrt(v[c] + eps)


@_compiled
def folded_coefficients(
    mean: Array,
    variance: Array,
    weight: Array,
    scale: Array,
    shift: Array,
    bias: Array,
    a: Array,
    b: Array,
    deviation: Array,
    eps: float,
) -> None:
    """a and b, and the deviation, such that a x + b is x + bias normalized, scaled and shifted; 0 where they go on."""
    share = weight.dtype.type(1) / weight[0] if weight[0] != 0 else weight.dtype.type(0)
    a[mean.size :] = 0
    b[mean.size :] = 0
    for c in range(mean.size):
        deviation[c] = np.sqrt(share * variance[c] + eps)
        a[c] = scale[c] / deviation[c]
        b[c] = shift[c] + (bias[c] - share * mean[c]) * a[c]


@_compiled
def square(x: Array, y: Array) -> None:
    """y = x^2."""
    for c in range(x.size):
        y[c] = x[c] * x[c]


# -- the largest of several --------------------------------------------------------------------------------------------


@_compiled
def maximum_of_two(first: Array, second: Array, y: Array, mask: Array) -> None:
    """y = the larger and mask = which, the second of equals."""
    for i in range(first.size):
        second_is = second[i] >= first[i]
        mask[i] = second_is
        y[i] = second[i] if second_is else first[i]


@_compiled
def maximum_with(x: Array, y: Array, mask: Array, index: int) -> None:
    """y and mask follow where x is larger than y."""
    for i in range(x.size):
        larger = x[i] > y[i]
        mask[i] = index if larger else mask[i]
        y[i] = x[i] if larger else y[i]


@_compiled
def maximum_grad(dy: Array, mask: Array, dx: Array, index: int) -> None:
    """One pass of `maximum_grad`."""
    for i in range(dy.size):
        dx[i] = dy[i] * (mask[i] == index)


# -- losses ------------------------------------------------------------------------------------------------------------


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
