"""The loop that turns a normalization into coefficients of each channel. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.folding_job import FOLDING
from caffe_sdk.engine.portable.loops.vectors import load_number, store_number

compiler: Any = numba


def fold(pointer: Any) -> None:
    """a, b and the deviation, such that a x + b is x + bias normalized, scaled and shifted; 0 where a and b go on."""
    job = compiler.carray(pointer, 1)[0]
    one, zero = np.float32(1), np.float32(0)
    weight, eps = load_number(job.weight), np.float32(job.eps)
    share = one / weight if weight != zero else zero
    for c in range(job.channels):
        i = 4 * c
        deviation = np.sqrt(share * load_number(job.variance + i) + eps)
        a = load_number(job.scale + i) / deviation
        mean = share * load_number(job.mean + i)
        store_number(job.deviation + i, deviation)
        store_number(job.a + i, a)
        store_number(job.b + i, load_number(job.shift + i) + (load_number(job.bias + i) - mean) * a)
    for c in range(job.channels, job.count):
        store_number(job.a + 4 * c, zero)
        store_number(job.b + 4 * c, zero)


LOOPS = {"fold": (fold, FOLDING)}
"""What `machine_code` makes of this module, and what it works on."""
