"""Convolutions and products of many images at once: sixteen of them side by side in a vector.

However few channels there are, and whatever their number, no lane of a vector is idle. Filters are read as they are,
number by number. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.lanes_job import IMAGES, LANES, ROWS, WINDOW
from caffe_sdk.engine.portable.loops.instructions import NBYTES
from caffe_sdk.engine.portable.loops.products import product_in_lanes
from caffe_sdk.engine.portable.loops.vectors import take_ticket

compiler: Any = numba

FILTERS, FEWER = 6, 2
"""Of a convolution, multiplied at once at all places of a window: their sums have room in registers."""

_six, _two, _one = (product_in_lanes(filters, WINDOW * WINDOW, pooled=True) for filters in (FILTERS, FEWER, 1))
_rows, _row = (product_in_lanes(rows, IMAGES, pooled=False) for rows in (ROWS, 1))


def convolve_and_pool(pointer: Any) -> None:
    """y = the maximum of w * x + bias over two by two places, rectified. Items: rows of y, of sixteen images each."""
    job = compiler.carray(pointer, 1)[0]
    size, y_plane, slope = 4 * job.count, job.height * job.width * NBYTES, np.float32(job.slope)
    item = take_ticket(pointer)
    while item < job.items:
        block, row = divmod(item, job.height)
        x = job.x + block * job.x_image + WINDOW * row * job.down
        y = job.y + block * job.y_image + row * job.width * NBYTES
        for _ in range(job.width):
            where, k = (x, job.taps, job.count, job.across, job.down), 0
            while k < job.filters:
                what = (job.w + k * size, size, job.bias + 4 * k, slope, y + k * y_plane, y_plane, 0, 0)
                if k + FILTERS <= job.filters:
                    _six(*where, *what)
                    k += FILTERS
                elif k + FEWER <= job.filters:
                    _two(*where, *what)
                    k += FEWER
                else:
                    _one(*where, *what)
                    k += 1
            x, y = x + WINDOW * job.across, y + NBYTES
        item = take_ticket(pointer)


def multiply_lanes(pointer: Any) -> None:
    """y = w x + bias, rectified. Items: parts of y."""
    job = compiler.carray(pointer, 1)[0]
    size, slope = 4 * job.count, np.float32(job.slope)
    item = take_ticket(pointer)
    while item < job.items:
        k, end = item * job.of_part, min(job.filters, (item + 1) * job.of_part)
        while k < end:
            w, bias, rows = job.w + k * size, job.bias + 4 * k, ROWS if k + ROWS <= end else 1
            for block in range(0, job.blocks, IMAGES):
                first = min(block, job.blocks - IMAGES)
                x, y = job.x + first * job.x_image, job.y + first * job.y_image + k * NBYTES
                where = (x, job.taps, job.count, job.x_image, 0)
                what = (w, size, bias, slope, y, NBYTES, job.y_image, 0)
                if rows == ROWS:
                    _rows(*where, *what)
                else:
                    _row(*where, *what)
            k += rows
        item = take_ticket(pointer)


LOOPS = {"convolve_and_pool": (convolve_and_pool, LANES), "multiply_lanes": (multiply_lanes, LANES)}
"""What `machine_code` makes of this module, and what each works on."""
