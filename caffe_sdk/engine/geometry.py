"""Pure shape arithmetic of windows that slide over space: convolution and pooling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from caffe_sdk.memory import Shape


@dataclass(frozen=True)
class ConvolutionGeometry:
    """A convolution over any number of spatial axes. ``axis`` is the channel axis; axes before it are the batch.

    Output size: floor((size + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1 along each spatial axis.
    """

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    group: int = 1
    axis: int = 1

    def output_size(self, size: Shape) -> Shape:
        """Spatial output sizes; zero or negative where the kernel does not fit."""
        extents = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return tuple(
            (n + 2 * p - extent) // s + 1 for n, p, s, extent in zip(size, self.pad, self.stride, extents, strict=True)
        )

    def input_size(self, size: Shape) -> Shape:
        """Spatial sizes a deconvolution makes of ``size``: stride (size - 1) + extent - 2 pad."""
        extents = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return tuple(
            s * (n - 1) + extent - 2 * p for n, p, s, extent in zip(size, self.pad, self.stride, extents, strict=True)
        )


@dataclass(frozen=True)
class PoolingGeometry:
    """A pooling over two spatial axes of (n, c, h, w)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    ceil: bool = True
    """Round the number of windows up (Caffe's default) or down."""

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Windows along each axis. With padding the last one must start inside the image or its leading padding."""
        h, w = (self._windows(size[i], i) for i in (0, 1))
        return h, w

    def clipped(self, size: tuple[int, int]) -> PoolingGeometry:
        """The same windows with a kernel and a stride no larger than the image with its padding.

        What lies further away counts for nothing. The number of windows is not to be asked of this geometry.
        """
        h, w = (max(1, n + 2 * p) for n, p in zip(size, self.pad, strict=True))
        (kh, kw), (sh, sw) = self.kernel, self.stride
        return replace(self, kernel=(min(kh, h), min(kw, w)), stride=(min(sh, h), min(sw, w)))

    def _windows(self, size: int, i: int) -> int:
        span = size + 2 * self.pad[i] - self.kernel[i]
        steps = math.ceil(span / self.stride[i]) if self.ceil else span // self.stride[i]
        if any(self.pad) and steps * self.stride[i] >= size + self.pad[i]:
            steps -= 1
        return steps + 1

    def window(self, index: int, size: int, i: int) -> tuple[int, int, int]:
        """Start, end and divisor of one window on axis ``i``.

        Start and end are clipped to the image; the divisor is the length clipped to the image with padding, which is
        what Caffe's average divides by.
        """
        start = index * self.stride[i] - self.pad[i]
        end = min(start + self.kernel[i], size + self.pad[i])
        return max(start, 0), min(end, size), end - start
