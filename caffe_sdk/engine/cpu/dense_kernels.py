"""The product of a matrix and a vector, at the speed of memory. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.dense_job import APART, DENSE, ROWS
from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import NBYTES
from caffe_sdk.engine.portable.loops.vectors import (
    fused,
    load,
    load_number,
    prefetch,
    splat,
    store_number,
    take_ticket,
    total,
)

compiler: Any = numba

AHEAD = 2048
"""Bytes from what is multiplied to what is fetched meanwhile, in each of four rows."""
PIECE = 64 * NBYTES
"""Of a row, summed by itself: short sums have small rounding errors."""


@inlined
def _finish(job: Any, row: int, sums: Any, at: int, begin: int, end: int) -> None:
    """y = the sum, with what of a row at an address fills no vector, with bias, rectified."""
    if row >= job.rows:
        return
    number = total(sums)
    for i in range(begin, end, 4):
        number += load_number(at + i) * load_number(job.x + i)
    if job.bias != 0:
        number += load_number(job.bias + 4 * row)
    if number < np.float32(0):
        number *= np.float32(job.slope)
    store_number(job.y + 4 * row, number)


@inlined
def _four_rows(job: Any, row: int) -> None:
    """Four numbers of y; rows behind the last are the last one again, and not put anywhere."""
    length, last = 4 * job.columns, job.rows - 1
    a, b = job.weight + row * length, job.weight + min(row + APART, last) * length
    c, d = job.weight + min(row + 2 * APART, last) * length, job.weight + min(row + 3 * APART, last) * length
    zero = splat(np.float32(0))
    sum_a, sum_b, sum_c, sum_d = zero, zero, zero, zero
    end = length // NBYTES * NBYTES
    for start in range(0, end, PIECE):
        piece_a, piece_b, piece_c, piece_d = zero, zero, zero, zero
        for i in range(start, min(start + PIECE, end), NBYTES):
            x = load(job.x + i)
            prefetch(a + i + AHEAD)
            prefetch(b + i + AHEAD)
            prefetch(c + i + AHEAD)
            prefetch(d + i + AHEAD)
            piece_a, piece_b = fused(load(a + i), x, piece_a), fused(load(b + i), x, piece_b)
            piece_c, piece_d = fused(load(c + i), x, piece_c), fused(load(d + i), x, piece_d)
        sum_a, sum_b, sum_c, sum_d = sum_a + piece_a, sum_b + piece_b, sum_c + piece_c, sum_d + piece_d
    _finish(job, row, sum_a, a, end, length)
    _finish(job, row + APART, sum_b, b, end, length)
    _finish(job, row + 2 * APART, sum_c, c, end, length)
    _finish(job, row + 3 * APART, sum_d, d, end, length)


def multiply_vector(pointer: Any) -> None:
    """y = weight x + bias, rectified. Items: each `ROWS` numbers of y."""
    job = compiler.carray(pointer, 1)[0]
    item = take_ticket(pointer)
    while item < job.items:
        for row in range(item * ROWS, min(item * ROWS + APART, job.rows)):
            _four_rows(job, row)
        item = take_ticket(pointer)


LOOPS = {"multiply_vector": (multiply_vector, DENSE)}
"""What `machine_code` makes of this module, and what it works on."""
