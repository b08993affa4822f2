"""Functions of single values by cuDNN."""

from __future__ import annotations

import math
from ctypes import c_void_p
from dataclasses import dataclass

from caffe_sdk.engine.cuda.dnn.descriptors import Activation, ActivationDescriptor, TensorDescriptor
from caffe_sdk.engine.cuda.dnn.jobs import NOTHING, ONE, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.shapes import DataType, Layout
from caffe_sdk.memory import Shape


@dataclass(frozen=True)
class Activate:
    """y = a function of x, over tensors of four axes. y may be x. Given: x. Made: y."""

    kind: Activation
    shape: Shape
    type: DataType
    alpha: float = 0.0
    """Of the ELU."""

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of y."""
        return (math.prod(self.shape) * self.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, self.type, Layout.NCHW)
        function = ActivationDescriptor(dnn, self.kind, self.alpha)

        def run(x: int, y: int) -> None:
            given, to = (ONE, values.handle, x), (NOTHING, values.handle, y)
            dnn.call("cudnnActivationForward", handle, function.handle, *given, *to)

        return run


@dataclass(frozen=True)
class ActivateGrad:
    """dx = dy times the slope, which the ReLU tells from x or y, sigmoid and tanh from y. dx may be dy.

    Given: that one, for both (as Caffe's own layers give it in place), and dy. Made: dx.
    """

    kind: Activation
    shape: Shape
    type: DataType

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of dx."""
        return (math.prod(self.shape) * self.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, self.type, Layout.NCHW)
        function = ActivationDescriptor(dnn, self.kind)

        def run(known: int, dy: int, dx: int) -> None:
            of = values.handle
            given = ONE, of, known, of, dy, of, known
            dnn.call("cudnnActivationBackward", handle, function.handle, *given, NOTHING, of, dx)

        return run
