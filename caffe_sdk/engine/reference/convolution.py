"""Convolution as a matrix product with unrolled windows (im2col), over any number of spatial axes."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import operation
from caffe_sdk.engine.reference.windows import add_windows, inner, padded, windows
from caffe_sdk.memory import Array, Shape, Tensor


class Convolution(EngineBase):
    """Shapes: x (*batch, c, *spatial), weight (out, c / group, *kernel), bias (out,), y (*batch, out, *out_spatial).

    Inside, n is the whole batch, g the group, c and o the channels within a group, k the values of a window in one
    channel and p the places of the output.
    """

    @operation(writes="y")
    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, geometry: ConvolutionGeometry
    ) -> None:
        """y[o, p] = bias[o] + sum over c and k of weight[o, c, k] x[c, stride p + dilation k - pad]."""
        values = _grouped_weight(self.read(weight), geometry) @ unrolled(self.read(x), geometry)
        n, g, o, p = values.shape
        values = values.reshape(n, g * o, p)
        if bias is not None:
            values += self.read(bias).reshape(-1, 1)
        self.write(y)[...] = values.reshape(y.shape)

    @operation(writes="dx")
    def convolution_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, geometry: ConvolutionGeometry) -> None:
        """dx = the transpose of the convolution applied to dy."""
        columns = _grouped_weight(self.read(weight), geometry).swapaxes(-1, -2) @ _grouped(self.read(dy), geometry)
        gathered = rolled(columns, dx.shape, geometry)
        self.write(dx)[...] = gathered

    @operation(updates="dweight dbias")
    def convolution_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, geometry: ConvolutionGeometry
    ) -> None:
        """dweight[o, c, k] += sum over n and p of dy[o, p] x[c, p, k];  dbias[o] += sum over n and p of dy[o, p]."""
        gradient = _grouped(self.read(dy), geometry)
        if dweight is not None:
            columns = unrolled(self.read(x), geometry)
            product = _gathered(gradient) @ _gathered(columns).swapaxes(-1, -2)
            self.update(dweight)[...] += product.reshape(dweight.shape)
        if dbias is not None:
            self.update(dbias)[...] += gradient.sum(axis=(0, 3)).reshape(dbias.shape)


def unrolled(x: Array, geometry: ConvolutionGeometry) -> Array:
    """Caffe's im2col: (n, g, c k, p), every window of x as a column."""
    batch, channels, spatial = _split(x.shape, geometry)
    group, kernel, out = geometry.group, geometry.kernel, geometry.output_size(spatial)
    grouped = x.reshape(batch, group, channels // group, *spatial)
    image = padded(grouped, geometry.pad, _padded_size(spatial, geometry), 0)
    seen = windows(image, kernel, geometry.stride, geometry.dilation, out)
    return seen.reshape(batch, group, channels // group * math.prod(kernel), math.prod(out))


def rolled(columns: Array, shape: Shape, geometry: ConvolutionGeometry) -> Array:
    """Caffe's col2im: an array of ``shape`` where every place has the sum of the window values that came from it."""
    batch, channels, spatial = _split(shape, geometry)
    group, kernel, out = geometry.group, geometry.kernel, geometry.output_size(spatial)
    lead = (batch, group, channels // group)
    image = np.zeros(lead + _padded_size(spatial, geometry), columns.dtype)
    add_windows(columns.reshape(*lead, *kernel, *out), image, kernel, geometry.stride, geometry.dilation, out)
    unpadded: Array = image[inner(spatial, geometry.pad)]
    return unpadded.reshape(shape)


def _split(shape: Shape, geometry: ConvolutionGeometry) -> tuple[int, int, Shape]:
    """Batch, channels and spatial sizes of a shape."""
    return math.prod(shape[: geometry.axis]), shape[geometry.axis], shape[geometry.axis + 1 :]


def _padded_size(spatial: Shape, geometry: ConvolutionGeometry) -> Shape:
    return tuple(n + 2 * p for n, p in zip(spatial, geometry.pad, strict=True))


def _grouped(y: Array, geometry: ConvolutionGeometry) -> Array:
    """(*batch, out, *out_spatial) as (n, g, o, p)."""
    batch, channels, spatial = _split(y.shape, geometry)
    return y.reshape(batch, geometry.group, channels // geometry.group, math.prod(spatial))


def _gathered(x: Array) -> Array:
    """(n, g, o, p) as (g, o, n p)."""
    n, g, o, p = x.shape
    return x.transpose(1, 2, 0, 3).reshape(g, o, n * p)


def _grouped_weight(weight: Array, geometry: ConvolutionGeometry) -> Array:
    """(out, c / group, *kernel) as (g, o, c k)."""
    return weight.reshape(geometry.group, weight.shape[0] // geometry.group, math.prod(weight.shape[1:]))
