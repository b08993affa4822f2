"""Convolutions 3x3 and 5x5 by Winograd's minimal filtering: a quarter and a third of the products, between transforms.

Numbers stay in oneDNN's blocks of 16 channels, so nothing is reordered between these convolutions and its own.
Transformed filters are a place of the weight: they are made anew when a program reads a weight that was written since.
Where tiles are few, as in a single image, reading those four times as many numbers would take longer than to transform
filters on the way, so nothing is kept. What the loops of `winograd_kernels` do with a `winograd_job` is said there.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import batchnorm
from caffe_sdk.engine.cpu.descriptors import Descriptor, plain, tagged
from caffe_sdk.engine.cpu.job import Job, address
from caffe_sdk.engine.cpu.layouts import Layout, reorder
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import Operand
from caffe_sdk.engine.cpu.winograd_job import JOB
from caffe_sdk.engine.cpu.work import Work
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.memory import Array, Place, Shape, aligned
from caffe_sdk.threads import num_threads

BLOCK = 16  # channels
FLOAT = 4  # bytes
PIXEL = BLOCK * FLOAT
TILE, PLACES = 6, 36  # width of a tile of x, numbers in it
ROWS, WIDTH = 6, 4  # of the piece of a product of matrices that is summed in registers
PANEL = WIDTH * PIXEL
CHUNK, WIDE = 48, 384
"""Tiles transformed at once, twice as many from so many channels on: few enough that they stay in the cache, enough
that what they are multiplied with need not be fetched too often."""


FEW, FEW_NUMBERS = 64, 1 << 14
"""Tiles, and places of transformed tiles, up to which filters are transformed on the way: these stay in the cache."""
FEW_ROWS = 8  # a multiple of those that are summed in registers then


@dataclass(frozen=True)
class Problem:
    """A convolution that Winograd's filtering computes: sizes of x (n, c, h, w) and y (n, k, h, w), 3 or 5 taps."""

    x: Shape
    y: Shape
    taps: int
    pad: Shape
    group: int

    @property
    def weight(self) -> Shape:
        """The filters' sizes, as oneDNN counts axes."""
        out, channels = self.y[1], self.x[1] // self.group
        window = (self.taps, self.taps)
        return (out, channels, *window) if self.group == 1 else (self.group, out // self.group, channels, *window)

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
    def has_few_tiles(self) -> bool:
        """Whether filters had better be transformed on the way."""
        return self.taps == 3 and self.tiles <= FEW and self.tiles * self.x[1] // self.group <= FEW_NUMBERS


def problem(x: Shape, y: Shape, geometry: ConvolutionGeometry) -> Problem:
    """The convolution as a problem; Unsupported if it is no 3x3 or 5x5 one of steps of one, or cuts blocks."""
    axis, group = geometry.axis, geometry.group
    if geometry.kernel not in ((3, 3), (5, 5)) or geometry.stride != (1, 1) or geometry.dilation != (1, 1):
        raise Unsupported("Winograd", f"{geometry}")
    if group > 1 and (x[axis] // group % BLOCK or y[axis] // group % BLOCK):
        raise Unsupported("Winograd", f"groups of {x[axis] // group} and {y[axis] // group} channels")
    batch = math.prod(x[:axis])
    return Problem((batch, *x[axis:]), (batch, *y[axis:]), geometry.kernel[0], geometry.pad, group)


def problem_of(work: Work) -> Problem:
    """The convolution a work computes, or whose gradient."""
    x = work.arguments.get("x") or work["dx"]
    y = work.arguments.get("y") or work["dy"]
    return problem(x.shape, y.shape, work["geometry"])


def pays(p: Problem, gradient: bool = False) -> bool:
    """Whether it is quicker than direct convolution, by a rule.

    All in products of one input and one output channel: those of direct convolution, those of whole tiles, what the
    transforms take, and what it takes to fetch the filters, which are four times as many, or to make them: on the way
    where tiles are few, and for a ``gradient``, before which they changed, or which they are. Measured over 3 to 28
    places a side and 16 to 512 channels.
    """
    channels, out = p.x[1] / p.group, p.y[1] / p.group
    padded = _blocks(p.x[1] // p.group) * _blocks(p.y[1] // p.group) * BLOCK * BLOCK / (channels * out)
    direct = p.taps**2 * p.y[0] * p.y[2] * p.y[3]
    transforms = p.tiles * 385 * (1 / channels + 1 / out)
    if p.has_few_tiles and not gradient:
        return direct > 1.1 * padded * (-(-p.tiles // 4) * 4 * PLACES * 1.35 + transforms + 300)
    tiles = -(-p.tiles // ROWS) * ROWS * PLACES * 1.15
    fetching = PLACES * (12 if channels * out >= 128 * 128 else 6)
    making = 480 * p.taps if gradient else 0
    return direct > 1.1 * padded * (tiles + transforms + fetching + making)


# -- layouts -----------------------------------------------------------------------------------------------------------


def images(dims: Shape) -> Descriptor:
    """Images in blocks of 16 channels: (n, c / 16, h, w, 16)."""
    return tagged(dims, "aBcd16b")


def filters(dims: Shape, turned: bool = False) -> Descriptor:
    """Filters in blocks: (group, out / 16, in / 16, taps, taps, 16 in, 16 out); ``turned``: in and out exchanged."""
    if len(dims) == 4:
        return tagged(dims, "BAcd16a16b" if turned else "ABcd16b16a")
    return tagged(dims, "aCBde16b16c" if turned else "aBCde16c16b")


def vector(dims: Shape) -> Descriptor:
    """One number for each channel, 0 where the last block is not full."""
    return tagged(dims, "A16a") if dims[0] % BLOCK else plain(dims)


class TransformedFilters(Place):
    """Where a weight is as (group, 36, panel, channels in, 64): what Winograd's filtering multiplies with.

    For the gradient of x the filters are ``turned`` by half a circle, and go from output to input channels.
    """

    name = "winograd"
    derived = True

    def __init__(self, dims: Shape, turned: bool) -> None:
        self.taps = dims[-1]
        self.blocked, self.host = filters(dims, turned), plain(dims)
        self.turned = turned
        self.group, (out, channels) = (1, dims[:2]) if len(dims) == 4 else (dims[0], dims[1:3])
        self.blocks_out, self.blocks_in = _blocks(channels if turned else out), _blocks(out if turned else channels)
        self.panel = self.blocks_in * BLOCK * PANEL
        self.place = _apart(_panels(self.blocks_out) * self.panel)
        self.descriptor = plain((self.group * PLACES * self.place // FLOAT,))

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return self.descriptor.dims[0], dtype

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def from_host(self, host: Array, buffer: Array) -> None:
        self._transform(self.host, host, aligned(self.blocked.nbytes // FLOAT, np.float32), buffer)

    def from_place(self, other: Place, source: Array, buffer: Array) -> bool:
        if not isinstance(other, Layout) or other.host != self.host:
            return False
        self._transform(other.descriptor, source, _scratch(self.blocked.nbytes), buffer)
        return True

    @property
    def distances(self) -> dict[str, int]:
        """What a job knows of transformed filters."""
        return {"u_group": PLACES * self.place, "u_place": self.place, "u_panel": self.panel}

    def _transform(self, descriptor: Descriptor, numbers: Array, blocked: Array, buffer: Array) -> None:
        if descriptor == self.blocked:
            blocked = numbers
        else:
            reorder(descriptor, numbers, self.blocked, blocked)
        blocks = {"blocks_in": self.blocks_in, "blocks_out": self.blocks_out, "items": self.group * self.blocks_out}
        where = {
            "w": address(blocked),
            "u": address(buffer),
            "taps": self.taps,
            "turned": self.turned,
            **self.distances,
        }
        Job("transform_filters", JOB, {**blocks, **where}).run()


def _scratch(nbytes: int) -> Array:
    """Room for filters between two layouts, kept by each thread: in training they are transformed all the time."""
    room: Array | None = getattr(_kept, "room", None)
    if room is None or room.nbytes < nbytes:
        room = _kept.room = aligned(nbytes // FLOAT, np.float32)
    return room


_kept = threading.local()
_places: weakref.WeakValueDictionary[tuple[Shape, bool], TransformedFilters] = weakref.WeakValueDictionary()


def transformed(dims: Shape, turned: bool = False) -> TransformedFilters:
    """The place of transformed filters: one object for all that are alike."""
    place = _places.get((dims, turned))
    if place is None:
        place = _places[dims, turned] = TransformedFilters(dims, turned)
    return place


# -- planners ----------------------------------------------------------------------------------------------------------


def convolution(plan: Plan, work: Work) -> None:
    """y = bias + weight * x, and what was fused of normalization, a residual to be added, and a ReLU."""
    x, weight, bias, y = work["x"], work["weight"], work["bias"], work["y"]
    norm, residual, relu = (work.arguments.get(name) for name in ("norm", "residual", "relu"))
    if y.memory in (x.memory, residual.memory if residual is not None else None):
        raise Unsupported("Winograd", "a convolution in place")
    p = problem_of(work)
    place = transformed(p.weight)
    operands = {"x": plan.read(x, images(p.x))}
    if p.has_few_tiles:
        operands["w"] = plan.read(weight, place.blocked)
    else:
        operands["u"] = plan.read(weight, place.descriptor, place)
    if residual is not None:
        operands["residual"] = plan.read(residual, images(p.y))
    if norm is not None:
        operands["scale"], operands["bias"] = batchnorm.folded(plan, norm, bias, _blocks(p.y[1]) * BLOCK)
    elif bias is not None:
        operands["bias"] = plan.read(bias, vector(p.y[1:2]))
    operands["y"] = plan.write(y, images(p.y))
    slope = 1.0 if relu is None else relu
    _convolve(plan, "convolution_forward winograd", p, place, operands, slope)


def convolution_grad_data(plan: Plan, work: Work) -> None:
    """dx from dy and the weight: a convolution of dy with the filters turned by half a circle."""
    dy, weight, dx = work["dy"], work["weight"], work["dx"]
    p = problem_of(work)
    back = Problem(p.y, p.x, p.taps, (p.taps - 1 - p.pad[0], p.taps - 1 - p.pad[1]), p.group)
    place = transformed(p.weight, turned=True)
    operands = {
        "x": plan.read(dy, images(back.x)),
        "u": plan.read(weight, place.descriptor, place),
        "y": plan.write(dx, images(back.y)),
    }
    _convolve(plan, "convolution_backward_data winograd", back, place, operands)


def _convolve(
    plan: Plan,
    name: str,
    p: Problem,
    place: TransformedFilters,
    operands: Mapping[str, Operand | None],
    slope: float = 1.0,
) -> None:
    """Plan a loop whose ``operands`` are, by the names of `JOB`, images, filters, and what there is of others."""
    few = "w" in operands
    chunk, panels_of_part = _cut(p, few)
    parts_of_group = -(-_panels(place.blocks_out) // panels_of_part)
    parts = p.group * parts_of_group
    rows = FEW_ROWS if few else ROWS
    v_panel = m_panel = -(-chunk // rows) * rows * PANEL
    v_place, m_place = _apart(_panels(place.blocks_in) * v_panel), _apart((1 if few else panels_of_part) * m_panel)
    u_place = _apart(2 * BLOCK * PANEL // 2)
    own = PLACES * (v_place + m_place + PIXEL) + (12 * u_place if few else 0)
    room = plan.room(plain((num_threads() * own // FLOAT,)))
    values = {
        "items": -(-p.tiles // chunk) * parts,
        "chunk": chunk,
        **_tiles(p),
        "slope": slope,
        "blocks_in": place.blocks_in,
        "blocks_out": place.blocks_out,
        "parts": parts,
        "parts_of_group": parts_of_group,
        "panels_of_part": panels_of_part,
        **place.distances,
        "v_place": v_place,
        "v_panel": v_panel,
        "m_place": m_place,
        "m_panel": m_panel,
        "of_thread": own,
    }

    def made(room: Array, *arrays: Array | None) -> Callable[[], None]:
        v = address(room)
        m = v + PLACES * v_place
        where = {name: address(array) for name, array in zip(operands, arrays, strict=True) if array is not None}
        where |= {"v": v, "m": m, "patch": m + PLACES * m_place}
        if few:
            where |= {"u": where["patch"] + PLACES * PIXEL, "u_place": u_place}
        return Job("convolve_few" if few else "convolve", JOB, {**values, **where}).run

    plan.step_made_by(name, made, room, *operands.values())


def convolution_grad_weight(plan: Plan, work: Work) -> None:
    """dweight and dbias from x and dy, for whole blocks of channels."""
    x, dy, dweight, dbias = work["x"], work["dy"], work["dweight"], work["dbias"]
    if dweight is None:
        raise Unsupported("Winograd", "the gradient of the bias alone")
    p = problem_of(work)
    channels, out = p.x[1] // p.group, p.y[1] // p.group
    if channels % BLOCK or out % BLOCK:
        raise Unsupported("Winograd", f"the gradient of {out} filters of {channels} channels")
    operands = {
        "x": plan.read(x, images(p.x)),
        "y": plan.read(dy, images(p.y)),
        "w": plan.update(dweight, filters(p.weight)),
        "bias": plan.update(dbias, plain(p.y[1:2])) if dbias is not None else None,
    }
    panels = _panels(out // BLOCK)
    panels_of_part = -(-panels // min(panels, -(-num_threads() // p.group)))
    parts_of_group = -(-panels // panels_of_part)
    chunk = -(-p.tiles // -(-p.tiles // CHUNK))
    panel, u_panel = chunk * PANEL, channels * PANEL
    v_place, m_place = _apart(_panels(channels // BLOCK) * panel), _apart(panels_of_part * panel)
    u_place = _apart(panels_of_part * u_panel)
    own = PLACES * (v_place + m_place + u_place + PIXEL)
    values = {
        "items": p.group * parts_of_group,
        "chunk": chunk,
        **_tiles(p),
        "blocks_in": channels // BLOCK,
        "blocks_out": out // BLOCK,
        "parts_of_group": parts_of_group,
        "panels_of_part": panels_of_part,
        "taps": p.taps,
        "v_place": v_place,
        "v_panel": panel,
        "m_place": m_place,
        "m_panel": panel,
        "u_place": u_place,
        "u_panel": u_panel,
        "of_thread": own,
    }

    def made(room: Array, *arrays: Array | None) -> Callable[[], None]:
        v = address(room)
        m = v + PLACES * v_place
        u = m + PLACES * m_place
        where = {name: address(array) for name, array in zip(operands, arrays, strict=True) if array is not None}
        return Job("sum_filters", JOB, {**values, **where, "v": v, "m": m, "u": u, "patch": u + PLACES * u_place}).run

    room = plan.room(plain((num_threads() * own // FLOAT,)))
    plan.step_made_by("convolution_backward_weights winograd", made, room, *operands.values())


def _tiles(p: Problem) -> dict[str, int]:
    """What a job knows of images and their tiles."""
    down, across = p.grid
    where = {"tiles": p.tiles, "down": down, "across": across, "step": p.step}
    return {**where, **_images("x", p.x), **_images("y", p.y), "pad_top": p.pad[0], "pad_left": p.pad[1]}


def _cut(p: Problem, few: bool) -> tuple[int, int]:
    """Into what the work is cut: tiles of a chunk, and panels of y's channels of a part."""
    wide = (p.x[1] + p.y[1]) // p.group >= 2 * WIDE
    chunks = 1 if few else -(-p.tiles // (2 * CHUNK if wide else CHUNK))
    panels = _panels(_blocks(p.y[1] // p.group))
    parts = -(-num_threads() // (chunks * p.group))
    return -(-p.tiles // chunks), -(-panels // min(parts, panels))


def _images(name: str, dims: Shape) -> dict[str, int]:
    """What a job knows of images."""
    _, channels, height, width = dims
    plane = height * width * PIXEL
    distances = {f"{name}_image": _blocks(channels) * plane, f"{name}_plane": plane}
    return {**distances, f"{name}_height": height, f"{name}_width": width}


def _blocks(channels: int) -> int:
    return -(-channels // BLOCK)


def _panels(blocks: int) -> int:
    return -(-blocks // WIDTH)


def _apart(nbytes: int) -> int:
    """A distance of at least so many bytes at which 36 streams of writes do not meet in the same lines of the cache."""
    lines = -(-nbytes // PIXEL)
    return (lines | 1) * PIXEL
