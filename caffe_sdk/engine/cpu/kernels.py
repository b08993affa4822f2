"""Loops compiled by Numba. Importing this module imports Numba, so only functions that need a loop do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from caffe_sdk.memory import Array

Loop = Callable[..., None]


def _compiled(loop: Loop) -> Loop:
    """The loop compiled without the interpreter's lock; kept on disk between processes where there is room for it."""
    try:
        made: Any = numba.njit(nogil=True, cache=True, fastmath={"contract"})(loop)
    except RuntimeError:  # no folder to keep it in
        made = numba.njit(nogil=True, fastmath={"contract"})(loop)
    return made  # type: ignore[no-any-return]


@_compiled
def sgd(
    weight: Array, diff: Array, history: Array, rate: float, momentum: float, decay: float, sign: float, scale: float
) -> None:
    """One pass of `sgd_update`: ``decay`` goes with the weight, ``sign`` with its sign."""
    for i in range(weight.size):
        value = weight[i]
        step = momentum * history[i] + rate * (scale * diff[i] + decay * value + sign * ((value > 0) - (value < 0)))
        history[i] = step
        diff[i] = step
        weight[i] = value - step
