"""Layers that slide a kernel over space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.layers.base import Arity, Layer, Parameter, layer
from caffe_sdk.memory import Shape


class SlidingKernel(Layer):
    """What layers with a ``convolution_param`` share: reading it, for any number of spatial axes."""

    def setup(self, config: Any) -> None:
        self.param = config.convolution_param
        self.outputs: int = self.param.num_output
        self.check(self.param.group > 0, "group: 0", "give group: 1 or more")

    def geometry(self, shape: Shape) -> ConvolutionGeometry:
        """Kernel, stride, pad and dilation for a bottom of ``shape``, checked."""
        axis = self.axis(self.param.axis, len(shape))
        axes = len(shape) - axis - 1
        kernel = self._per_axis("kernel_size", "kernel_h", "kernel_w", axes)
        self.check(len(kernel) == axes, f"has no kernel_size for {axes} spatial axes", "give kernel_size")
        stride = self._per_axis("stride", "stride_h", "stride_w", axes) or (1,) * axes
        pad = self._per_axis("pad", "pad_h", "pad_w", axes, least=0) or (0,) * axes
        dilation = self._per_axis("dilation", "", "", axes) or (1,) * axes
        return ConvolutionGeometry(kernel, stride, pad, dilation, self.param.group, axis)

    def _per_axis(self, name: str, high: str, wide: str, axes: int, least: int = 1) -> Shape:
        """A value per spatial axis: ``name``, once for all or once each, or ``high`` and ``wide``; () if absent."""
        given = tuple(getattr(self.param, name))
        if high and (self.param.HasField(high) or self.param.HasField(wide)):
            self.check(not given, f"{name} is given beside {high} and {wide}", "use one or the other")
            self.check(axes == 2, f"{high} and {wide} for {axes} spatial axes", f"use {name} unless there are 2")
            given = (getattr(self.param, high), getattr(self.param, wide))
        self.check(
            len(given) in (0, 1, axes),
            f"{name} is given {len(given)} times for {axes} spatial axes",
            "give it once, or once per axis",
        )
        values = given * axes if len(given) == 1 else given
        self.check(all(v >= least for v in values), f"{name} {values}", f"give {least} or more")
        return values

    def channels(self, shape: Shape, geometry: ConvolutionGeometry) -> int:
        """The channels of a bottom, checked against the groups."""
        channels, group = shape[geometry.axis], geometry.group
        self.check(channels % group == 0, f"{channels} input channels in {group} groups", "give a multiple")
        return channels

    def check_outputs(self) -> None:
        """num_output must be there and fall into groups."""
        group = self.param.group
        self.check(self.outputs > 0, "num_output: 0", "give num_output: 1 or more")
        self.check(
            self.outputs % group == 0, f"num_output: {self.outputs} with group: {group}", "give a multiple of group"
        )

    def check_fit(self, geometry: ConvolutionGeometry, shape: Shape, out: Shape) -> None:
        """The kernel must fit into the padded input."""
        dilated = f" dilated {geometry.dilation}" if any(d > 1 for d in geometry.dilation) else ""
        space = shape[geometry.axis + 1 :]
        self.check_shape(
            all(size > 0 for size in out),
            f"kernel {geometry.kernel}{dilated} does not fit input {space} with pad {geometry.pad}",
            "use a smaller kernel, more pad or a larger input",
        )

    def check_alike(self, bottoms: Sequence[Shape]) -> None:
        """All bottoms must have one shape."""
        for i, shape in enumerate(bottoms):
            self.check_shape(
                shape == bottoms[0], f"bottom {i} has shape {shape}, bottom 0 {bottoms[0]}", "give bottoms of one shape"
            )


@layer("Convolution")
class Convolution(SlidingKernel):
    """y[o] = bias[o] + sum over channels c of weight[o, c] * x[c].  (n, c, h, w) -> (n, num_output, h', w')

    The channel axis may be another (``axis``), followed by any number of spatial axes. Several bottoms of one shape
    give as many tops with the same parameters.
    """

    bottoms = tops = Arity(1, None)
    as_many_tops = True

    def setup(self, config: Any) -> None:
        super().setup(config)
        self.check_outputs()

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_alike(bottoms)
        geometry = self.geometry(bottoms[0])
        self.channels(bottoms[0], geometry)
        out = geometry.output_size(bottoms[0][geometry.axis + 1 :])
        self.check_fit(geometry, bottoms[0], out)
        return [(*bottoms[0][: geometry.axis], self.outputs, *out)] * len(bottoms)

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        geometry = self.geometry(bottoms[0])
        inputs = self.channels(bottoms[0], geometry) // geometry.group
        weight = Parameter((self.outputs, inputs, *geometry.kernel), self.param.weight_filler)
        bias = Parameter((self.outputs,), self.param.bias_filler)
        return [weight, bias] if self.param.bias_term else [weight]

    def multiply_adds(self, bottoms: Sequence[Shape]) -> int:
        (_, *window), outputs = self.parameters(bottoms)[0].shape, map(math.prod, self.shapes(bottoms))
        return sum(outputs) * math.prod(window)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        weight, bias, geometry = self.blobs[0].data_tensor, self.parameter(1), self.geometry(bottom[0].shape)
        for x, y in zip(bottom, top, strict=True):
            engine.convolution(x.data_tensor, weight, bias, y.data_tensor, geometry)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        weight, geometry = self.blobs[0].data_tensor, self.geometry(bottom[0].shape)
        dweight, dbias = self.gradient(0), self.gradient(1)
        for y, x, needed in zip(top, bottom, needs, strict=True):
            if dweight is not None or dbias is not None:
                engine.convolution_grad_weight(x.data_tensor, y.diff_tensor, dweight, dbias, geometry)
            if needed:
                engine.convolution_grad_data(y.diff_tensor, weight, x.diff_tensor, geometry)


@layer("Deconvolution")
class Deconvolution(SlidingKernel):
    """The transpose of a convolution: every value paints a kernel.  (n, c, h, w) -> (n, num_output, h', w')

    h' = stride (h - 1) + dilation (kernel - 1) + 1 - 2 pad. The weight is (c, num_output / group, *kernel).
    """

    bottoms = tops = Arity(1, None)
    as_many_tops = True

    def setup(self, config: Any) -> None:
        super().setup(config)
        self.check_outputs()

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_alike(bottoms)
        geometry = self.geometry(bottoms[0])
        self.channels(bottoms[0], geometry)
        space = bottoms[0][geometry.axis + 1 :]
        out = geometry.input_size(space)
        self.check_shape(
            all(size > 0 for size in out),
            f"pad {geometry.pad} leaves nothing of input {space} with kernel {geometry.kernel}",
            "use less pad",
        )
        return [(*bottoms[0][: geometry.axis], self.outputs, *out)] * len(bottoms)

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        geometry = self.geometry(bottoms[0])
        inputs = self.channels(bottoms[0], geometry)
        weight = Parameter((inputs, self.outputs // geometry.group, *geometry.kernel), self.param.weight_filler)
        bias = Parameter((self.outputs,), self.param.bias_filler)
        return [weight, bias] if self.param.bias_term else [weight]

    def multiply_adds(self, bottoms: Sequence[Shape]) -> int:
        (_, *window), inputs = self.parameters(bottoms)[0].shape, map(math.prod, bottoms)
        return sum(inputs) * math.prod(window)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        weight, bias, geometry = self.blobs[0].data_tensor, self.parameter(1), self.geometry(bottom[0].shape)
        for x, y in zip(bottom, top, strict=True):
            engine.convolution_grad_data(x.data_tensor, weight, y.data_tensor, geometry)
            if bias is not None:
                engine.affine(y.data_tensor, None, bias, y.data_tensor, geometry.axis)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        weight, geometry = self.blobs[0].data_tensor, self.geometry(bottom[0].shape)
        dweight, dbias = self.gradient(0), self.gradient(1)
        for y, x, needed in zip(top, bottom, needs, strict=True):
            if dbias is not None:
                engine.affine_grad_shift(y.diff_tensor, dbias, geometry.axis)
            if dweight is not None:
                engine.convolution_grad_weight(y.diff_tensor, x.data_tensor, dweight, None, geometry)
            if needed:
                engine.convolution(y.diff_tensor, weight, None, x.diff_tensor, geometry)


@layer("Im2col")
class Im2col(SlidingKernel):
    """Every window as a column, channels and places of the kernel together.  (n, c, h, w) -> (n, c kh kw, h', w')"""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        geometry = self.geometry(shape)
        out = geometry.output_size(shape[geometry.axis + 1 :])
        self.check_fit(geometry, shape, out)
        channels = shape[geometry.axis] * math.prod(geometry.kernel)
        return [(*shape[: geometry.axis], channels, *out)]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.im2col(bottom[0].data_tensor, top[0].data_tensor, self.geometry(bottom[0].shape))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            engine.col2im(top[0].diff_tensor, bottom[0].diff_tensor, self.geometry(bottom[0].shape))
