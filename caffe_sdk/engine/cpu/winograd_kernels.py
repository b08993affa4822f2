"""Winograd's minimal filtering F(4x4, 3x3) for convolutions, as loops that Numba compiles.

Y = A^T [(G w G^T) * (B^T x B)] A  (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a 6x6
tile of x and a 3x3 filter give a 4x4 tile of y with 36 products instead of 144, and summed over channels the products
are 36 products of matrices. The transforms interpolate at the points 0, +-5/8, +-3/2 and infinity, where rounding
errors are less than half of what the textbook's 0, +-1, +-2 give; all constants but G's are exact in float32, and
filters are transformed in float64.

Images and filters are in oneDNN's blocks of 16 channels, a block being one `Vector`. Transformed numbers are matrices,
one for each of the 36 places in a tile. Matrices lie in panels of 64 columns, so that a panel's rows follow each other.

Every loop works on a `JOB`, which says where everything is. Threads of one team call it with the same job, take
tickets for its items until none are left, and use room of their own, so that no thread waits for another.
Importing this module imports Numba.
"""

from __future__ import annotations

import ctypes
import functools
import zlib
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from numba import types

from caffe_sdk.engine.cpu.library import library
from caffe_sdk.engine.portable.loops import vectors, winograd
from caffe_sdk.engine.portable.loops.vectors import (
    LANES,
    NBYTES,
    load,
    prefetch,
    product,
    rectified,
    rounded,
    splat,
    store,
    take_ticket,
    widened,
)
from caffe_sdk.engine.portable.loops.winograd import (
    PLACES,
    POINTS,
    from_tile,
    inlined,
    load6,
    store6,
    transform_in,
)

compiler: Any = numba
carray = compiler.carray

ROWS, WIDTH = 6, 4
"""Rows and vectors of the piece of a product of matrices that is summed in registers."""
PANEL = WIDTH * NBYTES
"""Bytes of a row of a panel. Matrices lie in panels, which are as wide as such a piece, one after the other."""
DEPTH, DEPTHS = 16, 32
"""Products summed in registers at once, and in one go. The sums of so many are then added up: short sums have small
rounding errors, and oneDNN's direct convolutions sum so too."""

JOB = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("items", np.int64),
        # Tiles: how many of all images, of an image, and of an item
        ("tiles", np.int64),
        ("down", np.int64),
        ("across", np.int64),
        ("chunk", np.int64),
        # The images x (n, blocks, height, width, 16): address, distances in bytes, sizes and padding
        ("x", np.int64),
        ("x_image", np.int64),
        ("x_plane", np.int64),
        ("x_height", np.int64),
        ("x_width", np.int64),
        ("pad_top", np.int64),
        ("pad_left", np.int64),
        # The images y, and what is added and done to them
        ("y", np.int64),
        ("y_image", np.int64),
        ("y_plane", np.int64),
        ("y_height", np.int64),
        ("y_width", np.int64),
        ("scale", np.int64),  # addresses of as many numbers as y has channels, or 0
        ("bias", np.int64),
        ("residual", np.int64),  # images like y, or 0
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        # Filters in blocks (group, blocks out, blocks in, 3, 3, 16 in, 16 out), turned by half a circle or not
        ("w", np.int64),
        ("turned", np.int64),
        # Channels of a group in blocks, and how its output is cut into parts
        ("blocks_in", np.int64),
        ("blocks_out", np.int64),
        ("parts", np.int64),  # of all groups
        ("parts_of_group", np.int64),
        ("panels_of_part", np.int64),
        # Transformed filters (group, 36, panel, channels in, 64): address, distances in bytes
        ("u", np.int64),
        ("u_group", np.int64),
        ("u_place", np.int64),
        ("u_panel", np.int64),
        # Transformed tiles of x and y (36, panel, tile, 64), and one tile; the distance between threads' own
        ("v", np.int64),
        ("v_place", np.int64),
        ("v_panel", np.int64),
        ("m", np.int64),
        ("m_place", np.int64),
        ("m_panel", np.int64),
        ("patch", np.int64),
        ("of_thread", np.int64),
    ]
)
"""What a loop works on."""

Job = compiler.types.CPointer(compiler.from_dtype(JOB))


def _thread_number() -> Any:
    """OpenMP's function, by a name that loops kept on disk find again."""
    address = ctypes.cast(library().omp.omp_get_thread_num, ctypes.c_void_p).value
    llvmlite.binding.add_symbol("caffe_thread_number", address)
    return types.ExternalFunction("caffe_thread_number", types.int32())


thread_number = _thread_number()


# -- the transforms ----------------------------------------------------------------------------------------------------

_A, _B = POINTS
_G = 1 / (_A**2 * _B**2)
_GA = [_A**i / (2 * _A**2 * (_A**2 - _B**2)) for i in range(3)]
_GB = [_B**i / (2 * _B**2 * (_B**2 - _A**2)) for i in range(3)]
(_GA0, _GA1, _GA2), (_GB0, _GB1, _GB2) = _GA, _GB


@inlined
def _of_filter(w0: Any, w1: Any, w2: Any) -> Any:
    """G w: three numbers of a filter become six, all of 64 bits."""
    even_a, odd_a = splat(_GA0) * w0 + splat(_GA2) * w2, splat(_GA1) * w1
    even_b, odd_b = splat(_GB0) * w0 + splat(_GB2) * w2, splat(_GB1) * w1
    return splat(_G) * w0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w2


@inlined
def _finish_row(y: int, r: int, scale: Any, bias: Any, slope: Any, v: Any) -> None:
    """Four neighbours of y: scaled, with bias, those of r added if it is there, and ReLU."""
    v0, v1, v2, v3 = v[0] * scale + bias, v[1] * scale + bias, v[2] * scale + bias, v[3] * scale + bias
    if r != 0:
        v0, v1 = v0 + load(r), v1 + load(r + NBYTES)
        v2, v3 = v2 + load(r + 2 * NBYTES), v3 + load(r + 3 * NBYTES)
    store(y, rectified(v0, slope))
    store(y + NBYTES, rectified(v1, slope))
    store(y + 2 * NBYTES, rectified(v2, slope))
    store(y + 3 * NBYTES, rectified(v3, slope))


@inlined
def _transform_out(m: int, place: int, y: int, r: int, row: int, scale: Any, bias: Any, slope: Any) -> None:
    """A^T m A, a tile of y of a block of channels; r is a tile to be added, or 0."""
    next_r = row if r != 0 else 0
    a = from_tile(*load6(m, 6 * place))
    b = from_tile(*load6(m + place, 6 * place))
    c = from_tile(*load6(m + 2 * place, 6 * place))
    d = from_tile(*load6(m + 3 * place, 6 * place))
    e = from_tile(*load6(m + 4 * place, 6 * place))
    f = from_tile(*load6(m + 5 * place, 6 * place))
    _finish_row(y, r, scale, bias, slope, from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[3], b[3], c[3], d[3], e[3], f[3]))


@inlined
def _filter_column(w: int, step: int) -> Any:
    return _of_filter(widened(load(w)), widened(load(w + 3 * step)), widened(load(w + 6 * step)))


@inlined
def _filter_row(u: int, place: int, w0: Any, w1: Any, w2: Any) -> None:
    v = _of_filter(w0, w1, w2)
    store6(u, place, (rounded(v[0]), rounded(v[1]), rounded(v[2]), rounded(v[3]), rounded(v[4]), rounded(v[5])))


@inlined
def _transform_filter(w: int, step: int, u: int, place: int) -> None:
    """G w G^T of a 3x3 filter for a block of channels, whose nine vectors are ``step`` apart."""
    a, b, c = _filter_column(w, step), _filter_column(w + step, step), _filter_column(w + 2 * step, step)
    _filter_row(u, place, a[0], b[0], c[0])
    _filter_row(u + 6 * place, place, a[1], b[1], c[1])
    _filter_row(u + 12 * place, place, a[2], b[2], c[2])
    _filter_row(u + 18 * place, place, a[3], b[3], c[3])
    _filter_row(u + 24 * place, place, a[4], b[4], c[4])
    _filter_row(u + 30 * place, place, a[5], b[5], c[5])


# -- one item of work --------------------------------------------------------------------------------------------------


@inlined
def _copy(source: int, source_row: int, target: int, target_row: int, rows: int, columns: int) -> None:
    for i in range(rows):
        for j in range(columns):
            store(target + i * target_row + j * NBYTES, load(source + i * source_row + j * NBYTES))


@inlined
def block_at(block: int, panel: int) -> int:
    """Where a block of channels begins in a row of a matrix."""
    return (block // WIDTH) * panel + (block % WIDTH) * NBYTES


@inlined
def tiles_in(job: Any, first: int, end: int, block: int, blocks: int, v: int, row: int, patch: int) -> None:
    """Transform tiles of x, of some blocks of channels from ``block`` on, to rows of matrices."""
    pitch = job.x_width * NBYTES
    for tile in range(first, end):
        image, place = divmod(tile, job.down * job.across)
        top, left = 4 * (place // job.across) - job.pad_top, 4 * (place % job.across) - job.pad_left
        above, before = max(0, -top), max(0, -left)
        below, behind = min(6, job.x_height - top), min(6, job.x_width - left)
        whole = above + before == 0 and below + behind == 12
        if not whole:
            for i in range(PLACES):
                store(patch + i * NBYTES, splat(np.float32(0)))
        x = job.x + image * job.x_image + block * job.x_plane + top * pitch + left * NBYTES
        for i in range(blocks):
            at, step = x, pitch
            if not whole:
                at, step = patch, 6 * NBYTES
                inside, corner = above * pitch + before * NBYTES, above * step + before * NBYTES
                _copy(x + inside, pitch, at + corner, step, below - above, behind - before)
            transform_in(at, step, v + block_at(i, job.v_panel), job.v_place)
            x += job.x_plane
        v += row


@inlined
def _tiles_out(job: Any, first: int, end: int, block: int, blocks: int, m: int, patch: int) -> None:
    """Make tiles of y, of some blocks of channels from ``block`` on."""
    pitch = job.y_width * NBYTES
    slope, scale, bias = splat(np.float32(job.slope)), splat(np.float32(1)), splat(np.float32(0))
    beside = job.residual - job.y
    for tile in range(first, end):
        image, place = divmod(tile, job.down * job.across)
        top, left = 4 * (place // job.across), 4 * (place % job.across)
        below, behind = min(4, job.y_height - top), min(4, job.y_width - left)
        whole = below + behind == 8
        y = job.y + image * job.y_image + block * job.y_plane + top * pitch + left * NBYTES
        for i in range(blocks):
            if job.scale != 0:
                scale = load(job.scale + (block + i) * NBYTES)
            if job.bias != 0:
                bias = load(job.bias + (block + i) * NBYTES)
            at, r, step = y, y + beside if job.residual != 0 else 0, pitch
            if not whole:
                at, step = patch, 4 * NBYTES
                if r != 0:
                    r = patch + 16 * NBYTES
                    _copy(y + beside, pitch, r, step, below, behind)
            _transform_out(m + block_at(i, job.m_panel), job.m_place, at, r, step, scale, bias, slope)
            if not whole:
                _copy(patch, step, y, pitch, below, behind)
            y += job.y_plane
        m += PANEL


def _panel_product(width: int) -> Any:
    """The product of a matrix in panels and a panel of which ``width`` vectors count."""
    multiply = product(ROWS, width, PANEL, DEPTH)

    def panel_product(a: int, a_panel: int, b: int, c: int, rows: int, count: int) -> None:
        lines = DEPTHS * WIDTH * ROWS // rows + 1  # of b, to be fetched while one piece is computed
        for start in range(0, count, DEPTHS):
            at, from_b = a + block_at(start // LANES, a_panel), b + start * PANEL
            ahead = from_b + DEPTHS * PANEL
            for row in range(0, rows * PANEL, ROWS * PANEL):
                for _ in range(lines):
                    prefetch(ahead)
                    ahead += NBYTES
                multiply(at + row, PANEL, 4, from_b, c + row, min(DEPTHS, count - start), start > 0)

    return compiler.njit(nogil=True, error_model="numpy")(panel_product)


_of_1, _of_2, _of_3, _of_4 = map(_panel_product, (1, 2, 3, 4))


@inlined
def _multiply(a: int, a_panel: int, b: int, c: int, rows: int, count: int, width: int) -> None:
    """c = a b for one panel of b and c."""
    if width >= 4:
        _of_4(a, a_panel, b, c, rows, count)
    elif width == 3:
        _of_3(a, a_panel, b, c, rows, count)
    elif width == 2:
        _of_2(a, a_panel, b, c, rows, count)
    else:
        _of_1(a, a_panel, b, c, rows, count)


# -- what threads call -------------------------------------------------------------------------------------------------


def convolve(pointer: Any) -> None:
    """y = bias + w * x, or the gradient of x from that of y. Items: for each chunk of tiles, each part of y."""
    job = carray(pointer, 1)[0]
    own = thread_number() * job.of_thread
    v, m, patch = job.v + own, job.m + own, job.patch + own
    item, seen = take_ticket(pointer), -1
    while item < job.items:
        chunk, part = divmod(item, job.parts)
        group, part = divmod(part, job.parts_of_group)
        first, last = chunk * job.chunk, min((chunk + 1) * job.chunk, job.tiles)
        if seen != chunk * job.parts + group:
            seen = chunk * job.parts + group
            tiles_in(job, first, last, group * job.blocks_in, job.blocks_in, v, PANEL, patch)
        panel = part * job.panels_of_part
        blocks = min(job.blocks_out - panel * WIDTH, job.panels_of_part * WIDTH)
        u = job.u + group * job.u_group + panel * job.u_panel
        for place in range(PLACES):
            a, b, c = v + place * job.v_place, u + place * job.u_place, m + place * job.m_place
            for block in range(0, blocks, WIDTH):
                _multiply(a, job.v_panel, b, c, last - first, job.blocks_in * LANES, blocks - block)
                b += job.u_panel
                c += job.m_panel
        _tiles_out(job, first, last, group * job.blocks_out + panel * WIDTH, blocks, m, patch)
        item = take_ticket(pointer)


def transform_filters(pointer: Any) -> None:
    """u = G w G^T. Items: for each group, each block of 16 output channels."""
    job = carray(pointer, 1)[0]
    first, step = (8 * LANES * NBYTES, -LANES * NBYTES) if job.turned else (0, LANES * NBYTES)
    item = take_ticket(pointer)
    while item < job.items:
        group, block = divmod(item, job.blocks_out)
        w = job.w + item * job.blocks_in * 9 * LANES * NBYTES + first
        u = job.u + group * job.u_group + block_at(block, job.u_panel)
        for _ in range(job.blocks_in):
            for channel in range(LANES):
                _transform_filter(w + channel * NBYTES, step, u, job.u_place)
                u += PANEL
            w += 9 * LANES * NBYTES
        item = take_ticket(pointer)


@functools.cache
def compiled(loop: Any) -> Any:
    """A loop for threads to call: kept on disk between processes where there is room for it.

    Numba makes it anew when the loop's own file changes. What it consists of is in other files too, so their sum is
    part of the name it is kept under.
    """
    loop.__qualname__ += f"_{_sum_of_files():08x}"
    signature = types.void(Job)
    try:
        return compiler.cfunc(signature, cache=True, error_model="numpy")(loop)
    except RuntimeError:  # no folder to keep it in
        return compiler.cfunc(signature, error_model="numpy")(loop)


def _sum_of_files() -> int:
    files = (Path(__file__), Path(vectors.__file__), Path(winograd.__file__))
    return zlib.crc32(b"".join(file.read_bytes() for file in files if file.is_file()))
