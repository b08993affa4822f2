"""Convolution: windows unrolled into columns (im2col), and matrix products, for as many images at a time as fit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from caffe_sdk.engine.cuda.affine import CudaSums
from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, Convolved, Layout, convolved
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.layout import last, moved
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


@dataclass(frozen=True)
class End:
    """What is done to what was convolved: addresses of a bias and of a residual, 0 for none, and a ReLU's slope."""

    bias: int
    residual: int
    negative_slope: float | None

    @property
    def rectified(self) -> bool:
        """Whether there is a ReLU."""
        return self.negative_slope is not None


class CudaConvolution(CudaSums, Convolution):
    """Images are independent; their columns take at most ``workspace`` bytes at a time, but those of one image."""

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, geometry: ConvolutionGeometry
    ) -> None:
        """y[o, p] = bias[o] + sum over c and k of weight[o, c, k] x[c, stride p + dilation k - pad]."""
        self.finished_convolution(x, weight, bias, y, geometry)

    def finished_convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        y: Tensor,
        geometry: ConvolutionGeometry,
        negative_slope: float | None = None,
        residual: Tensor | None = None,
    ) -> None:
        """The same, and a residual, which is not where y is, added, and through a ReLU of this slope."""
        image, matrix, offsets, other = map(self.source, (x, weight, bias, residual))
        result, end = self.target(y), End(offsets, other, negative_slope)
        shape = self._convolved(x.shape, weight.shape[0], geometry)
        if self._by_cudnn(shape, image, matrix, result, end):
            return
        if shape.layout is Layout.NHWC:
            image, matrix = self._copied("x", image, x.shape), self._copied("weight", matrix, weight.shape)
            shape, to = replace(shape, layout=Layout.NCHW), self.scratch("y", y.count, self.now.real)
            if not self.device.dnn.forward(shape, image, matrix, to, self._room):
                self._unrolled(x.shape, image, matrix, to, self._sizes(x.shape, weight.shape[0], geometry), geometry)
            self._copy_back(to, result, y.shape)
        else:
            self._unrolled(x.shape, image, matrix, result, self._sizes(x.shape, weight.shape[0], geometry), geometry)
        self._finish(shape, result, end)

    def _by_cudnn(self, shape: Convolved, image: int, matrix: int, result: int, end: End) -> bool:
        """Whether cuDNN convolved, as values lie."""
        dnn = self.device.dnn
        if end.bias and not end.negative_slope:
            added = self._as_values(end.bias, shape.w[0]), end.residual
            if dnn.biased(shape, image, matrix, added, result, end.rectified, self._room):
                return True
        if not dnn.forward(shape, image, matrix, result, self._room):
            return False
        self._finish(shape, result, end)
        return True

    def _finish(self, shape: Convolved, result: int, end: End) -> None:
        """Add a bias, a residual, and the ReLU."""
        if end.bias or end.residual or end.rectified:
            _, channels, inner = self.around(shape.y, 1)
            numbers = channels, inner, end.rectified, end.negative_slope or 0.0
            self.launch("add_bias", math.prod(shape.y), end.bias, end.residual, result, *numbers)

    def _unrolled(
        self, x: Shape, image: int, matrix: int, result: int, s: Sizes, geometry: ConvolutionGeometry
    ) -> None:
        """The convolution as products of matrices."""
        for first, count in self._shares(s):
            columns = self._columns(x, image + first * s.image * s.size, count, s, geometry)
            self._per_group(s, count, s.outputs, s.places, s.rows, matrix, columns, result + first * s.result * s.size)

    def convolution_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the transpose of the convolution applied to dy."""
        gradient, matrix, result = self.source(dy), self.source(weight), self.target(dx)
        shape, dnn = self._convolved(dx.shape, weight.shape[0], geometry), self.device.dnn
        if dnn.grad_data(shape, matrix, gradient, result, self._room):
            return
        s = self._sizes(dx.shape, weight.shape[0], geometry)
        if shape.layout is Layout.NCHW:
            self._rolled(dx.shape, matrix, gradient, result, s, geometry)
            return
        gradient, matrix = self._copied("y", gradient, dy.shape), self._copied("weight", matrix, weight.shape)
        shape, to = replace(shape, layout=Layout.NCHW), self.scratch("x", dx.count, self.now.real)
        if not dnn.grad_data(shape, matrix, gradient, to, self._room):
            self._rolled(dx.shape, matrix, gradient, to, s, geometry)
        self._copy_back(to, result, dx.shape)

    def _rolled(
        self, x: Shape, matrix: int, gradient: int, result: int, s: Sizes, geometry: ConvolutionGeometry
    ) -> None:
        """The gradient of x by products of matrices."""
        for first, count in self._shares(s):
            to = result + first * s.image * s.size
            columns = to if s.direct else self.scratch("columns", count * s.columns, s.real)
            given = gradient + first * s.result * s.size
            self._per_group(s, count, s.rows, s.places, s.outputs, matrix, given, columns, transposed=True)
            if not s.direct:
                self._roll(x, columns, to, count * s.image, geometry)

    def convolution_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, geometry: ConvolutionGeometry
    ) -> None:
        """dweight[o, c, k] += sum over n and p of dy[o, p] x[c, p, k];  dbias[o] += sum over n and p of dy[o, p]."""
        image, gradient = self.source(x), self.source(dy)
        if dweight is not None:
            self._grad_weight(x, dy, dweight, image, gradient, geometry)
        if dbias is not None:
            outer, _, inner = self.around(dy.shape, geometry.axis)
            self.add_channel_sums(gradient, 0, dbias, outer, inner)

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
        self, x: Tensor, dy: Tensor, dweight: Tensor, image: int, gradient: int, geometry: ConvolutionGeometry
    ) -> None:
        """Add to dweight."""
        result, outputs = self.both(dweight), dy.shape[geometry.axis]
        shape = self._convolved(x.shape, outputs, geometry)
        if self._added_by_cudnn(shape, image, gradient, result):
            return
        if shape.layout is Layout.NHWC:
            image, gradient = self._copied("x", image, x.shape), self._copied("y", gradient, dy.shape)
            if self._added_by_cudnn(replace(shape, layout=Layout.NCHW), image, gradient, result):
                return
        s = self._sizes(x.shape, outputs, geometry)
        for first, count in self._shares(s):
            at, given = image + first * s.image * s.size, gradient + first * s.result * s.size
            self._add_weight_gradient(x.shape, at, given, result, count, s, geometry)

    def _added_by_cudnn(self, shape: Convolved, image: int, gradient: int, result: int) -> bool:
        """Whether cuDNN computed what is to be added to a gradient. It stores it as values are stored."""
        dnn, real, count = self.device.dnn, self.now.real, math.prod(shape.w)
        if real == FLOAT32 or not dnn.there:
            return dnn.grad_weight(shape, image, gradient, result, self._room)
        narrow = self.scratch("narrow filter", count, real)
        self.device.clear(narrow, count * real.nbytes)
        if not dnn.grad_weight(shape, image, gradient, narrow, self._room):
            return False
        order = last(shape.w) if shape.layout is Layout.NHWC else None
        moved(self.device, "added", real, count, (narrow, result), (order, None), self.true)
        return True

    # -- channels last, where nobody convolves so ----------------------------------------------------------------------

    def _copied(self, use: str, address: int, shape: Shape) -> int:
        """The address of a copy in Caffe's order."""
        real, count, order = self.now.real, math.prod(shape), last(shape)
        if order is None:
            return address
        copy = self.scratch(use, count, real)
        moved(self.device, "rescaled", real, count, (address, copy), (order, None), 1.0)
        return copy

    def _copy_back(self, copy: int, address: int, shape: Shape) -> None:
        """Have values lie as they should."""
        real, count = self.now.real, math.prod(shape)
        moved(self.device, "rescaled", real, count, (copy, address), (None, last(shape)), 1.0)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _convolved(self, x: Shape, outputs: int, geometry: ConvolutionGeometry) -> Convolved:
        """What is to be convolved, as values are stored and lie now."""
        layout = Layout.NHWC if self.now.last else Layout.NCHW
        return convolved(x, outputs, geometry, TYPES[self.now.real], layout)

    def _sizes(self, x: Shape, outputs: int, geometry: ConvolutionGeometry) -> Sizes:
        return sizes_of(x, outputs, geometry, self.now.real)

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
