"""Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 5x5) for convolutions, as loops that Numba compiles.

`winograd_tiles` turns tiles of x and filters into 36 numbers each; their products, summed over channels, are 36
products of matrices; what these give becomes tiles of y.

Images and filters are in blocks of 16 channels, a block being one `Vector`. Transformed numbers are matrices, one for
each of the 36 places in a tile. Matrices lie in panels of 64 columns, so that a panel's rows follow each other.

Every loop works on a `JOB`, which says where everything is. Threads of one team call it with the same job, take
tickets for its items until none are left, and use room of their own, so that no thread waits for another.
Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.products import IN_REGISTERS, product
from caffe_sdk.engine.portable.loops.vectors import load, prefetch, splat, store, take_number, take_ticket
from caffe_sdk.engine.portable.loops.winograd_tiles import (
    filter_from_sums,
    filter_from_sums_5,
    transform_back,
    transform_back_of_2,
    transform_filter,
    transform_filter_5,
    transform_in,
    transform_out,
    transform_out_to_2,
)
from caffe_sdk.engine.portable.winograd_job import JOB, PANEL, PLACES, ROWS, TILE, WIDTH

compiler: Any = numba
carray = compiler.carray

DEPTH, DEPTHS = 16, 32
"""Products summed in registers at once, and in one go. The sums of so many are then added up: short sums have small
rounding errors, and oneDNN's direct convolutions sum so too."""


# -- one item of work --------------------------------------------------------------------------------------------------


@inlined
def _copy(source: int, source_row: int, target: int, target_row: int, rows: int, columns: int) -> None:
    for i in range(rows):
        for j in range(columns):
            store(target + i * target_row + j * NBYTES, load(source + i * source_row + j * NBYTES))


@inlined
def _block_at(block: int, panel: int) -> int:
    """Where a block of channels begins in a row of a matrix."""
    return (block // WIDTH) * panel + (block % WIDTH) * NBYTES


@inlined
def _tiles_in(job: Any, first: int, end: int, block: int, blocks: int, v: int, patch: int) -> None:
    """Transform tiles of x, of some blocks of channels from ``block`` on, to rows of matrices."""
    pitch = job.x_width * NBYTES
    for tile in range(first, end):
        image, place = divmod(tile, job.down * job.across)
        top, left = job.step * (place // job.across) - job.pad_top, job.step * (place % job.across) - job.pad_left
        above, before = max(0, -top), max(0, -left)
        below, behind = min(TILE, job.x_height - top), min(TILE, job.x_width - left)
        whole = above + before == 0 and below + behind == 2 * TILE
        if not whole:
            for i in range(PLACES):
                store(patch + i * NBYTES, splat(np.float32(0)))
        x = job.x + image * job.x_image + block * job.x_plane + top * pitch + left * NBYTES
        for i in range(blocks):
            at, step = x, pitch
            if not whole:
                at, step = patch, TILE * NBYTES
                inside, corner = above * pitch + before * NBYTES, above * step + before * NBYTES
                _copy(x + inside, pitch, at + corner, step, below - above, behind - before)
            transform_in(at, step, v + _block_at(i, job.v_panel), job.v_place)
            x += job.x_plane
        v += PANEL


@inlined
def tiles_out(job: Any, first: int, end: int, block: int, blocks: int, m: int, m_row: int, patch: int) -> None:
    """Make tiles of y, of some blocks of channels from ``block`` on; those of the next tile are ``m_row`` bytes on."""
    pitch = job.y_width * NBYTES
    slope, scale, bias = splat(np.float32(job.slope)), splat(np.float32(1)), splat(np.float32(0))
    beside = job.residual - job.y
    for tile in range(first, end):
        image, place = divmod(tile, job.down * job.across)
        top, left = job.step * (place // job.across), job.step * (place % job.across)
        below, behind = min(job.step, job.y_height - top), min(job.step, job.y_width - left)
        whole = below + behind == 2 * job.step
        y = job.y + image * job.y_image + block * job.y_plane + top * pitch + left * NBYTES
        for i in range(blocks):
            if job.scale != 0:
                scale = load(job.scale + (block + i) * NBYTES)
            if job.bias != 0:
                bias = load(job.bias + (block + i) * NBYTES)
            at, r, step = y, y + beside if job.residual != 0 else 0, pitch
            if not whole:
                at, step = patch, job.step * NBYTES
                if r != 0:
                    r = patch + 16 * NBYTES
                    _copy(y + beside, pitch, r, step, below, behind)
            if job.step == 4:
                transform_out(m + _block_at(i, job.m_panel), job.m_place, at, r, step, scale, bias, slope)
            else:
                transform_out_to_2(m + _block_at(i, job.m_panel), job.m_place, at, r, step, scale, bias, slope)
            if not whole:
                _copy(patch, step, y, pitch, below, behind)
            y += job.y_plane
        m += m_row


def _panel_product(width: int) -> Any:
    """The product of a matrix in panels and ``width`` vectors of a panel."""
    multiply = product(ROWS, width, PANEL, DEPTH)

    def panel_product(a: int, a_panel: int, b: int, c: int, rows: int, count: int) -> None:
        lines = DEPTHS * WIDTH * ROWS // rows + 1  # of b, to be fetched while one piece is computed
        for start in range(0, count, DEPTHS):
            at, from_b = a + _block_at(start // LANES, a_panel), b + start * PANEL
            ahead = from_b + DEPTHS * PANEL
            for row in range(0, rows * PANEL, ROWS * PANEL):
                for _ in range(lines):
                    prefetch(ahead)
                    ahead += NBYTES
                multiply(at + row, PANEL, 4, from_b, c + row, min(DEPTHS, count - start), start > 0)

    return compiler.njit(nogil=True, error_model="numpy")(panel_product)


_of_1, _of_2, _of_3, _of_4 = (_panel_product(min(width, IN_REGISTERS)) for width in (1, 2, 3, 4))


@inlined
def _multiply(a: int, a_panel: int, b: int, c: int, rows: int, count: int, width: int) -> None:
    """c = a b for one panel of b and c, of which ``width`` vectors count."""
    for first in range(0, min(width, WIDTH), IN_REGISTERS):
        of_b, of_c, left = b + first * NBYTES, c + first * NBYTES, width - first
        if left >= 4:
            _of_4(a, a_panel, of_b, of_c, rows, count)
        elif left == 3:
            _of_3(a, a_panel, of_b, of_c, rows, count)
        elif left == 2:
            _of_2(a, a_panel, of_b, of_c, rows, count)
        else:
            _of_1(a, a_panel, of_b, of_c, rows, count)


# -- what threads call -------------------------------------------------------------------------------------------------


def convolve(pointer: Any) -> None:
    """y = bias + w * x, or the gradient of x from that of y. Items: for each chunk of tiles, each part of y."""
    job = carray(pointer, 1)[0]
    own = take_number(pointer) * job.of_thread
    v, m, patch = job.v + own, job.m + own, job.patch + own
    item, seen = take_ticket(pointer), -1
    while item < job.items:
        chunk, part = divmod(item, job.parts)
        group, part = divmod(part, job.parts_of_group)
        first, last = chunk * job.chunk, min((chunk + 1) * job.chunk, job.tiles)
        if seen != chunk * job.parts + group:
            seen = chunk * job.parts + group
            _tiles_in(job, first, last, group * job.blocks_in, job.blocks_in, v, patch)
        panel = part * job.panels_of_part
        blocks = min(job.blocks_out - panel * WIDTH, job.panels_of_part * WIDTH)
        u = job.u + group * job.u_group + panel * job.u_panel
        for place in range(PLACES):
            a, b, c = v + place * job.v_place, u + place * job.u_place, m + place * job.m_place
            for block in range(0, blocks, WIDTH):
                _multiply(a, job.v_panel, b, c, last - first, job.blocks_in * LANES, blocks - block)
                b += job.u_panel
                c += job.m_panel
        tiles_out(job, first, last, group * job.blocks_out + panel * WIDTH, blocks, m, PANEL, patch)
        item = take_ticket(pointer)


def transform_filters(pointer: Any) -> None:
    """u = G w G^T. Items: for each group, each block of 16 output channels."""
    job = carray(pointer, 1)[0]
    taps = job.taps * job.taps
    first, step = ((taps - 1) * LANES * NBYTES, -LANES * NBYTES) if job.turned else (0, LANES * NBYTES)
    item = take_ticket(pointer)
    while item < job.items:
        group, block = divmod(item, job.blocks_out)
        w = job.w + item * job.blocks_in * taps * LANES * NBYTES + first
        u = job.u + group * job.u_group + _block_at(block, job.u_panel)
        for _ in range(job.blocks_in):
            for channel in range(LANES):
                if job.taps == 3:
                    transform_filter(w + channel * NBYTES, step, u, job.u_place)
                else:
                    transform_filter_5(w + channel * NBYTES, step, u, job.u_place)
                u += PANEL
            w += taps * LANES * NBYTES
        item = take_ticket(pointer)


# -- the gradient of filters -------------------------------------------------------------------------------------------

HEIGHT, TILES = 4, 64
"""Channels of x in the piece of a product that is summed in registers, which divide a panel; tiles in one go."""


@inlined
def _tiles_back(job: Any, first: int, end: int, block: int, blocks: int, m: int, patch: int) -> None:
    """Transform tiles of the gradient of y, of some blocks of channels from ``block`` on, to rows of matrices."""
    pitch = job.y_width * NBYTES
    for tile in range(first, end):
        image, place = divmod(tile, job.down * job.across)
        top, left = job.step * (place // job.across), job.step * (place % job.across)
        below, behind = min(job.step, job.y_height - top), min(job.step, job.y_width - left)
        whole = below + behind == 2 * job.step
        if not whole:
            for i in range(job.step * job.step):
                store(patch + i * NBYTES, splat(np.float32(0)))
        y = job.y + image * job.y_image + block * job.y_plane + top * pitch + left * NBYTES
        for i in range(blocks):
            at, step = y, pitch
            if not whole:
                at, step = patch, job.step * NBYTES
                _copy(y, pitch, at, step, below, behind)
            if job.step == 4:
                transform_back(at, step, m + _block_at(i, job.m_panel), job.m_place)
            else:
                transform_back_of_2(at, step, m + _block_at(i, job.m_panel), job.m_place)
            y += job.y_plane
        m += PANEL


def _panel_sum(width: int) -> Any:
    """The product of the transpose of a matrix in panels and ``width`` vectors of a panel, added to c."""
    multiply = product(HEIGHT, width, PANEL, DEPTH)

    def panel_sum(a: int, a_panel: int, b: int, c: int, channels: int, tiles: int, add: bool) -> None:
        for start in range(0, tiles, TILES):
            count = min(TILES, tiles - start)
            for channel in range(0, channels, HEIGHT):
                at = a + _block_at(channel // LANES, a_panel) + channel % LANES * 4 + start * PANEL
                multiply(at, 4, PANEL, b + start * PANEL, c + channel * PANEL, count, add or start > 0)

    return compiler.njit(nogil=True, error_model="numpy")(panel_sum)


_sum_1, _sum_2, _sum_3, _sum_4 = (_panel_sum(min(width, IN_REGISTERS)) for width in (1, 2, 3, 4))


@inlined
def _add_up(a: int, a_panel: int, b: int, c: int, channels: int, tiles: int, width: int, add: bool) -> None:
    """c = a^T b, or c + a^T b, for one panel of b and c, of which ``width`` vectors count."""
    for first in range(0, min(width, WIDTH), IN_REGISTERS):
        of_b, of_c, left = b + first * NBYTES, c + first * NBYTES, width - first
        if left >= 4:
            _sum_4(a, a_panel, of_b, of_c, channels, tiles, add)
        elif left == 3:
            _sum_3(a, a_panel, of_b, of_c, channels, tiles, add)
        elif left == 2:
            _sum_2(a, a_panel, of_b, of_c, channels, tiles, add)
        else:
            _sum_1(a, a_panel, of_b, of_c, channels, tiles, add)


@inlined
def _sum_of_plane(job: Any, block: int) -> Any:
    """The gradient of y summed over images and places: row by row, then image by image."""
    total = splat(np.float32(0))
    for image in range(job.tiles // (job.down * job.across)):
        of_image = splat(np.float32(0))
        y = job.y + image * job.y_image + block * job.y_plane
        for _ in range(job.y_height):
            of_row = splat(np.float32(0))
            for _ in range(job.y_width):
                of_row = of_row + load(y)
                y += NBYTES
            of_image = of_image + of_row
        total = total + of_image
    return total


def sum_filters(pointer: Any) -> None:
    """The gradients of w and bias from x and that of y. Items: for each group, each part of y."""
    job = carray(pointer, 1)[0]
    own = take_number(pointer) * job.of_thread
    v, m, u, patch = job.v + own, job.m + own, job.u + own, job.patch + own
    taps = job.taps * job.taps
    channels = job.blocks_in * LANES
    item = take_ticket(pointer)
    while item < job.items:
        group, part = divmod(item, job.parts_of_group)
        panel = part * job.panels_of_part
        block = group * job.blocks_out + panel * WIDTH
        blocks = min(job.blocks_out - panel * WIDTH, job.panels_of_part * WIDTH)
        for first in range(0, job.tiles, job.chunk):
            last = min(first + job.chunk, job.tiles)
            _tiles_in(job, first, last, group * job.blocks_in, job.blocks_in, v, patch)
            _tiles_back(job, first, last, block, blocks, m, patch)
            for place in range(PLACES):
                a, b, c = v + place * job.v_place, m + place * job.m_place, u + place * job.u_place
                for i in range(0, blocks, WIDTH):
                    _add_up(a, job.v_panel, b, c, channels, last - first, blocks - i, first > 0)
                    b += job.m_panel
                    c += job.u_panel
        for i in range(blocks):
            w = job.w + (block + i) * channels * taps * NBYTES
            sums = u + _block_at(i, job.u_panel)
            for channel in range(channels):
                to = w + (channel // LANES * taps * LANES + channel % LANES) * NBYTES
                if job.taps == 3:
                    filter_from_sums(sums, job.u_place, to, LANES * NBYTES)
                else:
                    filter_from_sums_5(sums, job.u_place, to, LANES * NBYTES)
                sums += PANEL
            if job.bias != 0:
                store(job.bias + (block + i) * NBYTES, _sum_of_plane(job, block + i))
        item = take_ticket(pointer)


LOOPS = {loop.__name__: (loop, JOB) for loop in (convolve, transform_filters, sum_filters)}
"""What `machine_code` makes of this module, and what each works on."""
