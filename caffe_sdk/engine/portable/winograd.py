"""Convolutions 3x3 and 5x5 by Winograd's minimal filtering: loops transform tiles, BLAS multiplies.

A 3x3 one takes a quarter of the products, a 5x5 one little more than a third. Transformed filters are a place of the
weight: they are made anew when a weight is read that was written since.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.memory import Array, Place, Shape, aligned

PLACES, TILE = 36, 6
BLOCK = 16  # channels
FLOAT = 4  # bytes
PIECE, TILES = 1 << 20, 256
"""Transformed numbers of x and y at once, for the cache; but of so many tiles that filters are not fetched too often.
"""


@dataclass(frozen=True)
class Filtering:
    """A convolution of x (n, c, h, w) to y, or its way back, with a square filter that moves by steps of one."""

    x: Shape
    y: Shape
    taps: int
    pad: Shape
    group: int

    @staticmethod
    def of(x: Shape, y: Shape, geometry: ConvolutionGeometry) -> Filtering | None:
        """A convolution as a filtering, if it is one. Groups must have whole blocks of channels."""
        kernel, axis, group = geometry.kernel, geometry.axis, geometry.group
        if kernel not in ((3, 3), (5, 5)) or geometry.stride != (1, 1) or geometry.dilation != (1, 1):
            return None
        if group > 1 and (x[axis] % (group * BLOCK) or y[axis] % (group * BLOCK)):
            return None
        batch = math.prod(x[:axis])
        return Filtering((batch, *x[axis:]), (batch, *y[axis:]), kernel[0], geometry.pad, group)

    def turned(self) -> Filtering:
        """The filtering that makes the gradient of x of that of y, with filters turned by half a circle."""
        top, left = (self.taps - 1 - pad for pad in self.pad)
        return Filtering(self.y, self.x, self.taps, (top, left), self.group)

    @property
    def step(self) -> int:
        """How far tiles are apart."""
        return TILE + 1 - self.taps

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across an image of y."""
        return -(-self.y[2] // self.step), -(-self.y[3] // self.step)

    @property
    def blocks(self) -> tuple[int, int]:
        """Blocks of channels of a group, of x and of y."""
        return -(-self.x[1] // self.group // BLOCK), -(-self.y[1] // self.group // BLOCK)

    @property
    def rows_at_once(self) -> int:
        """Rows of tiles that are transformed at once, of all images together."""
        down, across = self.grid
        tiles = max(TILES, PIECE // (PLACES * BLOCK * sum(self.blocks)))
        return min(max(1, tiles // across), self.x[0] * down)

    def pieces(self) -> Iterator[tuple[slice, list[tuple[int, int]]]]:
        """Images that are worked on at once, and the pieces of their rows of tiles: first and count through them."""
        down, most = self.grid[0], self.rows_at_once
        images = -(-most // down)
        for start in range(0, self.x[0], images):
            every = min(images, self.x[0] - start) * down
            yield slice(start, start + images), [(i, min(most, every - i)) for i in range(0, every, most)]

    def pays(self, of_filters: bool = False) -> bool:
        """Whether it, or the gradient ``of_filters``, is quicker than products with unrolled windows, by a rule.

        All in products of one input and one output channel: those with windows, those of tiles, what the transforms
        take, and what it takes to fetch transformed filters, or to sum up their gradient.
        ``CAFFE_CONVOLUTION`` may say ``direct`` or ``winograd``.
        """
        channels, out = self.x[1] / self.group, self.y[1] / self.group
        forced = os.environ.get("CAFFE_CONVOLUTION")
        if min(self.pad) < 0 or forced == "direct":
            return False
        tiles = self.y[0] * math.prod(self.grid)
        slower, fetching = (1.5, 6000) if of_filters else (1.15, 1000)
        work = tiles * PLACES * slower + tiles * (300 + 120 * self.step**2) * (1 / channels + 1 / out) + fetching
        return forced == "winograd" or self.taps**2 * self.y[0] * math.prod(self.y[2:]) > work


@dataclass(frozen=True)
class TransformedFilters(Place):
    """Where a weight (out, channels of a group, taps, taps) is as 36 times (group, channels, outputs of a group).

    For the way back filters are ``turned``, and channels and outputs are exchanged.
    """

    weight: Shape
    group: int
    turned: bool

    name = "winograd"
    derived = True

    @property
    def shape(self) -> Shape:
        """The shape of transformed filters."""
        channels, out = self.weight[1], self.weight[0] // self.group
        return (PLACES, self.group, *((out, channels) if self.turned else (channels, out)))

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return math.prod(self.shape), dtype

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def from_host(self, host: Array, buffer: Array) -> None:
        taps = self.weight[2]
        filters = host.reshape(self.group, -1, self.weight[1], taps * taps)
        filters = filters[..., ::-1] if self.turned else filters.swapaxes(1, 2)
        np.matmul(both_ways(taps), filters.reshape(-1, taps * taps).T, out=buffer.reshape(PLACES, -1))


def transform(taps: int) -> Array:
    """G (6, taps): the values of a polynomial at the points, and its leading coefficient, over what B^T leaves out."""
    from caffe_sdk.engine.portable.loops.winograd import POINTS

    a, b = POINTS
    points = (0, a, -a, b, -b)
    rows = [[p**i / math.prod(p - q for q in points if q != p) for i in range(taps)] for p in points]
    return np.array([*rows, [0] * (taps - 1) + [1]])


@functools.cache
def both_ways(taps: int) -> Array:
    """G for rows and columns at once, (36, taps^2), in float32."""
    one_way = transform(taps)
    return np.kron(one_way, one_way).astype(np.float32)


def convolve(f: Filtering, x: Array, filters: Array, bias: Array, y: Array) -> None:
    """y = bias + filters * x; filters (36, groups, channels of a group, outputs of a group)."""
    from caffe_sdk.engine.portable.loops import winograd as loops

    grid = (*f.grid, f.step)
    v, m = _matrices(f, f.blocks[0]), _matrices(f, f.blocks[1])
    for images, pieces in f.pieces():
        image = _in_blocks(f, x[images], f.blocks[0], _size_of_x(f), f.pad)
        result = _room(len(image), f.group, f.blocks[1], *_size_of_y(f), BLOCK)
        for rows in pieces:
            tiles = rows[1] * f.grid[1]
            for g in range(f.group):
                _each_row(loops.tiles_in, image, g, v, grid, rows)
                np.matmul(v[:, :tiles, : filters.shape[2]], filters[:, g], out=m[:, :tiles, : filters.shape[3]])
                _each_row(loops.tiles_out, result, g, m, grid, rows)
        _out_of_blocks(result, bias, y[images])


def gradient(f: Filtering, x: Array, dy: Array) -> Array:
    """The gradient of the filters (out, channels of a group, taps, taps): G^T [sum of B^T x B times A dy A^T] G."""
    from caffe_sdk.engine.portable.loops import winograd as loops

    grid = (*f.grid, f.step)
    channels, out = f.x[1] // f.group, f.y[1] // f.group
    v, d = _matrices(f, f.blocks[0]), _matrices(f, f.blocks[1])
    total = np.zeros((PLACES, f.group, channels, out), np.float32)
    for images, pieces in f.pieces():
        image = _in_blocks(f, x[images], f.blocks[0], _size_of_x(f), f.pad)
        slopes = _in_blocks(f, dy[images], f.blocks[1], _size_of_y(f), (0, 0))
        for rows in pieces:
            tiles = rows[1] * f.grid[1]
            for g in range(f.group):
                _each_row(loops.tiles_in, image, g, v, grid, rows)
                _each_row(loops.tiles_of_gradient, slopes, g, d, grid, rows)
                for place in range(PLACES):
                    total[place, g] += v[place, :tiles, :channels].T @ d[place, :tiles, :out]
    back: Array = both_ways(f.taps).T @ total.reshape(PLACES, -1)
    taps = (f.taps, f.taps)
    return back.reshape(*taps, f.group, channels, out).transpose(2, 4, 3, 0, 1).reshape(-1, channels, *taps)


def _size_of_x(f: Filtering) -> tuple[int, int]:
    """Rows and columns that whole tiles see."""
    return TILE + f.step * (f.grid[0] - 1), TILE + f.step * (f.grid[1] - 1)


def _size_of_y(f: Filtering) -> tuple[int, int]:
    """Rows and columns of whole tiles."""
    return f.step * f.grid[0], f.step * f.grid[1]


def _in_blocks(f: Filtering, x: Array, blocks: int, size: tuple[int, int], corner: Shape) -> Array:
    """Images (n, groups, blocks, rows, columns, 16) with x at a corner, and zeros around it."""
    from caffe_sdk.engine.portable.loops import winograd as loops

    image = _zeros(len(x), f.group, blocks, *size, BLOCK)
    whole = image.reshape(len(x), -1, *size, BLOCK)
    shared(lambda i, j: loops.put_in_blocks(x[i:j], whole[i:j], *corner), len(x), x.size)
    return image


def _out_of_blocks(image: Array, bias: Array, y: Array) -> None:
    """y = what is at the first corner of images (n, groups, blocks, rows, columns, 16), + bias."""
    from caffe_sdk.engine.portable.loops import winograd as loops

    whole = image.reshape(len(y), -1, *image.shape[3:])
    shared(lambda i, j: loops.take_from_blocks(whole[i:j], bias, y[i:j]), len(y), y.size)


def _each_row(
    loop: Callable[..., None], image: Array, g: int, matrices: Array, grid: tuple[int, int, int], rows: tuple[int, int]
) -> None:
    """Transform rows of tiles between images and matrices."""
    (first, count), across = rows, grid[1]
    numbers = count * across * PLACES * matrices.shape[2]
    shared(lambda i, j: loop(image, g, matrices[:, i * across :], grid, (first + i, j - i)), count, numbers)


def _zeros(*shape: int) -> Array:
    """Zeros on a cache line."""
    return aligned(math.prod(shape), np.float32).reshape(shape)


def _room(*shape: int) -> Array:
    """Numbers on a cache line, whatever they are: what was used before need not be cleared."""
    count = math.prod(shape)
    raw = np.empty(count + BLOCK, np.float32)
    start = -(raw.ctypes.data // FLOAT) % BLOCK
    return raw[start : start + count].reshape(shape)


def _matrices(f: Filtering, blocks: int) -> Array:
    """36 matrices (tiles, channels), an odd number of blocks apart, so that writes to all do not meet in the cache."""
    tiles = f.rows_at_once * f.grid[1]
    apart = (tiles * blocks | 1) * BLOCK
    strides = (apart * FLOAT, blocks * BLOCK * FLOAT, FLOAT)
    return np.ndarray((PLACES, tiles, blocks * BLOCK), np.float32, _room(PLACES * apart), 0, strides)
