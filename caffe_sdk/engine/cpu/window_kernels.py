"""Convolutions as products of matrices in blocks of 16 channels, one for each place of a window.

While filters are multiplied by all places, those that follow are fetched, little by little. So images of few places,
for which reading the filters takes as long as multiplying by them, do not wait for memory.
Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.window_job import PLACES, WINDOW
from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.products import blocked_product
from caffe_sdk.engine.portable.loops.vectors import claim, load, splat, store, take_ticket

compiler: Any = numba

ROWS, FEWER = 14, 7
"""Places whose numbers are summed in registers at once: what the widths of most images can be divided by."""
WIDTH = 2
"""Blocks of y's channels that are summed at once."""
FILTERS = LANES * NBYTES
"""Bytes of the filters between two blocks, for a place of the window."""
NOTHING = -1
"""The distance to a residual that is not there; those of others are multiples of 4."""


def _product_of_row(width: int) -> Any:
    """What places of a row give for ``width`` blocks of y's channels, from some blocks of x's."""
    fetch, many = blocked_product(ROWS, width, fetching=True), blocked_product(ROWS, width)
    seven, one = blocked_product(FEWER, width, fetching=True), blocked_product(1, width)

    def product_of_row(
        x: int,
        outer_x: int,
        inner_x: int,
        w: int,
        w_b: int,
        y: int,
        y_b: int,
        outer: int,
        inner: int,
        places: int,
        scale: int,
        shift: int,
        first: bool,
        last: bool,
        beside: int,
        slope: float,
        ahead: int,
        fetches: int,
    ) -> None:
        quarter, end, piece = outer * inner * FILTERS // 4, y + places * NBYTES, 0
        while y < end:
            r, at, rows = y + beside if beside != NOTHING else 0, w, ROWS
            if piece < fetches:
                at = ahead + piece * quarter
            if y + ROWS * NBYTES > end:
                rows = FEWER if y + FEWER * NBYTES <= end else 1
            if rows == FEWER:
                seven(x, outer_x, inner_x, w, w_b, y, y_b, outer, inner, scale, shift, first, last, r, slope, at)
            elif rows == 1:
                one(x, outer_x, inner_x, w, w_b, y, y_b, outer, inner, scale, shift, first, last, r, slope, at)
            elif piece < fetches:
                fetch(x, outer_x, inner_x, w, w_b, y, y_b, outer, inner, scale, shift, first, last, r, slope, at)
            else:
                many(x, outer_x, inner_x, w, w_b, y, y_b, outer, inner, scale, shift, first, last, r, slope, at)
            piece += 1
            x, y = x + rows * NBYTES, y + rows * NBYTES

    return compiler.njit(nogil=True, error_model="numpy")(product_of_row)


_row_of_1, _row_of_2 = map(_product_of_row, (1, 2))

FETCHES = 4
"""Pieces during which the filters that follow are fetched, a quarter each: more often would only take time."""


@inlined
def _part(job: Any, x: int, y: int, places: int, begin: int, end: int) -> None:
    """Some blocks of channels of y at some places."""
    y_block = job.height * job.width * NBYTES
    window = job.down * job.across
    w_block = job.blocks_in * window * FILTERS
    # Where windows have one place, blocks of channels are summed over in the same way as otherwise places.
    x_inner = job.x_block if window == 1 else NBYTES
    beside = job.residual - job.y if job.residual != 0 else NOTHING
    slope = np.float32(job.slope)
    for strip in range(begin, end, WIDTH):
        of_strip = job.w + strip * w_block
        scale, shift = job.scale + strip * NBYTES, job.shift + strip * NBYTES
        for i in range(0, job.blocks_in, job.depth):
            n = min(job.depth, job.blocks_in - i)
            first, last, inner = i == 0, i + n == job.blocks_in, job.across if window > 1 else n
            w = of_strip + i * window * FILTERS
            ahead = of_strip + WIDTH * w_block if last else w + n * window * FILTERS
            for row in range(job.height):
                top, bottom = max(0, job.pad - row), min(job.down, job.x_height + job.pad - row)
                a = x + i * job.x_block + (row + top - job.pad) * job.x_row
                b, to = w + top * job.across * FILTERS, y + strip * y_block + row * job.width * NBYTES
                rows, turn = bottom - top, row - job.pad  # rows that lack some of the window would fetch less
                at, fetches = ahead + turn * window * FILTERS // 4, FETCHES - turn if turn >= 0 else 0
                if strip + WIDTH <= end:
                    _row_of_2(
                        *(a, job.x_row, x_inner, b, w_block, to, y_block, rows, inner, places),
                        *(scale, shift, first, last, beside, slope, at, fetches),
                    )
                else:
                    _row_of_1(
                        *(a, job.x_row, x_inner, b, w_block, to, y_block, rows, inner, places),
                        *(scale, shift, first, last, beside, slope, at, fetches),
                    )


def convolve_windows(pointer: Any) -> None:
    """y = w * x scale + shift + residual, rectified. Items: parts of y, each of all pieces of all images.

    A thread begins with a share of the items that is its own each time, so what it has left in its cache is near; then
    it takes what is left of others' shares.
    """
    job = compiler.carray(pointer, 1)[0]
    own = take_ticket(pointer) * job.items // job.threads
    for i in range(job.items):
        item = (own + i) % job.items
        if not claim(job.claims + 8 * item):
            continue
        part, piece = divmod(item, job.items // job.parts)
        image, piece = divmod(piece, job.pieces)
        place = piece * job.places
        places = min(job.places, job.width - place)
        x = job.x + image * job.x_image + place * NBYTES
        y = job.y + (image * job.blocks_out * job.height * job.width + place) * NBYTES
        begin = part * job.blocks_of_part
        _part(job, x, y, places, begin, min(job.blocks_out, begin + job.blocks_of_part))


def take_places(pointer: Any) -> None:
    """Places of x, some steps apart, and zeros where there are none. Items: blocks of channels."""
    job = compiler.carray(pointer, 1)[0]
    zero = splat(np.float32(0))
    item = take_ticket(pointer)
    while item < job.items:
        x = job.x + item * job.x_height * job.x_width * NBYTES
        y = job.y + item * job.y_height * job.y_width * NBYTES
        for i in range(job.y_height):
            row = i * job.down + job.top
            for j in range(job.y_width):
                column = j * job.across + job.left
                if 0 <= row < job.x_height and 0 <= column < job.x_width:
                    store(y, load(x + (row * job.x_width + column) * NBYTES))
                else:
                    store(y, zero)
                y += NBYTES
        item = take_ticket(pointer)


LOOPS = {"convolve_windows": (convolve_windows, WINDOW), "take_places": (take_places, PLACES)}
"""What `machine_code` makes of this module, and what each works on."""
