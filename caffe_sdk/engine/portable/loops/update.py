"""The update rules: one pass each over weight, diff and histories; 1 if a step was not a finite number."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array


@compiled
def regularized(diff: float, weight: float, decay: float, scale: float, l1: bool) -> float:
    """What every rule starts from: g = scale diff + decay weight, or the weight's sign with ``l1``."""
    return scale * diff + decay * ((weight > 0) - (weight < 0) if l1 else weight)


@compiled
def not_finite(step: float) -> Any:
    """1 for infinity and NaN, else 0: bytes that a loop may gather without leaving vectors."""
    return numba.uint8(step - step != 0)


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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
