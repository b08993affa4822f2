"""Maximum and average of windows by cuDNN, where it counts as many windows as Caffe does."""

from __future__ import annotations

import math
from ctypes import c_void_p
from dataclasses import dataclass

from caffe_sdk.engine.cuda.dnn.descriptors import Pooling, PoolingDescriptor, TensorDescriptor
from caffe_sdk.engine.cuda.dnn.jobs import NOTHING, ONE, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.shapes import DataType, Layout
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.memory import Shape


@dataclass(frozen=True)
class Pool:
    """y = the maximum or the average of each window of x, over (n, c, h, w). Given: x. Made: y.

    cuDNN rounds the number of windows down; where it is Caffe's all the same, no window reaches beyond the padding, and
    the average divides by the size of a window in both.
    """

    kind: Pooling
    x: Shape
    y: Shape
    windows: PoolingGeometry
    type: DataType
    layout: Layout = Layout.NCHW

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of y."""
        return (math.prod(self.y) * self.type.nbytes,)

    def described(self, dnn: Dnn) -> tuple[TensorDescriptor, TensorDescriptor, PoolingDescriptor] | None:
        """x, y and the windows, where cuDNN counts as many."""
        x, y = (TensorDescriptor(dnn, shape, self.type, self.layout) for shape in (self.x, self.y))
        windows = PoolingDescriptor(dnn, self.kind, self.windows)
        return (x, y, windows) if windows.result(x, len(self.x)) == self.y else None

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run | None:
        """One call."""
        described = self.described(dnn)
        if described is None:
            return None
        x, y, windows = described

        def run(values: int, result: int) -> None:
            given, to = (ONE, x.handle, values), (NOTHING, y.handle, result)
            dnn.call("cudnnPoolingForward", handle, windows.handle, *given, *to)

        return run


@dataclass(frozen=True)
class AveragePoolGrad:
    """dx += dy / the size of a window, at every place of it. Given: dy. Made: dx."""

    pool: Pool

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of dx."""
        return (math.prod(self.pool.x) * self.pool.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run | None:
        """One call. It takes x and y too, and reads neither for an average: it is given gradients."""
        described = self.pool.described(dnn)
        if described is None:
            return None
        x, y, windows = described

        def run(dy: int, dx: int) -> None:
            given = ONE, y.handle, dy, y.handle, dy, x.handle, dx
            dnn.call("cudnnPoolingBackward", handle, windows.handle, *given, NOTHING, x.handle, dx)

        return run
