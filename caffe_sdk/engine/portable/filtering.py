"""Winograd's minimal filtering as a problem: its tiles, its transformed filters, and how its work is cut for loops.

A 3x3 convolution takes a quarter of the products, a 5x5 one little more than a third. The loops are
`loops.winograd`; they work on images and filters in blocks of 16 channels, and on a `JOB`. What is said here holds for
every engine that brings its numbers into such blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable.winograd_job import BLOCK, PANEL, PIXEL, PLACES, ROWS, STRIP, SUMMED, TILE, WIDTH
from caffe_sdk.memory import Shape

CHUNK, WIDE = 48, 384
"""Tiles transformed at once, twice as many from so many channels on: few enough that they stay in the cache, enough
that what they are multiplied with need not be fetched too often."""
FEW, FEW_NUMBERS = 64, 1 << 14
"""Tiles, and places of transformed tiles, up to which filters are transformed on the way: these stay in the cache."""
FEW_ROWS = 4  # of which a multiple is summed in registers then
PARTS = 4
"""Into how many parts for each thread work is then cut, so that one that is kept from it holds nobody up for long."""

Values = dict[str, Any]
"""Fields of a `JOB`."""


@dataclass(frozen=True)
class Problem:
    """A convolution that Winograd's filtering computes: sizes of x (n, c, h, w) and y (n, k, h, w), 3 or 5 taps."""

    x: Shape
    y: Shape
    taps: int
    pad: Shape
    group: int

    @staticmethod
    def of(x: Shape, y: Shape, geometry: ConvolutionGeometry) -> Problem | None:
        """The convolution as a problem, if it is a 3x3 or 5x5 one of steps of one that cuts no blocks."""
        axis, group = geometry.axis, geometry.group
        if geometry.kernel not in ((3, 3), (5, 5)) or geometry.stride != (1, 1) or geometry.dilation != (1, 1):
            return None
        if group > 1 and (x[axis] // group % BLOCK or y[axis] // group % BLOCK):
            return None
        batch = math.prod(x[:axis])
        return Problem((batch, *x[axis:]), (batch, *y[axis:]), geometry.kernel[0], geometry.pad, group)

    def turned(self) -> Problem:
        """The problem of the gradient of x from that of y, whose filters are turned by half a circle."""
        top, left = (self.taps - 1 - pad for pad in self.pad)
        return Problem(self.y, self.x, self.taps, (top, left), self.group)

    @property
    def step(self) -> int:
        """Width of a tile of y."""
        return TILE + 1 - self.taps

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across an image of y."""
        return -(-self.y[2] // self.step), -(-self.y[3] // self.step)

    @property
    def tiles(self) -> int:
        """Tiles of all images."""
        return self.y[0] * math.prod(self.grid)

    @property
    def blocks(self) -> tuple[int, int]:
        """Blocks of channels of a group, of x and of y."""
        return blocks(self.x[1] // self.group), blocks(self.y[1] // self.group)

    @property
    def has_few_tiles(self) -> bool:
        """Whether filters had better be transformed on the way."""
        return self.taps == 3 and self.tiles <= FEW and self.tiles * self.x[1] // self.group <= FEW_NUMBERS


@dataclass(frozen=True)
class Filters:
    """Transformed filters (group, 36, panel, channels in, 64): what Winograd's filtering multiplies with.

    For the gradient of x the filters are ``turned`` by half a circle, and go from output to input channels.
    """

    taps: int
    group: int
    blocks_in: int
    blocks_out: int
    turned: bool

    @property
    def distances(self) -> Values:
        """What a job knows of them, in bytes."""
        panel = self.blocks_in * BLOCK * PANEL
        place = _apart(_panels(self.blocks_out) * panel)
        return {"u_group": PLACES * place, "u_place": place, "u_panel": panel}

    @property
    def nbytes(self) -> int:
        """How many bytes they are."""
        return int(self.group * self.distances["u_group"])

    @property
    def values(self) -> Values:
        """The job of ``transform_filters``, but for where numbers are: w in blocks, and u."""
        sizes = {"blocks_in": self.blocks_in, "blocks_out": self.blocks_out, "taps": self.taps, "turned": self.turned}
        return {**sizes, "items": self.group * self.blocks_out, **self.distances}


@dataclass(frozen=True)
class Work:
    """What threads do with a loop: its job, but for where numbers are, and the room it needs, in bytes of each."""

    loop: str
    threads: int
    values: Values
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def room(self) -> int:
        """Bytes for all threads."""
        return self.threads * self._own

    @property
    def _own(self) -> int:
        return sum(size for _, size in self.parts)

    def job(self, room: int) -> Values:
        """The job with its room at an address."""
        where = {}
        for name, size in self.parts:
            where[name] = room
            room += size
        return {**self.values, "of_thread": self._own, **where}


def convolution(p: Problem, threads: int) -> Work:
    """y = bias + w * x, or the gradient of x from that of y."""
    blocks_in, blocks_out = p.blocks
    chunk, panels_of_part = _cut(p, threads)
    parts_of_group = -(-_panels(blocks_out) // panels_of_part)
    parts = p.group * parts_of_group
    panel = -(-chunk // ROWS) * ROWS * PANEL
    v_place, m_place = _apart(_panels(blocks_in) * panel), _apart(panels_of_part * panel)
    values = {
        "items": -(-p.tiles // chunk) * parts,
        "chunk": chunk,
        **_tiles(p),
        "blocks_in": blocks_in,
        "blocks_out": blocks_out,
        "parts": parts,
        "parts_of_group": parts_of_group,
        "panels_of_part": panels_of_part,
        "v_place": v_place,
        "v_panel": panel,
        "m_place": m_place,
        "m_panel": panel,
    }
    room = (("v", PLACES * v_place), ("m", PLACES * m_place), ("patch", PLACES * PIXEL))
    filters = Filters(p.taps, p.group, blocks_in, blocks_out, turned=False)
    return Work("convolve", threads, values | filters.distances, room)


def convolution_of_few(p: Problem, threads: int) -> Work:
    """The same for 3x3 filters w as they come, which each chunk of tiles transforms on the way."""
    blocks_in, blocks_out = p.blocks
    down, across = p.grid
    rows_of_tiles = p.x[0] * down
    chunks = -(-rows_of_tiles // max(1, FEW // across)) if p.tiles > FEW else 1
    chunks = min(rows_of_tiles, -(-chunks // threads) * threads) if chunks > 1 else 1
    strips = -(-blocks_out // STRIP)
    parts_of_group = min(strips, 1 if threads == 1 else -(-PARTS * threads // (chunks * p.group)))
    strips_of_part = -(-strips // parts_of_group)
    parts_of_group = -(-strips // strips_of_part)
    rows = -(-(-(-rows_of_tiles // chunks) * across) // FEW_ROWS) * FEW_ROWS
    u_place, v_place, m_place = (_apart(count * PIXEL) for count in (BLOCK * STRIP, rows, rows * STRIP))
    values = {
        "items": chunks * p.group * parts_of_group,
        "threads": threads,
        "chunks": chunks,
        **_tiles(p),
        "blocks_in": blocks_in,
        "blocks_out": blocks_out,
        "parts": p.group * parts_of_group,
        "parts_of_group": parts_of_group,
        "blocks_of_part": STRIP * strips_of_part,
        "v_place": v_place,
        "v_panel": PLACES * v_place,
        "m_place": m_place,
        "m_panel": PLACES * m_place,
        "u_place": u_place,
    }
    sums, frame = -(-blocks_in // SUMMED) * PLACES * m_place, TILE * (p.step * across + TILE - p.step) * PIXEL
    room = (("v", blocks_in * PLACES * v_place), ("m", sums), ("u", 2 * TILE * u_place), ("patch", frame))
    return Work("convolve_few", threads, values, room)


def gradient(p: Problem, threads: int) -> Work:
    """The gradients of w and bias from x and that of y."""
    blocks_in, blocks_out = p.blocks
    channels, panels = blocks_in * BLOCK, _panels(blocks_out)
    panels_of_part = -(-panels // min(panels, -(-threads // p.group)))
    parts_of_group = -(-panels // panels_of_part)
    chunk = -(-p.tiles // -(-p.tiles // CHUNK))
    panel, u_panel = chunk * PANEL, channels * PANEL
    v_place, m_place = _apart(_panels(blocks_in) * panel), _apart(panels_of_part * panel)
    u_place = _apart(panels_of_part * u_panel)
    values = {
        "items": p.group * parts_of_group,
        "chunk": chunk,
        **_tiles(p),
        "blocks_in": blocks_in,
        "blocks_out": blocks_out,
        "parts_of_group": parts_of_group,
        "panels_of_part": panels_of_part,
        "taps": p.taps,
        "v_place": v_place,
        "v_panel": panel,
        "m_place": m_place,
        "m_panel": panel,
        "u_place": u_place,
        "u_panel": u_panel,
    }
    room = (("v", PLACES * v_place), ("m", PLACES * m_place), ("u", PLACES * u_place), ("patch", PLACES * PIXEL))
    return Work("sum_filters", threads, values, room)


def blocks(channels: int) -> int:
    """Blocks that hold so many channels."""
    return -(-channels // BLOCK)


def _tiles(p: Problem) -> Values:
    """What a job knows of images and their tiles."""
    down, across = p.grid
    where = {"tiles": p.tiles, "down": down, "across": across, "step": p.step}
    return {**where, **_images("x", p.x), **_images("y", p.y), "pad_top": p.pad[0], "pad_left": p.pad[1]}


def _images(name: str, dims: Shape) -> Values:
    """What a job knows of images."""
    _, channels, height, width = dims
    plane = height * width * PIXEL
    distances = {f"{name}_image": blocks(channels) * plane, f"{name}_plane": plane}
    return {**distances, f"{name}_height": height, f"{name}_width": width}


def _cut(p: Problem, threads: int) -> tuple[int, int]:
    """Into what the work is cut: tiles of a chunk, and panels of y's channels of a part."""
    wide = (p.x[1] + p.y[1]) // p.group >= 2 * WIDE
    chunks = -(-p.tiles // (2 * CHUNK if wide else CHUNK))
    panels = _panels(p.blocks[1])
    parts = -(-threads // (chunks * p.group))
    return -(-p.tiles // chunks), -(-panels // min(parts, panels))


def _panels(blocks: int) -> int:
    return -(-blocks // WIDTH)


def _apart(nbytes: int) -> int:
    """A distance of at least so many bytes at which 36 streams of writes do not meet in the same lines of the cache."""
    lines = -(-nbytes // PIXEL)
    return (lines | 1) * PIXEL
