"""Convolution: windows unrolled into columns (im2col), and matrix products, for as many images at a time as fit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from caffe_sdk.engine.cuda.affine import CudaSums
from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, convolved
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.structures import windows
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.reference.convolution import Convolution
from caffe_sdk.memory import Shape, Tensor


@dataclass(frozen=True)
class Sizes:
    """A convolution in numbers: images, groups, and of each group output channels, rows of columns, and places."""

    images: int
    groups: int
    channels: int
    outputs: int
    rows: int
    places: int
    area: int
    direct: bool
    """Whether the columns are the image itself: windows of one value, next to each other."""
    real: Format
    """What values are stored in."""

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return self.real.nbytes

    @property
    def image(self) -> int:
        """Values of an image."""
        return self.groups * self.channels * self.area

    @property
    def columns(self) -> int:
        """Values of an image's columns."""
        return self.groups * self.rows * self.places

    @property
    def result(self) -> int:
        """Values of an output image."""
        return self.groups * self.outputs * self.places


def sizes_of(x: Shape, outputs: int, geometry: ConvolutionGeometry, real: Format = FLOAT32) -> Sizes:
    """The numbers of a convolution of x (*batch, c, *spatial) to so many channels."""
    axis, spatial = geometry.axis, x[geometry.axis + 1 :]
    channels, group = x[axis] // geometry.group, geometry.group
    one = all(k == 1 for k in geometry.kernel) and all(s == 1 for s in geometry.stride) and not any(geometry.pad)
    places = math.prod(geometry.output_size(spatial))
    rows = channels * math.prod(geometry.kernel)
    return Sizes(math.prod(x[:axis]), group, channels, outputs // group, rows, places, math.prod(spatial), one, real)


class CudaConvolution(CudaSums, Convolution):
    """Images are independent; their columns take at most ``workspace`` bytes at a time, but those of one image."""

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, geometry: ConvolutionGeometry
    ) -> None:
        """y[o, p] = bias[o] + sum over c and k of weight[o, c, k] x[c, stride p + dilation k - pad]."""
        self._convolve(x, weight, bias, y, geometry, None)

    def rectified_convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        y: Tensor,
        geometry: ConvolutionGeometry,
        negative_slope: float,
    ) -> None:
        """The same, and through a ReLU of this slope."""
        self._convolve(x, weight, bias, y, geometry, negative_slope)

    def _convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        y: Tensor,
        geometry: ConvolutionGeometry,
        negative_slope: float | None,
    ) -> None:
        image, matrix, offsets, result = self.source(x), self.source(weight), self.source(bias), self.target(y)
        shape = convolved(x.shape, weight.shape[0], geometry, TYPES[self.now.real])
        dnn, rectified = self.device.dnn, negative_slope is not None
        if offsets and not negative_slope:
            added = self._as_values(offsets, weight.shape[0])
            if dnn.biased(shape, image, matrix, added, result, rectified, self._room):
                return
        s = sizes_of(x.shape, weight.shape[0], geometry, self.now.real)
        if not dnn.forward(shape, image, matrix, result, self._room):
            self._unrolled(x.shape, image, matrix, result, s, geometry)
        if offsets or rectified:
            channels = s.groups * s.outputs
            self.launch("add_bias", y.count, offsets, result, channels, s.places, rectified, negative_slope or 0.0)

    def _unrolled(
        self, x: Shape, image: int, matrix: int, result: int, s: Sizes, geometry: ConvolutionGeometry
    ) -> None:
        """The convolution as products of matrices."""
        for first, count in self._shares(s):
            columns = self._columns(x, image + first * s.image * s.size, count, s, geometry)
            self._per_group(s, count, s.outputs, s.places, s.rows, matrix, columns, result + first * s.result * s.size)

    def convolution_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the transpose of the convolution applied to dy."""
        s = sizes_of(dx.shape, weight.shape[0], geometry, self.now.real)
        gradient, matrix, result = self.source(dy), self.source(weight), self.target(dx)
        shape = convolved(dx.shape, weight.shape[0], geometry, TYPES[self.now.real])
        if self.device.dnn.grad_data(shape, matrix, gradient, result, self._room):
            return
        for first, count in self._shares(s):
            to = result + first * s.image * s.size
            columns = to if s.direct else self.scratch("columns", count * s.columns, s.real)
            given = gradient + first * s.result * s.size
            self._per_group(s, count, s.rows, s.places, s.outputs, matrix, given, columns, transposed=True)
            if not s.direct:
                self._roll(dx.shape, columns, to, count * s.image, geometry)

    def convolution_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, geometry: ConvolutionGeometry
    ) -> None:
        """dweight[o, c, k] += sum over n and p of dy[o, p] x[c, p, k];  dbias[o] += sum over n and p of dy[o, p]."""
        s = sizes_of(x.shape, dy.shape[geometry.axis], geometry, self.now.real)
        image, gradient = self.source(x), self.source(dy)
        if dweight is not None:
            self._grad_weight(x.shape, image, gradient, dweight, s, geometry)
        if dbias is not None:
            self.add_channel_sums(gradient, 0, dbias, s.images, s.places)

    def im2col(self, x: Tensor, y: Tensor, geometry: ConvolutionGeometry) -> None:
        """y (*batch, c k, *out) = every window of x (*batch, c, *spatial) as a column."""
        s = sizes_of(x.shape, geometry.group, geometry)
        self._unroll(x.shape, self.source(x), self.target(y), s.images, s.columns, s.places, geometry)

    def col2im(self, dy: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the sum of all window values that came from a place."""
        self._roll(dx.shape, self.source(dy), self.target(dx), dx.count, geometry)

    # -- by cuDNN or by products ---------------------------------------------------------------------------------------

    def _as_values(self, bias: int, count: int) -> int:
        """The address of a bias stored as values are, which is how cuDNN takes it."""
        if self.now.real == FLOAT32 or not self.device.dnn.there:
            return bias
        narrow = self.scratch("bias", count, self.now.real)
        self.launch("narrowed", count, bias, narrow, 1.0)
        return narrow

    def _grad_weight(
        self, x: Shape, image: int, gradient: int, dweight: Tensor, s: Sizes, geometry: ConvolutionGeometry
    ) -> None:
        """Add to dweight. cuDNN stores what it adds up as values are stored, our own products add to floats."""
        result, dnn, real = self.both(dweight), self.device.dnn, self.now.real
        shape, to = convolved(x, s.groups * s.outputs, geometry, TYPES[real]), result
        if real != FLOAT32 and dnn.there:
            to = self.scratch("narrow filter", dweight.count, real)
            self.device.clear(to, dweight.count * real.nbytes)
        if dnn.grad_weight(shape, image, gradient, to, self._room):
            if to != result:
                self.launch("added", dweight.count, to, result, self.true)
            return
        for first, count in self._shares(s):
            at, given = image + first * s.image * s.size, gradient + first * s.result * s.size
            self._add_weight_gradient(x, at, given, result, count, s, geometry)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _room(self, use: str, nbytes: int) -> int:
        return self.scratch(use, -(-nbytes // FLOAT32.nbytes))

    def _shares(self, s: Sizes) -> Iterator[tuple[int, int]]:
        """The first image and the number of images whose columns there is room for."""
        most = s.images if s.direct else max(1, self.workspace // max(1, s.columns * s.size))
        for first in range(0, s.images, max(1, most)):
            yield first, min(most, s.images - first)

    def _columns(self, x: Shape, image: int, count: int, s: Sizes, geometry: ConvolutionGeometry) -> int:
        """The columns of some images, one image's after the other's."""
        if s.direct:
            return image
        columns = self.scratch("columns", count * s.columns, s.real)
        self._unroll(x, image, columns, count, s.columns, s.places, geometry)
        return columns

    def _unroll(
        self, x: Shape, image: int, to: int, count: int, image_step: int, row_step: int, geometry: ConvolutionGeometry
    ) -> None:
        seen = windows(x[geometry.axis], x[geometry.axis + 1 :], geometry)
        values = count * seen.channels * seen.taps * seen.places
        self.launch("im2col", values, image, to, seen, image_step, row_step)

    def _roll(self, x: Shape, columns: int, image: int, values: int, geometry: ConvolutionGeometry) -> None:
        seen = windows(x[geometry.axis], x[geometry.axis + 1 :], geometry)
        self.launch("col2im", values, columns, image, seen)

    def _per_group(
        self, s: Sizes, count: int, m: int, n: int, k: int, matrix: int, given: int, to: int, transposed: bool = False
    ) -> None:
        """For every image and group: to (m, n) = the group's matrix (m, k), or its transpose, times given (k, n).

        One launch for every image or for every group, whichever are fewer.
        """
        for i in range(min(count, s.groups)):
            by_group = s.groups <= count
            group, image = (i, 0) if by_group else (0, i)
            a = matrix + group * m * k * s.size
            b = given + (image * s.groups + group) * k * n * s.size
            c = to + (image * s.groups + group) * m * n * s.size
            batch, step = (count, s.groups) if by_group else (s.groups, 1)
            a_step = 0 if by_group else m * k
            steps = a_step, step * k * n, step * m * n
            how = transposed, False, 0.0, batch, *steps, 1.0, s.real, s.real
            self.multiply(Product(m, n, k, a, b, c, *how))

    def _add_weight_gradient(
        self, x: Shape, image: int, given: int, to: int, count: int, s: Sizes, geometry: ConvolutionGeometry
    ) -> None:
        """Add the product of dy (g, o, n p) and the columns (g, c k, n p), gathered over some images."""
        columns = self.scratch("columns", count * s.columns, s.real)
        self._unroll(x, image, columns, count, s.places, count * s.places, geometry)
        gradient = given
        if count > 1:
            gradient = self.scratch("gradient", count * s.result, s.real)
            channels = s.groups * s.outputs
            self.launch("gather_images", count * s.result, given, gradient, count, channels, s.places)
        span = count * s.places
        steps = s.outputs * span, s.rows * span, s.outputs * s.rows
        how = False, True, 1.0, s.groups, *steps, self.true, s.real
        self.multiply(Product(s.outputs, s.rows, span, gradient, columns, to, *how))
