"""Winograd's filtering F(4x4, 3x3) where filters are transformed on the way to being multiplied, as tiles are few.

Transformed filters are four times as many numbers as filters. Each pair of their rows is made for 16 channels of x and
a strip of y right before it is multiplied, so it never leaves the first cache. Transformed tiles of x are matrices
(blocks of 16 channels, places, tiles, 16), and what becomes a strip of y are matrices (places, tiles, strip).
Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.products import block_product
from caffe_sdk.engine.portable.loops.vectors import claim, load, prefetch, splat, store, take_number
from caffe_sdk.engine.portable.loops.winograd import tiles_out
from caffe_sdk.engine.portable.loops.winograd_tiles import ROWS_OF_G, inner_rows, outer_rows, transform_in
from caffe_sdk.engine.portable.winograd_job import JOB, STRIP, SUMMED, TILE

compiler: Any = numba

PITCH = STRIP * NBYTES
FILTER = LANES * NBYTES
"""Bytes of a place in the filters between two blocks."""


@inlined
def _row_in(job: Any, x: int, top: int, frame: int, pitch: int) -> None:
    """Bring six rows of an image into the frame, whose ends are 0; rows outside the image are."""
    for i in range(TILE):
        row, at = frame + i * pitch + job.pad_left * NBYTES, x + (top + i) * job.x_width * NBYTES
        if 0 <= top + i < job.x_height:
            for j in range(0, job.x_width * NBYTES, NBYTES):
                store(row + j, load(at + j))
        else:
            for j in range(0, job.x_width * NBYTES, NBYTES):
                store(row + j, splat(np.float32(0)))


@inlined
def _tiles_in(job: Any, first: int, last: int, group: int, v: int, frame: int) -> None:
    """Transform rows of tiles of x, of all channels of a group."""
    pitch = (job.step * job.across + TILE - job.step) * NBYTES
    for block in range(job.blocks_in):
        to = v + block * job.v_panel
        for row in range(first, last):
            image, i = divmod(row, job.down)
            x = job.x + image * job.x_image + (group * job.blocks_in + block) * job.x_plane
            _row_in(job, x, job.step * i - job.pad_top, frame, pitch)
            for j in range(job.across):
                transform_in(frame + job.step * j * NBYTES, pitch, to, job.v_place)
                to += NBYTES


OF_BLOCK, LINES = 9 * FILTER, 12
"""Bytes of filters between two blocks, and how many lines of 64 bytes a twelfth of them is."""
_eight, _four, _eight_fetching = block_product(8, STRIP), block_product(4, STRIP), block_product(8, STRIP, LINES)


def _product(a: int, b: int, c: int, rows: int, add: bool, ahead: int, w_block: int) -> None:
    """The product of a block of columns and a strip; a twelfth of the next filters is fetched if ``ahead`` is not 0."""
    row, end = 0, (rows + 3) // 8 * 8
    if ahead != 0 and end >= 16:
        _eight_fetching(a, b, c, add, ahead)
        _eight_fetching(a + 8 * NBYTES, b, c + 8 * PITCH, add, ahead + w_block)
        row = 16
    elif ahead != 0:
        for line in range(LINES):
            prefetch(ahead + line * NBYTES)
            prefetch(ahead + w_block + line * NBYTES)
    while row < end:
        _eight(a + row * NBYTES, b, c + row * PITCH, add, 0)
        row += 8
    if rows > end:
        _four(a + end * NBYTES, b, c + end * PITCH, add, 0)


_multiply = compiler.njit(nogil=True, error_model="numpy")(_product)


@inlined
def _two_rows(w: int, w_block: int, pair: int, width: int, u: int, u_place: int) -> None:
    """Two of the six rows of transformed filters, of 16 channels of x and a strip of y."""
    for i in range(width):
        at, to = w + i * w_block, u + i * NBYTES
        if pair == 0:
            for channel in range(LANES):
                outer_rows(at + channel * NBYTES, FILTER, to + channel * PITCH, u_place)
        else:
            g = ROWS_OF_G[pair - 1]
            g0, g1, g2 = splat(g[0]), splat(g[1]), splat(g[2])
            for channel in range(LANES):
                inner_rows(at + channel * NBYTES, FILTER, g0, g1, g2, to + channel * PITCH, u_place)


@inlined
def _strip_of_y(job: Any, tiles: int, v: int, w: int, w_block: int, width: int, u: int, m: int) -> None:
    """All products for a strip of y, two of the six rows of places at a time."""
    for pair in range(3):
        first, second = (0, 5) if pair == 0 else (2 * pair - 1, 2 * pair)
        for i in range(job.blocks_in):
            at, a, to = w + i * OF_BLOCK, v + i * job.v_panel, m + i // SUMMED * job.m_panel
            _two_rows(at, w_block, pair, width, u, job.u_place)
            for j in range(12):
                place = 6 * first + j if j < 6 else 6 * second + j - 6
                of_v, of_u, of_m = a + place * job.v_place, u + j * job.u_place, to + place * job.m_place
                ahead = at + OF_BLOCK + j * LINES * NBYTES if pair == 0 else 0
                _multiply(of_v, of_u, of_m, tiles, i % SUMMED > 0, ahead, w_block)
    for i in range(SUMMED, job.blocks_in, SUMMED):
        for at in range(m, m + job.m_panel, NBYTES):
            store(at, load(at) + load(at + i // SUMMED * job.m_panel))


def convolve_few(pointer: Any) -> None:
    """y = bias + w * x for 3x3 filters. Items: for each chunk of rows of tiles, each group, each part of y.

    A thread begins with a share of the items that is its own each time; then it takes what is left of others' shares.
    """
    job = compiler.carray(pointer, 1)[0]
    number = take_number(pointer)
    first_item, own = number * job.items // job.threads, number * job.of_thread
    v, m, u, frame = job.v + own, job.m + own, job.u + own, job.patch + own
    for i in range(TILE * (job.step * job.across + TILE - job.step)):
        store(frame + i * NBYTES, splat(np.float32(0)))
    w_block, rows, seen = job.blocks_in * OF_BLOCK, job.tiles // job.across, -1
    for i in range(job.items):
        item = (first_item + i) % job.items
        if not claim(job.claims + 8 * item):
            continue
        chunk, part = divmod(item, job.parts)
        group, part = divmod(part, job.parts_of_group)
        first, last = chunk * rows // job.chunks, (chunk + 1) * rows // job.chunks
        if seen != item // job.parts_of_group:
            seen = item // job.parts_of_group
            _tiles_in(job, first, last, group, v, frame)
        first, last, begin = first * job.across, last * job.across, part * job.blocks_of_part
        for k in range(begin, min(job.blocks_out, begin + job.blocks_of_part), STRIP):
            width, block = min(STRIP, job.blocks_out - k), group * job.blocks_out + k
            _strip_of_y(job, last - first, v, job.w + block * w_block, w_block, width, u, m)
            tiles_out(job, first, last, block, width, m, PITCH, u)


LOOPS = {"convolve_few": (convolve_few, JOB)}
"""What machine code is made of, and what it works on."""
