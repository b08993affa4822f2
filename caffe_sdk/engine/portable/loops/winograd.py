"""Winograd's minimal filtering: the transforms of tiles, and loops that transform images.

Y = A^T [(G w G^T) * (B^T x B)] A  (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). A tile
of x is 6x6; with a 3x3 filter it gives a 4x4 tile of y, and with a 5x5 filter a 2x2 tile. The transforms interpolate at
the points 0, +-5/8, +-3/2 and infinity, where rounding errors are less than half of what the textbook's 0, +-1, +-2
give.

Images are in blocks of 16 channels, (n, blocks, rows, columns, 16), so that a place of a block is one `Vector`.
Transformed numbers are matrices (tiles, channels), one for each of the 36 places in a tile. Memory is addressed by
plain integers, in bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, inlined
from caffe_sdk.engine.portable.loops.vectors import LANES, NBYTES, fused, load, splat, store
from caffe_sdk.memory import Array

PLACES = 36
"""Numbers in a tile of x, and matrices of transformed numbers."""

POINTS = _A, _B = 0.625, 1.5
"""Where the transforms interpolate, besides 0, the same with a minus, and infinity."""
_A1, _A2, _A3 = (np.float32(_A**i) for i in (1, 2, 3))
_B1, _B2, _B3 = (np.float32(_B**i) for i in (1, 2, 3))
_SUM, _PRODUCT = np.float32(_A**2 + _B**2), np.float32(_A**2 * _B**2)


# -- a tile ------------------------------------------------------------------------------------------------------------


@inlined
def to_tile(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Any:
    """B^T d: six numbers of a tile of x."""
    even_a, odd_a = d4 - splat(_B2) * d2, d3 - splat(_B2) * d1
    even_b, odd_b = d4 - splat(_A2) * d2, d3 - splat(_A2) * d1
    first = d4 - splat(_SUM) * d2 + splat(_PRODUCT) * d0
    last = d5 - splat(_SUM) * d3 + splat(_PRODUCT) * d1
    return (
        first,
        fused(splat(_A1), odd_a, even_a),
        fused(splat(-_A1), odd_a, even_a),
        fused(splat(_B1), odd_b, even_b),
        fused(splat(-_B1), odd_b, even_b),
        last,
    )


@inlined
def from_tile(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """A^T m: four numbers of y."""
    even_a, odd_a, even_b, odd_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + even_a + even_b,
        splat(_A1) * odd_a + splat(_B1) * odd_b,
        splat(_A2) * even_a + splat(_B2) * even_b,
        splat(_A3) * odd_a + splat(_B3) * odd_b + m5,
    )


@inlined
def load6(at: int, step: int) -> Any:
    """Six vectors, so many bytes apart."""
    return (
        load(at),
        load(at + step),
        load(at + 2 * step),
        load(at + 3 * step),
        load(at + 4 * step),
        load(at + 5 * step),
    )


@inlined
def store6(at: int, step: int, v: Any) -> None:
    """Put six vectors, so many bytes apart."""
    store(at, v[0])
    store(at + step, v[1])
    store(at + 2 * step, v[2])
    store(at + 3 * step, v[3])
    store(at + 4 * step, v[4])
    store(at + 5 * step, v[5])


@inlined
def transform_in(x: int, row: int, v: int, place: int) -> None:
    """B^T x B of one tile of a block of channels, each of its 36 vectors to the next place."""
    a = to_tile(*load6(x, row))
    b = to_tile(*load6(x + NBYTES, row))
    c = to_tile(*load6(x + 2 * NBYTES, row))
    d = to_tile(*load6(x + 3 * NBYTES, row))
    e = to_tile(*load6(x + 4 * NBYTES, row))
    f = to_tile(*load6(x + 5 * NBYTES, row))
    store6(v, place, to_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    store6(v + 6 * place, place, to_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    store6(v + 12 * place, place, to_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    store6(v + 18 * place, place, to_tile(a[3], b[3], c[3], d[3], e[3], f[3]))
    store6(v + 24 * place, place, to_tile(a[4], b[4], c[4], d[4], e[4], f[4]))
    store6(v + 30 * place, place, to_tile(a[5], b[5], c[5], d[5], e[5], f[5]))


@inlined
def pair_from_tile(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """A^T m for a filter of five: two numbers of y."""
    return m0 + (m1 + m2) + (m3 + m4), splat(_A1) * (m1 - m2) + splat(_B1) * (m3 - m4) + m5


@inlined
def _store4(at: int, v: Any) -> None:
    store(at, v[0])
    store(at + NBYTES, v[1])
    store(at + 2 * NBYTES, v[2])
    store(at + 3 * NBYTES, v[3])


@inlined
def _store2(at: int, v: Any) -> None:
    store(at, v[0])
    store(at + NBYTES, v[1])


@inlined
def _transform_out_4(m: int, place: int, y: int, row: int) -> None:
    """A^T m A, a tile of 4x4."""
    a = from_tile(*load6(m, 6 * place))
    b = from_tile(*load6(m + place, 6 * place))
    c = from_tile(*load6(m + 2 * place, 6 * place))
    d = from_tile(*load6(m + 3 * place, 6 * place))
    e = from_tile(*load6(m + 4 * place, 6 * place))
    f = from_tile(*load6(m + 5 * place, 6 * place))
    _store4(y, from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    _store4(y + row, from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    _store4(y + 2 * row, from_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    _store4(y + 3 * row, from_tile(a[3], b[3], c[3], d[3], e[3], f[3]))


@inlined
def _transform_out_2(m: int, place: int, y: int, row: int) -> None:
    """A^T m A, a tile of 2x2."""
    a = pair_from_tile(*load6(m, 6 * place))
    b = pair_from_tile(*load6(m + place, 6 * place))
    c = pair_from_tile(*load6(m + 2 * place, 6 * place))
    d = pair_from_tile(*load6(m + 3 * place, 6 * place))
    e = pair_from_tile(*load6(m + 4 * place, 6 * place))
    f = pair_from_tile(*load6(m + 5 * place, 6 * place))
    _store2(y, pair_from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    _store2(y + row, pair_from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))


@inlined
def _of_four(d0: Any, d1: Any, d2: Any, d3: Any) -> Any:
    """A d: four numbers of the gradient of y become six."""
    even_a, odd_a = d0 + splat(_A2) * d2, splat(_A1) * d1 + splat(_A3) * d3
    even_b, odd_b = d0 + splat(_B2) * d2, splat(_B1) * d1 + splat(_B3) * d3
    return d0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, d3


@inlined
def _of_column(y: int, row: int) -> Any:
    return _of_four(load(y), load(y + row), load(y + 2 * row), load(y + 3 * row))


@inlined
def transform_back(y: int, row: int, m: int, place: int) -> None:
    """A dy A^T of a tile of 4x4 of a block of channels, each of its 36 vectors to the next place."""
    a, b, c = _of_column(y, row), _of_column(y + NBYTES, row), _of_column(y + 2 * NBYTES, row)
    d = _of_column(y + 3 * NBYTES, row)
    store6(m, place, _of_four(a[0], b[0], c[0], d[0]))
    store6(m + 6 * place, place, _of_four(a[1], b[1], c[1], d[1]))
    store6(m + 12 * place, place, _of_four(a[2], b[2], c[2], d[2]))
    store6(m + 18 * place, place, _of_four(a[3], b[3], c[3], d[3]))
    store6(m + 24 * place, place, _of_four(a[4], b[4], c[4], d[4]))
    store6(m + 30 * place, place, _of_four(a[5], b[5], c[5], d[5]))


@inlined
def _of_two(d0: Any, d1: Any) -> Any:
    """A d: two numbers of the gradient of y become six."""
    a, b = splat(_A1) * d1, splat(_B1) * d1
    return d0, d0 + a, d0 - a, d0 + b, d0 - b, d1


@inlined
def transform_back_of_2(y: int, row: int, m: int, place: int) -> None:
    """A dy A^T of a tile of 2x2."""
    a, b = _of_two(load(y), load(y + row)), _of_two(load(y + NBYTES), load(y + row + NBYTES))
    store6(m, place, _of_two(a[0], b[0]))
    store6(m + 6 * place, place, _of_two(a[1], b[1]))
    store6(m + 12 * place, place, _of_two(a[2], b[2]))
    store6(m + 18 * place, place, _of_two(a[3], b[3]))
    store6(m + 24 * place, place, _of_two(a[4], b[4]))
    store6(m + 30 * place, place, _of_two(a[5], b[5]))


# -- images ------------------------------------------------------------------------------------------------------------


@compiled
def put_in_blocks(x: Array, image: Array, top: int, left: int) -> None:
    """Images in blocks = x (n, channels, h, w), with so many rows above it and columns before it."""
    images, channels, height, width = x.shape
    for n in range(images):
        for c in range(channels):
            block = image[n, c // LANES]
            for i in range(height):
                for j in range(width):
                    block[top + i, left + j, c % LANES] = x[n, c, i, j]


@compiled
def take_from_blocks(image: Array, bias: Array, y: Array) -> None:
    """y (n, channels, h, w) = images in blocks, from their first row and column on, + bias."""
    images, channels, height, width = y.shape
    for n in range(images):
        for c in range(channels):
            block, b = image[n, c // LANES], bias[c]
            for i in range(height):
                for j in range(width):
                    y[n, c, i, j] = block[i, j, c % LANES] + b


@compiled
def tiles_in(image: Array, group: int, v: Array, grid: tuple[int, int, int], rows: tuple[int, int]) -> None:
    """Transform rows of tiles, first and count through all images, of a group of channels to rows of v (36, ...).

    ``image`` is (n, groups, blocks, height, width, 16), ``grid`` is tiles down and across, and how far they are apart.
    """
    blocks, _, width = image.shape[2:5]
    down, across, step = grid
    first, count = rows
    for r in range(count):
        n, tile_row = divmod(first + r, down)
        for block in range(blocks):
            x = np.int64(image[n, group, block, step * tile_row].ctypes.data)
            to = np.int64(v[0, r * across, block * LANES :].ctypes.data)
            for _ in range(across):
                transform_in(x, width * NBYTES, to, v.strides[0])
                x += step * NBYTES
                to += v.strides[1]


@compiled
def tiles_out(image: Array, group: int, m: Array, grid: tuple[int, int, int], rows: tuple[int, int]) -> None:
    """The way back: transform rows of m to rows of tiles of y."""
    blocks, _, width = image.shape[2:5]
    down, across, step = grid
    first, count = rows
    for r in range(count):
        n, tile_row = divmod(first + r, down)
        for block in range(blocks):
            y = np.int64(image[n, group, block, step * tile_row].ctypes.data)
            of = np.int64(m[0, r * across, block * LANES :].ctypes.data)
            for _ in range(across):
                if step == 4:
                    _transform_out_4(of, m.strides[0], y, width * NBYTES)
                else:
                    _transform_out_2(of, m.strides[0], y, width * NBYTES)
                y += step * NBYTES
                of += m.strides[1]


@compiled
def tiles_of_gradient(image: Array, group: int, d: Array, grid: tuple[int, int, int], rows: tuple[int, int]) -> None:
    """Transform rows of tiles of the gradient of y to rows of d (36, ...)."""
    blocks, _, width = image.shape[2:5]
    down, across, step = grid
    first, count = rows
    for r in range(count):
        n, tile_row = divmod(first + r, down)
        for block in range(blocks):
            y = np.int64(image[n, group, block, step * tile_row].ctypes.data)
            to = np.int64(d[0, r * across, block * LANES :].ctypes.data)
            for _ in range(across):
                if step == 4:
                    transform_back(y, width * NBYTES, to, d.strides[0])
                else:
                    transform_back_of_2(y, width * NBYTES, to, d.strides[0])
                y += step * NBYTES
                to += d.strides[1]
