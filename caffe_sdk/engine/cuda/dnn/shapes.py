"""What is to be convolved, in numbers: no memory, no library."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.memory import Shape

MOST_AXES = 3
"""Spatial axes that cuDNN convolves over."""


class DataType(IntEnum):
    """Of the numbers in memory, by cuDNN's numbers (cudnnDataType_t). Sums are made in float32 always."""

    FLOAT = 0
    HALF = 2
    BFLOAT16 = 9

    @property
    def nbytes(self) -> int:
        """Of a value."""
        return 4 if self is DataType.FLOAT else 2


TYPES = {FLOAT32: DataType.FLOAT, FLOAT16: DataType.HALF, BFLOAT16: DataType.BFLOAT16}
"""What cuDNN calls our formats."""


class Layout(IntEnum):
    """Which axis is innermost: the last spatial one, or the channels (cudnnTensorFormat_t). For filters too."""

    NCHW = 0
    NHWC = 1


def planes(shape: Shape) -> Shape:
    """A shape as (images, channels, places, 1): cuDNN has no tensors of less than four axes."""
    images, channels = (*shape, 1, 1)[:2]
    return images, channels, math.prod(shape[2:]), 1


@dataclass(frozen=True)
class Convolved:
    """A convolution of x (images, channels, *spatial) by w (outputs, channels / groups, *kernel) to y.

    Shapes are written in this order whatever the layout.
    """

    x: Shape
    w: Shape
    y: Shape
    pad: Shape
    stride: Shape
    dilation: Shape
    groups: int = 1
    type: DataType = DataType.FLOAT
    layout: Layout = Layout.NCHW

    @property
    def usual(self) -> bool:
        """Whether cuDNN can be asked at all: some values, and one to three spatial axes."""
        return 1 <= len(self.pad) <= MOST_AXES and min(*self.x, *self.w, *self.y) > 0

    def in_a_plane(self) -> Convolved:
        """The same over at least two spatial axes: cuDNN has no tensors of three axes."""
        if len(self.pad) > 1:
            return self
        x, w, y = ((*shape[:2], 1, *shape[2:]) for shape in (self.x, self.w, self.y))
        pad, stride, dilation = (0, *self.pad), (1, *self.stride), (1, *self.dilation)
        return replace(self, x=x, w=w, y=y, pad=pad, stride=stride, dilation=dilation)


def convolved(
    x: Shape,
    outputs: int,
    geometry: ConvolutionGeometry,
    kind: DataType = DataType.FLOAT,
    layout: Layout = Layout.NCHW,
) -> Convolved:
    """A convolution of x (*batch, c, *spatial) to so many channels."""
    axis, spatial = geometry.axis, x[geometry.axis + 1 :]
    images, channels = math.prod(x[:axis]), x[axis]
    return Convolved(
        (images, channels, *spatial),
        (outputs, channels // geometry.group, *geometry.kernel),
        (images, outputs, *geometry.output_size(spatial)),
        *(geometry.pad, geometry.stride, geometry.dilation, geometry.group, kind, layout),
    )
