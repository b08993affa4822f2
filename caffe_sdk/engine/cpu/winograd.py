"""Convolutions 3x3 and 5x5 by Winograd's minimal filtering: a quarter and a third of the products, between transforms.

Numbers stay in oneDNN's blocks of 16 channels, so nothing is reordered between these convolutions and its own.
Transformed filters are a place of the weight: they are made anew when a program reads a weight that was written since.
Where tiles are few, as in a single image, reading those four times as many numbers would take longer than to transform
filters on the way, so nothing is kept; nor where filters are small. How work is cut for loops is said in
`portable.filtering`.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import batchnorm
from caffe_sdk.engine.cpu.descriptors import Descriptor, plain, tagged
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.layouts import Layout, reorder
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import Operand
from caffe_sdk.engine.portable import filtering
from caffe_sdk.engine.portable.filtering import Filters, Problem, blocks
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.winograd_job import BLOCK, JOB, PLACES, ROWS
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Array, Place, Shape, aligned
from caffe_sdk.threads import num_threads

FLOAT = 4  # bytes
SMALL = 1 << 20
"""Bytes of transformed filters up to which they are made in every run, rather than kept: many tiles make up for it."""
CHUNKED = 256
"""Tiles of a single image up to which it is quicker to make such filters on the way, for each chunk."""


def problem_of(work: Work) -> Problem:
    """The convolution a work computes, or whose gradient; Unsupported if it is none for Winograd's filtering."""
    x = work.arguments.get("x") or work["dx"]
    y = work.arguments.get("y") or work["dy"]
    problem = Problem.of(x.shape, y.shape, work["geometry"])
    if problem is None:
        raise Unsupported("Winograd", f"{work['geometry']} of {x.shape[work['geometry'].axis]} channels")
    return problem


def dims_of(p: Problem) -> Shape:
    """The filters' sizes, as oneDNN counts axes."""
    out, channels, window = p.y[1], p.x[1] // p.group, (p.taps, p.taps)
    return (out, channels, *window) if p.group == 1 else (p.group, out // p.group, channels, *window)


def pays(p: Problem, gradient: bool = False) -> bool:
    """Whether it is quicker than direct convolution, by a rule.

    All in products of one input and one output channel: those of direct convolution, those of whole tiles, what the
    transforms take, and what it takes to fetch the filters, which are four times as many, or to make them: on the way
    where tiles are few, and for a ``gradient``, before which they changed, or which they are. Measured over 3 to 28
    places a side and 16 to 512 channels.
    """
    channels, out = p.x[1] / p.group, p.y[1] / p.group
    padded = p.blocks[0] * p.blocks[1] * BLOCK * BLOCK / (channels * out)
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
    """Where a weight is as `Filters`."""

    name = "winograd"
    derived = True

    def __init__(self, dims: Shape, turned: bool) -> None:
        self.blocked, self.host = filters(dims, turned), plain(dims)
        group, (out, channels) = (1, dims[:2]) if len(dims) == 4 else (dims[0], dims[1:3])
        to, of = (channels, out) if turned else (out, channels)
        self.filters = Filters(dims[-1], group, blocks(of), blocks(to), turned)
        self.descriptor = plain((self.filters.nbytes // FLOAT,))

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

    def _transform(self, descriptor: Descriptor, numbers: Array, blocked: Array, buffer: Array) -> None:
        if descriptor == self.blocked:
            blocked = numbers
        else:
            reorder(descriptor, numbers, self.blocked, blocked)
        self.made_from(blocked, buffer)()

    def made_from(self, blocked: Array, buffer: Array) -> Callable[[], None]:
        """What transforms filters in blocks."""
        where = {"w": address(blocked), "u": address(buffer)}
        return Job("transform_filters", JOB, {**self.filters.values, **where}).run


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
    place = transformed(dims_of(p))
    operands = {"x": plan.read(x, images(p.x))}
    small = place.filters.nbytes <= SMALL
    if p.has_few_tiles or (small and p.taps == 3 and p.x[0] == 1 and p.tiles <= CHUNKED):
        operands["w"] = plan.read(weight, place.blocked)
    elif small:
        kept = plan.read(weight, place.blocked)
    else:
        operands["u"] = plan.read(weight, place.descriptor, place)
    if residual is not None:
        operands["residual"] = plan.read(residual, images(p.y))
    if not {"w", "u"} & operands.keys():
        operands["u"] = plan.room(place.descriptor)
        plan.step_made_by("loop transformed filters", place.made_from, kept, operands["u"])
    if norm is not None:
        operands["scale"], operands["bias"] = batchnorm.folded(plan, norm, bias, blocks(p.y[1]) * BLOCK)
    elif bias is not None:
        operands["bias"] = plan.read(bias, vector(p.y[1:2]))
    values = {"slope": 1.0 if relu is None else relu}
    if "within" in work.arguments:
        whole, channel = work["within"]
        operands["y"] = plan.write_within(y, whole, channel)
        values["y_image"] = math.prod(whole.shape[1:]) * FLOAT
    else:
        operands["y"] = plan.write(y, images(p.y))
    _convolve(plan, "convolution_forward winograd", p, operands, values)


def convolution_grad_data(plan: Plan, work: Work) -> None:
    """dx from dy and the weight: a convolution of dy with the filters turned by half a circle."""
    dy, weight, dx = work["dy"], work["weight"], work["dx"]
    p = problem_of(work)
    back = p.turned()
    place = transformed(dims_of(p), turned=True)
    operands = {
        "x": plan.read(dy, images(back.x)),
        "u": plan.read(weight, place.descriptor, place),
        "y": plan.write(dx, images(back.y)),
    }
    _convolve(plan, "convolution_backward_data winograd", back, operands, {"slope": 1.0})


def _convolve(
    plan: Plan, name: str, p: Problem, operands: Mapping[str, Operand | None], values: Mapping[str, Any]
) -> None:
    """Plan a loop whose ``operands`` are, by the names of `JOB`, images, filters, and what there is of others."""
    cut = filtering.convolution_of_few if "w" in operands else filtering.convolution
    _step(plan, name, cut(p, num_threads()), operands, values)


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
        "w": plan.update(dweight, filters(dims_of(p))),
        "bias": plan.update(dbias, plain(p.y[1:2])) if dbias is not None else None,
    }
    _step(plan, "convolution_backward_weights winograd", filtering.gradient(p, num_threads()), operands, {})


def _step(
    plan: Plan, name: str, work: filtering.Work, operands: Mapping[str, Operand | None], values: Mapping[str, Any]
) -> None:
    """Plan a loop whose operands are fields of its job."""

    def made(room: Array, *arrays: Array | None) -> Callable[[], None]:
        where = {name: address(array) for name, array in zip(operands, arrays, strict=True) if array is not None}
        return Job(work.loop, JOB, {**work.job(address(room)), **values, **where}).run

    plan.step_made_by(name, made, plan.room(plain((work.room // FLOAT,))), *operands.values())
