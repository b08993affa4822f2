"""How oneDNN pools, and the mask of a maximum in its own form.

Where Caffe's mask has an index into the plane, oneDNN's workspace has the index within the window, in a byte if that
is enough. `Workspace` makes that a place of the mask's memory, so who looks at the mask on the host sees Caffe's.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu.descriptors import Descriptor, Key, any_layout, plain, tagged
from caffe_sdk.engine.cpu.layouts import reorder
from caffe_sdk.engine.cpu.library import Unsupported, axes
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    DIFF_DST,
    DIFF_SRC,
    DST,
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    SRC,
    WORKSPACE,
    PrimitiveDescriptor,
)
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.reference.pooling import divisors
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Array, Place, Shape

MAXIMUM, AVERAGE_WITH_PADDING, AVERAGE_OF_IMAGE = 0x1FF, 0x2FF, 0x3FF  # dnnl_pooling_*
BLOCK = 16  # channels

_workspaces: weakref.WeakValueDictionary[Key, Workspace] = weakref.WeakValueDictionary()


class Workspace(Place):
    """A place where a mask is oneDNN's: per window the index within it. Knows the layouts it was made with."""

    name = "onednn-mask"

    def __init__(self, descriptor: Descriptor, x: Descriptor, y: Descriptor, geometry: PoolingGeometry) -> None:
        self.descriptor, self.x, self.y, self.geometry = descriptor, x, y, geometry
        self._row_major = plain(descriptor.dims, descriptor.dtype)

    def of(self, x: Shape, y: Shape, geometry: PoolingGeometry) -> bool:
        """Whether it holds masks of such a pooling."""
        return (self.x.dims, self.y.dims, self.geometry) == (x, y, geometry)

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return self.descriptor.nbytes // self.descriptor.dtype.itemsize, self.descriptor.dtype

    def zero(self, buffer: Array) -> None:
        self.from_host(np.zeros(self._row_major.dims, np.int32).ravel(), buffer)

    def to_host(self, buffer: Array, host: Array) -> None:
        """Index within the window -> index into the plane, -1 outside of window or plane."""
        inner = np.empty(self._row_major.dims, self.descriptor.dtype)
        reorder(self.descriptor, buffer, self._row_major, inner)
        h, w = self.x.dims[2:]
        first_row, first_column = self._starts()
        rows, columns = np.divmod(inner.astype(np.int32), self.geometry.kernel[1])
        inside = rows < self.geometry.kernel[0]
        rows += first_row
        columns += first_column
        inside &= (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
        host[...] = np.where(inside, rows * w + columns, -1).ravel()

    def from_host(self, host: Array, buffer: Array) -> None:
        """Index into the plane -> index within the window; what lies outside of it becomes an index past its end."""
        kh, kw = self.geometry.kernel
        first_row, first_column = self._starts()
        rows, columns = np.divmod(host.reshape(self._row_major.dims), self.x.dims[3])
        rows, columns = rows - first_row, columns - first_column
        inside = (rows >= 0) & (rows < kh) & (columns >= 0) & (columns < kw)
        inner = np.where(inside, rows * kw + columns, kh * kw).astype(self.descriptor.dtype)
        reorder(self._row_major, inner, self.descriptor, buffer)

    def _starts(self) -> tuple[Array, Array]:
        """First row of each row of windows (oh, 1), and first column of each column of windows (ow,)."""
        stride, pad = self.geometry.stride, self.geometry.pad
        rows, columns = (np.arange(self.descriptor.dims[2 + i]) * stride[i] - pad[i] for i in (0, 1))
        return rows[:, None], columns


def max_pool(plan: Plan, work: Work) -> None:
    """y = the maximum of each window; the mask, where there is one, at its workspace."""
    x, y, mask, geometry = work["x"], work["y"], work["mask"], work["geometry"]
    computation = _forward(MAXIMUM, plan.shaped(x), y.shape, geometry, training=mask is not None)
    operands = {SRC: plan.read(x, computation.layout(SRC)), DST: plan.write(y, computation.layout(DST))}
    if mask is not None:
        place = _workspace(computation, geometry)
        operands[WORKSPACE] = plan.write(mask, place.descriptor, place)
    plan.execute(computation, operands)


def max_pool_grad(plan: Plan, work: Work) -> None:
    """dx[mask] += dy, in the layouts of the forward pass, which the mask's place remembers."""
    dy, mask, dx, geometry = work["dy"], work["mask"], work["dx"], work["geometry"]
    place = plan.place(mask.memory)
    if not isinstance(place, Workspace) or not place.of(dx.shape, dy.shape, geometry):
        raise Unsupported("oneDNN", "a mask that is not oneDNN's")
    forward = _forward(MAXIMUM, place.x, dy.shape, geometry, training=True)
    computation = _backward(MAXIMUM, place.x, place.y, geometry, forward)
    operands = {
        DIFF_DST: plan.read(dy, place.y),
        WORKSPACE: plan.read(mask, place.descriptor, place),
        DIFF_SRC: plan.write(dx, place.x),
    }
    plan.execute(computation, operands)


def average_pool(plan: Plan, work: Work) -> None:
    """y = the average of each window. Where oneDNN divides by more than Caffe does, at edges, y is then multiplied."""
    x, y, geometry = work["x"], work["y"], work["geometry"]
    computation = _forward(_average(geometry), plan.shaped(x), y.shape, geometry, training=False)
    edges = Edges.of(x.shape, y.shape, geometry, computation.layout(DST))
    operands = {SRC: plan.read(x, computation.layout(SRC)), DST: plan.write(y, computation.layout(DST))}
    plan.execute(computation, operands)
    if edges is not None:
        plan.step("loop edges", edges.multiply, operands[DST])


def average_pool_grad(plan: Plan, work: Work) -> None:
    """dx += dy / divisor at every place of its window."""
    dy, dx, geometry = work["dy"], work["dx"], work["geometry"]
    kind = _average(geometry)
    layout = plan.shaped(dy)
    forward = _forward(kind, plain(dx.shape), dy.shape, geometry, training=True)
    computation = _backward(kind, any_layout(dx.shape), layout, geometry, forward)
    edges = Edges.of(dx.shape, dy.shape, geometry, layout)
    gradient = plan.read(dy, layout)
    if edges is not None:
        multiplied = plan.room(layout)
        plan.step("loop edges", edges.multiply_copy, gradient, multiplied)
        gradient = multiplied
    plan.execute(computation, {DIFF_DST: gradient, DIFF_SRC: plan.write(dx, computation.layout(DIFF_SRC))})


def _average(geometry: PoolingGeometry) -> int:
    """Which of oneDNN's averages is Caffe's. Caffe divides by the part of the window inside image and padding.

    Without padding that is the part inside the image. With padding it is the whole window, but for `Edges`.
    """
    return AVERAGE_OF_IMAGE if geometry.pad == (0, 0) else AVERAGE_WITH_PADDING


class Edges:
    """Windows that reach past the padding, in the last rows and columns: Caffe divides by the part that does not."""

    def __init__(self, factors: Array, lanes: int) -> None:
        self._factors = factors[:, :, None].astype(np.float32)
        rows, columns = (np.flatnonzero((factors != 1).all(axis=1 - axis)) for axis in (0, 1))
        self._row = int(rows[0]) if rows.size else factors.shape[0]
        self._column = int(columns[0]) if columns.size else factors.shape[1]
        self._shape = (-1, *factors.shape, lanes)

    @staticmethod
    def of(x: Shape, y: Shape, geometry: PoolingGeometry, layout: Descriptor) -> Edges | None:
        """Those of a pooling, in the layout of y; None if there are none. Unsupported for a layout of other blocks."""
        factors = math.prod(geometry.kernel) / divisors(x, y, geometry, np.dtype(np.float64))
        if _average(geometry) == AVERAGE_OF_IMAGE or (factors == 1).all():
            return None
        for lanes, known in ((BLOCK, tagged(y, "aBcd16b")), (1, plain(y))):
            if layout == known:
                return Edges(factors, lanes)
        raise Unsupported("oneDNN", f"edges in {layout}")

    def multiply(self, y: Array) -> None:
        """Divide by the part instead of the whole window."""
        images, factors = y.reshape(self._shape), self._factors
        images[:, self._row :] *= factors[self._row :]
        images[:, : self._row, self._column :] *= factors[: self._row, self._column :]

    def multiply_copy(self, dy: Array, copy: Array) -> None:
        """The same for a gradient, whose own numbers stay."""
        copy[...] = dy
        self.multiply(copy)


def _windows(x: Shape, y: Shape, geometry: PoolingGeometry) -> tuple[Any, ...]:
    """Stride, kernel, dilation, padding in front and behind. Unsupported when a window misses the image."""
    behind = []
    sizes = zip(x[2:], y[2:], geometry.kernel, geometry.stride, geometry.pad, strict=True)
    for size, out, kernel, stride, pad in sizes:
        last = (out - 1) * stride - pad
        if pad >= kernel or last >= size:
            raise Unsupported("oneDNN", "a window outside the image")
        behind.append(max(0, last + kernel - size))
    return tuple(map(axes, (geometry.stride, geometry.kernel, (0, 0), geometry.pad, tuple(behind))))


def _forward(kind: int, x: Descriptor, y: Shape, geometry: PoolingGeometry, training: bool) -> PrimitiveDescriptor:
    phase = FORWARD_TRAINING if training else FORWARD_INFERENCE
    return PrimitiveDescriptor(
        "pooling_forward", phase, kind, x, any_layout(y), *_windows(x.dims, y, geometry)
    ).checked()


def _backward(
    kind: int, dx: Descriptor, dy: Descriptor, geometry: PoolingGeometry, forward: PrimitiveDescriptor
) -> PrimitiveDescriptor:
    return PrimitiveDescriptor(
        "pooling_backward", kind, dx, dy, *_windows(dx.dims, dy.dims, geometry), forward
    ).checked()


def _workspace(forward: PrimitiveDescriptor, geometry: PoolingGeometry) -> Workspace:
    """The place a forward pass leaves its mask at, one object for all that are alike."""
    descriptor, x, y = (forward.layout(argument) for argument in (WORKSPACE, SRC, DST))
    key = (descriptor.key, x.key, y.key, geometry)
    place = _workspaces.get(key)
    if place is None:
        place = _workspaces[key] = Workspace(descriptor, x, y, geometry)
    return place
