"""Convolutions by Winograd's minimal filtering: images are brought into blocks, some at a time, and back.

Transformed filters are a place of the weight: they are made anew when a weight is read that was written since.
A filter that moves by more than one is one that moves by one over the image's phases (see `loops.blocks`).
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable import filtering, job
from caffe_sdk.engine.portable.filtering import Filters, Problem, Values, Work
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.room import room
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.portable.winograd_job import BLOCK, JOB, PLACES
from caffe_sdk.memory import Array, Place, Shape
from caffe_sdk.threads import num_threads

FLOAT = 4  # bytes
UNROLLING = 60
"""Products that take as long as to unroll one number of a window."""
PIECE, PIECE_OF_GRADIENT = 1 << 20, 1 << 23
"""Numbers of images in blocks that are worked on at once: they should stay near, but a gradient is summed up for each
piece."""
TURNS = 2
"""Pieces for each thread: who is held up does fewer."""


@dataclass(frozen=True)
class Filtering:
    """A convolution with square filters as a problem of steps of one, whose x has ``stride``^2 times the channels.

    ``direct`` is what it takes by unrolled windows, in products: these, and to unroll windows.
    """

    problem: Problem
    stride: int
    pad: Shape
    direct: float

    @staticmethod
    def of(x: Shape, y: Shape, geometry: ConvolutionGeometry) -> Filtering | None:
        """A convolution as a filtering, if it is one."""
        axis, group = geometry.axis, geometry.group
        windows = math.prod(geometry.kernel) * math.prod(y) / y[axis] * x[axis] / group
        direct = windows * (y[axis] / group + UNROLLING)
        plain = Problem.of(x, y, geometry)
        if plain is not None:
            return Filtering(plain, 1, (0, 0), direct)
        if len(set(geometry.kernel)) != 1 or len(set(geometry.stride)) != 1 or len(geometry.kernel) != 2:
            return None
        (size, _), (stride, _) = geometry.kernel, geometry.stride
        taps = {3: 3, 4: 5, 5: 5}.get(-(-size // stride))
        if stride == 1 or taps is None:
            return None
        seen = (*x[:axis], x[axis] * stride**2, *(places + taps - 1 for places in y[-2:]))
        problem = Problem.of(seen, y, replace(geometry, kernel=(taps, taps), stride=(1, 1), pad=(0, 0)))
        return Filtering(problem, stride, geometry.pad, direct) if problem is not None else None

    def turned(self) -> Filtering | None:
        """The filtering that makes the gradient of x of that of y, with filters turned by half a circle."""
        return replace(self, problem=self.problem.turned()) if self.stride == 1 else None

    def pays(self, gradient: bool = False) -> bool:
        """Whether it is quicker than products with unrolled windows, by a rule.

        In products: those of tiles, what it takes to bring images into blocks and to transform tiles, and to fetch
        transformed filters, or to make them, as for a ``gradient``, before which they changed, or which they are.
        Measured over 7 to 227 places a side and 3 to 512 channels. ``CAFFE_CONVOLUTION`` may say ``direct`` or
        ``winograd``.
        """
        forced = os.environ.get("CAFFE_CONVOLUTION")
        if forced in ("direct", "winograd"):
            return forced == "winograd"
        p = self.problem
        blocks_in, blocks_out = (BLOCK * blocks for blocks in p.blocks)
        transforms = p.tiles * (200 + 100 * p.step**2) * (blocks_in + blocks_out)
        making = 3500 if gradient else 800
        return self.direct > (p.tiles * PLACES * 1.2 + making) * blocks_in * blocks_out + transforms

    def pieces(self, most: int, least: int = 1) -> Iterator[tuple[slice, Problem]]:
        """Images that are worked on at once, of at most so many numbers in blocks, in at least so many pieces."""
        p, images = self.problem, self.problem.x[0]
        numbers = sum(math.prod(images_in_blocks((1, *dims[1:]))) for dims in (p.x, p.y))
        pieces = min(images, max(-(-images * numbers // most), least))
        bounds = [images * i // pieces for i in range(pieces + 1)]
        for start, end in itertools.pairwise(bounds):
            n = end - start
            yield slice(start, end), replace(p, x=(n, *p.x[1:]), y=(n, *p.y[1:]))


@dataclass(frozen=True)
class TransformedFilters(Place):
    """Where a weight (out, channels of a group, kh, kw) of a filtering is as `Filters`."""

    filters: Filters
    stride: int
    weight: Shape

    name = "winograd"
    derived = True

    @staticmethod
    def of(f: Filtering, weight: Shape, turned: bool = False) -> TransformedFilters:
        """Where the weight of a filtering is, or turned by half a circle that of its way back."""
        p = f.problem
        return TransformedFilters(Filters(p.taps, p.group, *p.blocks, turned), f.stride, weight)

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return self.filters.nbytes // FLOAT, dtype

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def from_host(self, host: Array, buffer: Array) -> None:
        from caffe_sdk.engine.portable.loops.blocks import put_filters, put_turned_filters

        (blocked,) = room(filters_in_blocks(self.filters))
        weight = in_groups(host.reshape(self.weight), self.filters.group)
        if self.filters.turned:
            put_turned_filters(weight, blocked)
        else:
            put_filters(weight, blocked, self.stride)
        work = Work("transform_filters", num_threads(), self.filters.values)
        run(work, {"w": address(blocked), "u": address(buffer)})


def convolve(f: Filtering, x: Array, filters: Array, bias: Array | None, y: Array) -> None:
    """y = bias + filters * x; filters are transformed. Threads take images, or are a team for all."""
    shift = np.zeros(filtering.blocks(y.shape[1]) * BLOCK, np.float32)
    if bias is not None:
        shift[: bias.size] = bias
    where = {"u": address(filters), "bias": address(shift), "slope": 1.0}

    threads = num_threads()
    alone = len(x) >= threads
    pieces = iter(list(f.pieces(PIECE, TURNS * threads if alone else 1)))

    def some(first: int, end: int) -> None:
        for images, p in pieces:
            work = filtering.convolution(p, 1 if alone else threads)
            source, result, own = room(images_in_blocks(p.x), images_in_blocks(p.y), (work.room // FLOAT,))
            put(f, x[images], source)
            run(work, {**where, "x": address(source), "y": address(result)}, own)
            take(result, y[images])

    if alone:
        shared(some, threads, x.size + y.size)
    else:
        some(0, 1)


def gradient(f: Filtering, x: Array, dy: Array, dweight: Array, dbias: Array | None) -> None:
    """Add the gradients of filters (out, channels of a group, kh, kw) and of bias."""
    from caffe_sdk.engine.portable.loops.blocks import add_filters

    for images, p in f.pieces(PIECE_OF_GRADIENT):
        work = filtering.gradient(p, num_threads())
        filters = filters_in_blocks(Filters(p.taps, p.group, *p.blocks, turned=False))
        shapes = images_in_blocks(p.x), images_in_blocks(p.y), filters, (filtering.blocks(p.y[1]) * BLOCK,)
        source, slopes, sums, shift, own = room(*shapes, (work.room // FLOAT,))
        put_shared(f, x[images], source)
        put_shared(replace(f, stride=1), dy[images], slopes)
        where: Values = {"x": address(source), "y": address(slopes), "w": address(sums), "bias": address(shift)}
        run(work, where, own)
        add_filters(sums, in_groups(dweight, p.group), f.stride)
        if dbias is not None:
            dbias += shift[: dbias.size]


def run(work: Work, where: Values, own: Array | None = None) -> None:
    """Have a team do a work, with arrays at so many places, and room of its own."""
    values = work.values if own is None else work.job(address(own))
    job.run(work.loop, JOB, {**values, **where}, work.threads)


def put(f: Filtering, x: Array, blocks: Array) -> None:
    """Bring images x into blocks."""
    from caffe_sdk.engine.portable.loops.blocks import put_images, put_phases

    if f.stride > 1:
        put_phases(x, blocks, f.stride, f.pad)
    else:
        put_images(x.reshape(*x.shape[:2], -1), blocks.reshape(*blocks.shape[:2], -1, BLOCK))


def put_shared(f: Filtering, x: Array, blocks: Array) -> None:
    """The same, divided among threads."""
    shared(lambda i, j: put(f, x[i:j], blocks[i:j]), len(x), blocks.size)


def take(blocks: Array, y: Array) -> None:
    """Bring images y back from blocks."""
    from caffe_sdk.engine.portable.loops.blocks import take_images

    take_images(blocks.reshape(*blocks.shape[:2], -1, BLOCK), y.reshape(*y.shape[:2], -1))


def images_in_blocks(dims: Shape) -> Shape:
    """The shape of images (n, c, h, w) in blocks."""
    n, channels, *size = dims
    return n, filtering.blocks(channels), *size, BLOCK


def filters_in_blocks(filters: Filters) -> Shape:
    """The shape of filters in blocks."""
    return filters.group, filters.blocks_out, filters.blocks_in, filters.taps, filters.taps, BLOCK, BLOCK


def in_groups(weight: Array, group: int) -> Array:
    """A weight as (group, out, channels, kh, kw)."""
    return weight.reshape(group, -1, *weight.shape[1:])
