"""Normalization by neighbouring channels (LRN) and by known statistics, by cuDNN."""

from __future__ import annotations

import math
from ctypes import c_void_p
from dataclasses import dataclass

from caffe_sdk.engine.cuda.dnn.descriptors import NeighboursDescriptor, TensorDescriptor
from caffe_sdk.engine.cuda.dnn.jobs import NOTHING, ONE, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.shapes import DataType, Layout
from caffe_sdk.memory import Shape

CROSS_CHANNEL = 0  # cudnnLRNMode_t: along the second axis
SPATIAL = 1  # cudnnBatchNormMode_t: statistics of channels
MOST_CHANNELS = 16
SMALLEST_K, SMALLEST_BETA = 1e-5, 0.01
"""What cuDNN takes (CUDNN_LRN_MAX_N, CUDNN_LRN_MIN_K, CUDNN_LRN_MIN_BETA)."""


@dataclass(frozen=True)
class Lrn:
    """y = x / (k + alpha / size * sum of x^2 over ``size`` channels)^beta. Given: x. Made: y, which is not x.

    The neighbourhood is Caffe's, as far before a channel as behind it, where its size is odd.
    """

    shape: Shape
    type: DataType
    size: int
    alpha: float
    beta: float
    k: float = 1.0

    @property
    def taken(self) -> bool:
        """Whether cuDNN takes such numbers, and means the same by them."""
        odd = self.size % 2 == 1 and 1 <= self.size <= MOST_CHANNELS
        return odd and self.k >= SMALLEST_K and self.beta >= SMALLEST_BETA

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of y."""
        return (math.prod(self.shape) * self.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, self.type, Layout.NCHW)
        rule = NeighboursDescriptor(dnn, self.size, self.alpha, self.beta, self.k)

        def run(x: int, y: int) -> None:
            given, to = (ONE, values.handle, x), (NOTHING, values.handle, y)
            dnn.call("cudnnLRNCrossChannelForward", handle, rule.handle, CROSS_CHANNEL, *given, *to)

        return run


@dataclass(frozen=True)
class LrnGrad:
    """The gradient: what forward divided by is computed anew. Given: x, y, dy. Made: dx, which is none of these."""

    forward: Lrn

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of dx."""
        return self.forward.made

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        lrn = self.forward
        values = TensorDescriptor(dnn, lrn.shape, lrn.type, Layout.NCHW)
        rule = NeighboursDescriptor(dnn, lrn.size, lrn.alpha, lrn.beta, lrn.k)

        def run(x: int, y: int, dy: int, dx: int) -> None:
            of = values.handle
            given = ONE, of, y, of, dy, of, x
            dnn.call("cudnnLRNCrossChannelBackward", handle, rule.handle, CROSS_CHANNEL, *given, NOTHING, of, dx)

        return run


@dataclass(frozen=True)
class Normalize:
    """y = scale (x - mean) / sqrt(variance + eps) + shift, of channels, the second of four axes.

    Given: x, and of each channel, as floats, scale, shift, mean and variance. Made: y, which is not x.
    """

    shape: Shape
    type: DataType
    eps: float
    layout: Layout = Layout.NCHW

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of y."""
        return (math.prod(self.shape) * self.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run:
        """One call."""
        values = TensorDescriptor(dnn, self.shape, self.type, self.layout)
        of_channels = TensorDescriptor(dnn, (1, self.shape[1], 1, 1), DataType.FLOAT, Layout.NCHW)

        def run(x: int, scale: int, shift: int, mean: int, variance: int, y: int) -> None:
            sides = values.handle, x, values.handle, y
            known = of_channels.handle, scale, shift, mean, variance, self.eps
            dnn.call("cudnnBatchNormalizationForwardInference", handle, SPATIAL, ONE, NOTHING, *sides, *known)

        return run
