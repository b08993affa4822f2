"""Softmax by cuDNN."""

from __future__ import annotations

import math
from ctypes import c_void_p
from dataclasses import dataclass

from caffe_sdk.engine.cuda.dnn.descriptors import TensorDescriptor
from caffe_sdk.engine.cuda.dnn.jobs import NOTHING, ONE, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.shapes import DataType, Layout
from caffe_sdk.memory import Shape

ACCURATE = 1  # cudnnSoftmaxAlgorithm_t: the largest value is subtracted first
CHANNEL = 1  # cudnnSoftmaxMode_t: over the classes of each place


@dataclass(frozen=True)
class Softmax:
    """y = exp(x) / sum over the second of four axes of exp(x), of floats. Given: x. Made: y, which is not x."""

    shape: Shape

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of y."""
        return (math.prod(self.shape) * DataType.FLOAT.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, DataType.FLOAT, Layout.NCHW)

        def run(x: int, y: int) -> None:
            given, to = (ONE, values.handle, x), (NOTHING, values.handle, y)
            dnn.call("cudnnSoftmaxForward", handle, ACCURATE, CHANNEL, *given, *to)

        return run


@dataclass(frozen=True)
class SoftmaxGrad:
    """dx = y (dy - sum over the second axis of dy y). dx may be dy. Given: y, dy. Made: dx."""

    shape: Shape

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of dx."""
        return (math.prod(self.shape) * DataType.FLOAT.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, DataType.FLOAT, Layout.NCHW)

        def run(y: int, dy: int, dx: int) -> None:
            of = values.handle
            given = ONE, of, y, of, dy
            dnn.call("cudnnSoftmaxBackward", handle, ACCURATE, CHANNEL, *given, NOTHING, of, dx)

        return run
