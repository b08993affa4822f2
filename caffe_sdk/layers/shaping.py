"""Layers that give blobs another shape, join them and cut them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, exactly, layer
from caffe_sdk.memory import Shape


class Reshaping(Layer):
    """The top is the bottom, values and gradients, in another shape: there is nothing to compute."""

    shares_data = shares_diff = True

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].share_data(bottom[0])
        top[0].share_diff(bottom[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass


@layer("Flatten")
class Flatten(Reshaping):
    """Axes ``axis`` to ``end_axis`` become one.  (n, c, h, w) -> (n, c h w)"""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, param = bottoms[0], self.config.flatten_param
        first, last = self.axis(param.axis, len(shape)), self.axis(param.end_axis, len(shape))
        self.check_shape(first <= last, f"axis {first} is behind end_axis {last}", "give axis <= end_axis")
        return [(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])]


@layer("Reshape")
class Reshape(Reshaping):
    """Axes from ``axis`` on, ``num_axes`` of them, become ``shape``: 0 keeps a size, -1 is what is left."""

    def setup(self, config: Any) -> None:
        self.param = config.reshape_param
        self.dims = tuple(self.param.shape.dim)
        self.check(self.dims.count(-1) <= 1, f"shape {self.dims} leaves more than one size open", "give one -1 at most")
        self.check(all(d >= -1 for d in self.dims), f"shape {self.dims}", "give sizes, 0 or -1")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, axes = bottoms[0], len(bottoms[0])
        start = self.param.axis if self.param.axis >= 0 else axes + self.param.axis + 1
        self.check_shape(0 <= start <= axes, f"axis {self.param.axis} of {axes} axes", f"use {-axes - 1} to {axes}")
        self.check(self.param.num_axes >= -1, f"num_axes: {self.param.num_axes}", "give -1 or more")
        end = axes if self.param.num_axes == -1 else start + self.param.num_axes
        self.check_shape(end <= axes, f"num_axes: {self.param.num_axes} from axis {start} on of {shape}", "give fewer")
        dims = [self._kept(shape, start + i) if d == 0 else d for i, d in enumerate(self.dims)]
        count = math.prod(shape[start:end])
        if -1 in dims:
            whole = math.prod(d or 1 for d in shape[start:end])  # an empty batch says nothing about the other axes
            part = math.prod(d or 1 for d in dims if d != -1)
            self.check_shape(
                whole % part == 0,
                f"{count} values do not divide into shape {self.dims}",
                f"give sizes whose product divides {count}",
            )
            dims[dims.index(-1)] = whole // part
        self.check_shape(
            math.prod(dims) == count, f"{count} values do not fit shape {tuple(dims)}", f"give {count} values"
        )
        return [(*shape[:start], *dims, *shape[end:])]

    def _kept(self, shape: Shape, axis: int) -> int:
        self.check_shape(axis < len(shape), f"shape {self.dims} keeps axis {axis} of {shape}", "give its size")
        return shape[axis]


@layer("Concat")
class Concat(Layer):
    """y = the bottoms, one after the other along ``axis``.  (n, c1, ...), (n, c2, ...) -> (n, c1 + c2, ...)"""

    bottoms = Arity(1, None)

    def setup(self, config: Any) -> None:
        param = config.concat_param
        both = param.HasField("axis") and param.HasField("concat_dim")
        self.check(not both, "has axis and concat_dim", "give axis only")
        self.join_axis: int = param.concat_dim if param.HasField("concat_dim") else param.axis

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first = bottoms[0]
        axis = self.axis(self.join_axis, len(first))
        for i, shape in enumerate(bottoms):
            fits = len(shape) == len(first) and shape[:axis] + shape[axis + 1 :] == first[:axis] + first[axis + 1 :]
            self.check_shape(
                fits, f"bottom {i} has shape {shape}, bottom 0 {first}", f"they may differ along axis {axis} only"
            )
        return [(*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :])]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = self.axis(self.join_axis, len(top[0].shape))
        engine.concatenate([x.data_tensor for x in bottom], top[0].data_tensor, axis)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        axis = self.axis(self.join_axis, len(top[0].shape))
        start = 0
        for x, needed in zip(bottom, needs, strict=True):
            if needed:
                engine.crop(top[0].diff_tensor, x.diff_tensor, at_axis(start, axis, len(x.shape)))
            start += x.shape[axis]


@layer("Slice")
class Slice(Layer):
    """The bottom cut along ``axis``, at each ``slice_point`` or into equal parts.  (n, c, ...) -> (n, c1, ...), ..."""

    tops = Arity(1, None)

    def setup(self, config: Any) -> None:
        param = config.slice_param
        both = param.HasField("axis") and param.HasField("slice_dim")
        self.check(not both, "has axis and slice_dim", "give axis only")
        self.cut_axis: int = param.slice_dim if param.HasField("slice_dim") else param.axis
        self.points = tuple(param.slice_point)
        tops = len(config.top)
        self.check(
            len(self.points) in (0, tops - 1),
            f"slice_point is given {len(self.points)} times for {tops} tops",
            f"give it {tops - 1} times or never",
        )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, tops = bottoms[0], len(self.config.top)
        axis = self.axis(self.cut_axis, len(shape))
        size = shape[axis]
        if not self.points:
            self.check_shape(size % tops == 0, f"axis {axis} of {shape} in {tops} parts", "give slice_points")
        edges = [0, *(self.points or range(size // tops, size, max(1, size // tops))), size]
        self.check_shape(
            not self.points or all(a < b for a, b in itertools.pairwise(edges)),
            f"slice_points {self.points} of axis {axis} of {shape}",
            f"give growing numbers between 0 and {size}",
        )
        sizes = [b - a for a, b in itertools.pairwise(edges)] if size else [0] * tops
        return [(*shape[:axis], part, *shape[axis + 1 :]) for part in sizes]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = self.axis(self.cut_axis, len(bottom[0].shape))
        start = 0
        for y in top:
            engine.crop(bottom[0].data_tensor, y.data_tensor, at_axis(start, axis, len(y.shape)))
            start += y.shape[axis]

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            axis = self.axis(self.cut_axis, len(bottom[0].shape))
            engine.concatenate([y.diff_tensor for y in top], bottom[0].diff_tensor, axis)


@layer("Crop")
class Crop(Layer):
    """The part of the first bottom, as large as the second from ``axis`` on, that begins at ``offset``."""

    bottoms = exactly(2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, like = bottoms
        axis = self.axis(self.config.crop_param.axis, len(shape))
        self.check_shape(len(like) == len(shape), f"bottoms {shape} and {like}", "give as many axes")
        for i, (start, size) in enumerate(zip(self.offsets(shape), like, strict=True)):
            self.check_shape(
                i < axis or start + size <= shape[i],
                f"crop of {size} at offset {start} from axis {i} of {shape}",
                "crop less",
            )
        return [shape[:axis] + like[axis:]]

    def offsets(self, shape: Shape) -> Shape:
        """Where the part begins, axis by axis."""
        axis, given = self.axis(self.config.crop_param.axis, len(shape)), tuple(self.config.crop_param.offset)
        cropped = len(shape) - axis
        self.check(
            len(given) in (0, 1, cropped),
            f"offset is given {len(given)} times for {cropped} axes",
            "give it once, or once per axis",
        )
        return (0,) * axis + (given if len(given) == cropped else (given or (0,)) * cropped)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.crop(bottom[0].data_tensor, top[0].data_tensor, self.offsets(bottom[0].shape))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            engine.crop_grad(top[0].diff_tensor, bottom[0].diff_tensor, self.offsets(bottom[0].shape))
        if needs[1]:  # only its shape counts
            engine.fill(bottom[1].diff_tensor, 0.0)


@layer("Tile")
class Tile(Layer):
    """The bottom repeated ``tiles`` times along ``axis``.  (n, c, ...) -> (n, tiles c, ...)"""

    def setup(self, config: Any) -> None:
        self.tiles: int = config.tile_param.tiles
        self.check(self.tiles > 0, f"tiles: {self.tiles}", "give 1 or more")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = list(bottoms[0])
        shape[self.axis(self.config.tile_param.axis, len(shape))] *= self.tiles
        return [tuple(shape)]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = self.axis(self.config.tile_param.axis, len(bottom[0].shape))
        engine.tile(bottom[0].data_tensor, top[0].data_tensor, axis, self.tiles)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            axis = self.axis(self.config.tile_param.axis, len(bottom[0].shape))
            engine.tile_grad(top[0].diff_tensor, bottom[0].diff_tensor, axis, self.tiles)


def at_axis(start: int, axis: int, axes: int) -> Shape:
    """Offsets that are 0 but for one axis."""
    return tuple(start if i == axis else 0 for i in range(axes))
