"""Values that only go elsewhere: joined, cut, repeated, unrolled, looked up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import operation
from caffe_sdk.engine.reference.convolution import rolled, unrolled
from caffe_sdk.errors import DataError
from caffe_sdk.memory import Array, Shape, Tensor


class Movement(EngineBase):
    """Shapes are alike but for the axes an operation names."""

    @operation(writes="y")
    def concatenate(self, xs: Sequence[Tensor], y: Tensor, axis: int) -> None:
        """y = the xs, one after the other along an axis."""
        result = np.concatenate([self.read(x) for x in xs], axis)
        self.write(y)[...] = result

    @operation(writes="y")
    def crop(self, x: Tensor, y: Tensor, offsets: Shape) -> None:
        """y = the part of x, as large as y, that begins at ``offsets``, one for each axis."""
        values = self.read(x)
        self.write(y)[...] = values[_part(y.shape, offsets)]

    @operation(writes="dx")
    def crop_grad(self, dy: Tensor, dx: Tensor, offsets: Shape) -> None:
        """dx = dy at its part, 0 around it."""
        gradient = self.read(dy)
        result = self.write(dx)
        result[...] = 0
        result[_part(dy.shape, offsets)] = gradient

    @operation(writes="y")
    def tile(self, x: Tensor, y: Tensor, axis: int, tiles: int) -> None:
        """y = x, repeated along an axis."""
        result = np.concatenate([self.read(x)] * tiles, axis)
        self.write(y)[...] = result

    @operation(writes="dx")
    def tile_grad(self, dy: Tensor, dx: Tensor, axis: int, tiles: int) -> None:
        """dx = the sum of the repeats' gradients."""
        gradient, shape = self.read(dy), dx.shape
        repeats = gradient.reshape(*shape[:axis], tiles, *shape[axis:])
        self.write(dx)[...] = repeats.sum(axis=axis)

    @operation(writes="y")
    def im2col(self, x: Tensor, y: Tensor, geometry: ConvolutionGeometry) -> None:
        """y (*batch, c k, *out) = every window of x (*batch, c, *spatial) as a column."""
        columns = unrolled(self.read(x), geometry)
        self.write(y)[...] = columns.reshape(y.shape)

    @operation(writes="dx")
    def col2im(self, dy: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the sum of all window values that came from a place."""
        result = rolled(self.read(dy), dx.shape, geometry)
        self.write(dx)[...] = result

    @operation(writes="y")
    def embed(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor) -> None:
        """y (*indices, n) = weight[x] + bias; x (*indices), weight (rows, n), bias (n,). DataError for no row."""
        result = self.read(weight)[_rows(self.read(x), weight.shape[0])]
        if bias is not None:
            result = result + self.read(bias)
        self.write(y)[...] = result.reshape(y.shape)

    @operation(updates="dweight")
    def embed_grad(self, x: Tensor, dy: Tensor, dweight: Tensor) -> None:
        """dweight[x] += dy."""
        rows = _rows(self.read(x), dweight.shape[0]).reshape(-1)
        gradient = self.read(dy).reshape(len(rows), dweight.shape[1])
        np.add.at(self.update(dweight), rows, gradient)


def _part(shape: Shape, offsets: Shape) -> tuple[slice, ...]:
    """The index of a part of ``shape`` that begins at ``offsets``."""
    return tuple(slice(start, start + size) for start, size in zip(offsets, shape, strict=True))


def _rows(x: Array, count: int) -> Array:
    """Values as row numbers."""
    wrong = ~((x >= 0) & (x < count))
    if wrong.any():
        raise DataError("index", f"{x[wrong][0]:g} is not one of {count} rows", f"give 0 to {count - 1}")
    return x.astype(np.intp)
