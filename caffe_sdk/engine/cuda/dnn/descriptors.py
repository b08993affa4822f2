"""What cuDNN is told of tensors, filters, windows and functions: objects of its own that end with ours."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any

from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.shapes import Convolved, DataType, Layout
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.memory import Shape

CROSS_CORRELATION = 1  # cudnnConvolutionMode_t
NOT_PROPAGATE_NAN, PROPAGATE_NAN = 0, 1  # cudnnNanPropagation_t


class Math(IntEnum):
    """What products may be made by (cudnnMathType_t)."""

    DEFAULT = 0
    """Tensor cores where they are exact enough for cuDNN: with TF32 for float32, since Ampere."""
    TENSOR_OP = 1
    FMA = 3
    """Multiplications and additions of float32."""


class Activation(IntEnum):
    """Functions of single values (cudnnActivationMode_t)."""

    SIGMOID = 0
    RELU = 1
    TANH = 2
    ELU = 4
    IDENTITY = 5


class Pooling(IntEnum):
    """What is made of a window (cudnnPoolingMode_t)."""

    AVERAGE = 1
    """Of all its values, zeros of the padding included."""
    MAX = 3
    """The one whose gradient is the same always."""


class Descriptor:
    """An object of cuDNN's. ``kind`` is what its functions call it."""

    kind = ""

    def __init__(self, dnn: Dnn) -> None:
        self._dnn = dnn
        self.handle = dnn.made(f"cudnnCreate{self.kind}Descriptor")

    def __del__(self) -> None:
        if hasattr(self, "handle"):  # it was made
            self._dnn.destroy(f"cudnnDestroy{self.kind}Descriptor", self.handle)


class TensorDescriptor(Descriptor):
    """Numbers of a shape (images, channels, *spatial), of four axes at least."""

    kind = "Tensor"

    def __init__(self, dnn: Dnn, shape: Shape, data_type: DataType, layout: Layout) -> None:
        super().__init__(dnn)
        dnn.call("cudnnSetTensorNdDescriptorEx", self.handle, layout, data_type, len(shape), _ints(shape))


class FilterDescriptor(Descriptor):
    """Weights of a shape (outputs, channels of a group, *kernel)."""

    kind = "Filter"

    def __init__(self, dnn: Dnn, shape: Shape, data_type: DataType, layout: Layout) -> None:
        super().__init__(dnn)
        dnn.call("cudnnSetFilterNdDescriptor", self.handle, data_type, layout, len(shape), _ints(shape))


class ConvolutionDescriptor(Descriptor):
    """How windows lie, how many groups there are, and by what products are made. Sums are made in float32."""

    kind = "Convolution"

    def __init__(self, dnn: Dnn, shape: Convolved) -> None:
        super().__init__(dnn)
        axes = map(_ints, (shape.pad, shape.stride, shape.dilation))
        kinds = CROSS_CORRELATION, DataType.FLOAT
        dnn.call("cudnnSetConvolutionNdDescriptor", self.handle, len(shape.pad), *axes, *kinds)
        dnn.call("cudnnSetConvolutionGroupCount", self.handle, shape.groups)

    def multiply_by(self, math: Math) -> None:
        """Say by what products are made."""
        self._dnn.call("cudnnSetConvolutionMathType", self.handle, math)

    def result(self, x: TensorDescriptor, w: FilterDescriptor, axes: int) -> Shape:
        """The shape of what comes out, as cuDNN counts."""
        found = (ctypes.c_int * axes)()
        self._dnn.call("cudnnGetConvolutionNdForwardOutputDim", self.handle, x.handle, w.handle, axes, found)
        return tuple(found)


class ActivationDescriptor(Descriptor):
    """What is done to each value. NaN stays NaN, as in Caffe; where cuDNN cannot promise that, the kernel is ours."""

    kind = "Activation"

    def __init__(self, dnn: Dnn, activation: Activation, alpha: float = 0.0) -> None:
        super().__init__(dnn)
        nan = NOT_PROPAGATE_NAN if activation is Activation.IDENTITY else PROPAGATE_NAN
        dnn.call("cudnnSetActivationDescriptor", self.handle, activation, nan, alpha)


class PoolingDescriptor(Descriptor):
    """How the windows of a pooling lie. NaN is the maximum of its window, as in Caffe."""

    kind = "Pooling"

    def __init__(self, dnn: Dnn, pooling: Pooling, geometry: PoolingGeometry) -> None:
        super().__init__(dnn)
        axes = map(_ints, (geometry.kernel, geometry.pad, geometry.stride))
        dnn.call("cudnnSetPoolingNdDescriptor", self.handle, pooling, PROPAGATE_NAN, len(geometry.kernel), *axes)

    def result(self, x: TensorDescriptor, axes: int) -> Shape:
        """The shape of what comes out, as cuDNN counts: it rounds the number of windows down."""
        found = (ctypes.c_int * axes)()
        self._dnn.call("cudnnGetPoolingNdForwardOutputDim", self.handle, x.handle, axes, found)
        return tuple(found)


class NeighboursDescriptor(Descriptor):
    """The neighbourhood of an LRN, so many channels, and its numbers; alpha is divided by the channels."""

    kind = "LRN"

    def __init__(self, dnn: Dnn, channels: int, alpha: float, beta: float, k: float) -> None:
        super().__init__(dnn)
        dnn.call("cudnnSetLRNDescriptor", self.handle, channels, alpha, beta, k)


def _ints(shape: Shape) -> Any:
    return (ctypes.c_int * len(shape))(*shape)
