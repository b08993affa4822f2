"""Convolution as products of matrices (BLAS) with windows unrolled by loops, piece by piece.

A piece is rows of windows of one image, or of several whole ones. Its columns are few enough to stay near, and enough
that what they are multiplied with need not be fetched and packed too often.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.portable.winograd import Filtering, TransformedFilters, convolve, gradient
from caffe_sdk.engine.reference.convolution import Convolution
from caffe_sdk.memory import Array, Shape, Tensor

Index = tuple[Any, ...]

PIECE = 1 << 20
"""Numbers in the columns of a piece, unless a single row of windows has more."""
PLACES = 128
"""Of an image, from which on a pointwise convolution multiplies it as it is, instead of gathering several images."""


class FastConvolution(Convolution):
    """Over one or two spatial axes; more are left to the reference."""

    @quiet
    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, geometry: ConvolutionGeometry
    ) -> None:
        """y[o, p] = bias[o] + sum over c and k of weight[o, c, k] x[c, stride p + dilation k - pad]."""
        if not (usable(x, weight, y) and len(geometry.kernel) <= 2 and apart(y, x)):
            super().convolution(x, weight, bias, y, geometry)
            return
        filtering = Filtering.of(x.shape, y.shape, geometry)
        if filtering and filtering.pays():
            self._filter(filtering, x, weight, bias, y)
            return
        cut = Cut.of(x.shape, y.shape, geometry)
        weights, values = self.read(weight).reshape(cut.weight), self.read(x).reshape(cut.x)
        shift = self.read(bias) if bias is not None else np.zeros(cut.y[1], np.float32)
        result = self.write(y).reshape(cut.y)
        if cut.is_product:
            np.matmul(weights, cut.places(values), out=cut.places(result))
            result += shift[:, None, None]
            return
        for images in cut.images():
            image = cut.padded(values[images])
            for rows in cut.rows(len(image)):
                for g, matrix in enumerate(weights):
                    cut.scatter(matrix @ cut.columns(image, g, rows), shift, result[images], g, rows)

    @quiet
    def convolution_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the transpose of the convolution applied to dy."""
        if not (usable(dy, weight, dx) and len(geometry.kernel) <= 2 and apart(dx, dy)):
            super().convolution_grad_data(dy, weight, dx, geometry)
            return
        filtering = Filtering.of(dx.shape, dy.shape, geometry)
        back = filtering.turned() if filtering else None
        if back and back.pays(gradient=True):
            self._filter(back, dy, weight, None, dx, turned=True)
            return
        cut = Cut.of(dx.shape, dy.shape, geometry)
        weights, slopes = self.read(weight).reshape(cut.weight), self.read(dy).reshape(cut.y)
        result = self.write(dx).reshape(cut.x)
        if cut.is_product:
            np.matmul(weights.swapaxes(1, 2), cut.places(slopes), out=cut.places(result))
            return
        for images in cut.images():
            image = cut.blank(len(result[images]))
            for rows in cut.rows(len(image)):
                for g, matrix in enumerate(weights):
                    cut.add(matrix.T @ cut.gathered(slopes[images], g, rows), image, g, rows)
            cut.unpad(image, result[images])

    @quiet
    def convolution_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, geometry: ConvolutionGeometry
    ) -> None:
        """dweight[o, c, k] += sum over n and p of dy[o, p] x[c, p, k];  dbias[o] += sum over n and p of dy[o, p]."""
        if not (usable(x, dy) and len(geometry.kernel) <= 2):
            super().convolution_grad_weight(x, dy, dweight, dbias, geometry)
            return
        filtering = Filtering.of(x.shape, dy.shape, geometry)
        cut = Cut.of(x.shape, dy.shape, geometry)
        values, slopes = self.read(x).reshape(cut.x), self.read(dy).reshape(cut.y)
        if dweight is not None and filtering and filtering.pays(gradient=True):
            gradient(filtering, values, slopes, self.update(dweight), self.update(dbias) if dbias is not None else None)
            return
        if dweight is not None and cut.is_product:
            total = self.update(dweight).reshape(cut.weight)
            for image, slope in zip(cut.places(values), cut.places(slopes), strict=True):
                total += slope @ image.swapaxes(1, 2)
        elif dweight is not None:
            total = self.update(dweight).reshape(cut.weight)
            for images in cut.images():
                image = cut.padded(values[images])
                for rows in cut.rows(len(image)):
                    for g in range(cut.group):
                        total[g] += cut.gathered(slopes[images], g, rows) @ cut.columns(image, g, rows).T
        if dbias is not None:
            self.update(dbias)[...] += slopes.sum(axis=(2, 3)).sum(axis=0)

    def _filter(
        self, f: Filtering, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, turned: bool = False
    ) -> None:
        filters = weight.memory.read(TransformedFilters.of(f, weight.shape, turned))
        values, shift = self.read(x), self.read(bias) if bias is not None else None
        places = f.problem.y
        convolve(f, values.reshape(places[0], -1, *x.shape[-2:]), filters, shift, self.write(y).reshape(places))


@dataclass(frozen=True)
class Cut:
    """A convolution of x (n, c, h, w) to y, and how it is cut into pieces.

    A piece's rows are (first, count), counted through the images that are worked on at once.
    """

    x: Shape
    y: Shape
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    group: int

    @staticmethod
    def of(x: Shape, y: Shape, geometry: ConvolutionGeometry) -> Cut:
        """The cut of a convolution; a single spatial axis is the second of two."""
        axis, group = geometry.axis, geometry.group
        batch = math.prod(x[:axis])
        kernel, stride, pad, dilation = geometry.kernel, geometry.stride, geometry.pad, geometry.dilation
        if len(kernel) == 1:
            x, y = (*x[: axis + 1], 1, x[-1]), (*y[: axis + 1], 1, y[-1])
            kernel, stride, pad, dilation = (1, *kernel), (1, *stride), (0, *pad), (1, *dilation)
        return Cut((batch, *x[axis:]), (batch, *y[axis:]), kernel, stride, pad, dilation, group)

    @property
    def weight(self) -> Shape:
        """Group, output channels of a group, and how many values they see at once."""
        return self.group, self.y[1] // self.group, self.x[1] // self.group * math.prod(self.kernel)

    @property
    def is_product(self) -> bool:
        """Whether windows are single places, and images large enough to be multiplied one by one."""
        alone = math.prod(self.kernel) == math.prod(self.stride) == 1 and not any(self.pad)
        return alone and math.prod(self.y[2:]) >= PLACES

    def places(self, x: Array) -> Array:
        """Images as (n, groups, channels of a group, places)."""
        return x.reshape(len(x), self.group, x.shape[1] // self.group, -1)

    def images(self) -> Iterator[slice]:
        """The images that are worked on at once."""
        count = max(1, PIECE // (self.weight[2] * math.prod(self.y[2:])))
        return (slice(start, start + count) for start in range(0, self.x[0], count))

    def rows(self, images: int) -> Iterator[tuple[int, int]]:
        """The pieces of so many images."""
        height, width = self.y[2:]
        count = max(1, PIECE // (self.weight[2] * width))
        every = images * height
        return ((first, min(count, every - first)) for first in range(0, every, count))

    # -- images with their padding, as `loops.windows` has them --------------------------------------------------------

    def blank(self, images: int) -> Array:
        """Zeros."""
        (_, channels, height, width), (top, left) = self.x, self.pad
        parts = -(-(width + 2 * left) // self.stride[1])
        return np.zeros((images, channels, height + 2 * top, self.stride[1], parts), np.float32)

    def padded(self, x: Array) -> Array:
        """Images with zeros around them."""
        image = self.blank(len(x))
        for inside, outside in self._parts():
            image[inside] = x[outside]
        return image

    def unpad(self, image: Array, x: Array) -> None:
        """x = what is inside the padding."""
        for inside, outside in self._parts():
            x[outside] = image[inside]

    def _parts(self) -> Iterator[tuple[Index, Index]]:
        """Where the parts of rows are in images with their padding, and where in x."""
        (height, width), (top, left), step = self.x[2:], self.pad, self.stride[1]
        for part in range(step):
            start = (part - left) % step
            count = len(range(start, width, step))
            at = (start + left) // step
            yield (..., slice(top, top + height), part, slice(at, at + count)), (..., slice(start, None, step))

    # -- pieces as matrices --------------------------------------------------------------------------------------------

    def columns(self, image: Array, g: int, rows: tuple[int, int]) -> Array:
        """What windows of a group see, (values, windows)."""
        from caffe_sdk.engine.portable.loops.windows import unroll

        first, count = rows
        channels, width = self.x[1] // self.group, self.y[3]
        columns = np.empty((channels, *self.kernel, count, width), np.float32)
        start = g * channels
        shared(lambda i, j: unroll(image, start + i, first, columns[i:j], self._steps), channels, columns.size)
        return columns.reshape(-1, count * width)

    def add(self, columns: Array, image: Array, g: int, rows: tuple[int, int]) -> None:
        """Add columns to where they came from."""
        from caffe_sdk.engine.portable.loops.windows import roll

        first, count = rows
        channels, width = self.x[1] // self.group, self.y[3]
        start, parts = g * channels, columns.reshape(channels, *self.kernel, count, width)
        shared(lambda i, j: roll(parts[i:j], image, start + i, first, self._steps), channels, columns.size)

    def scatter(self, matrix: Array, bias: Array, y: Array, g: int, rows: tuple[int, int]) -> None:
        """Rows of y = a matrix (channels of a group, windows) + bias."""
        from caffe_sdk.engine.portable.loops.windows import scatter

        start = g * len(matrix)
        added, places = bias[start : start + len(matrix)], y.reshape(*y.shape[:2], -1)
        shared(
            lambda i, j: scatter(matrix[i:j], added[i:j], places, start + i, rows[0] * self.y[3]),
            len(matrix),
            matrix.size,
        )

    def gathered(self, y: Array, g: int, rows: tuple[int, int]) -> Array:
        """Rows of y as a matrix (channels of a group, windows)."""
        from caffe_sdk.engine.portable.loops.windows import gather

        first, count = rows
        channels, width = self.y[1] // self.group, self.y[3]
        matrix = np.empty((channels, count * width), np.float32)
        start, places = g * channels, y.reshape(*y.shape[:2], -1)
        shared(lambda i, j: gather(places, start + i, first * width, matrix[i:j]), channels, matrix.size)
        return matrix

    @property
    def _steps(self) -> tuple[int, int, int, int]:
        down, across = self.dilation
        return self.stride[0], down, across, self.y[2]
