"""What kernels take by value: the structures of the .cu files, field by field."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.errors import ShapeError
from caffe_sdk.memory import Shape

MOST_INPUTS = 16
MOST_AXES = 8
MOST_UPDATES = 48
MOST_STREAMS = 48

_InputPointers = ctypes.c_void_p * MOST_INPUTS
_InputFactors = ctypes.c_float * MOST_INPUTS
_Axes = ctypes.c_int * MOST_AXES
_Pointers = ctypes.c_void_p * MOST_UPDATES
_Numbers = ctypes.c_float * MOST_UPDATES
_Begins = ctypes.c_int * (MOST_UPDATES + 1)


class Inputs(ctypes.Structure):
    """Several tensors, and a number for each."""

    _fields_ = [
        ("at", ctypes.c_void_p * MOST_INPUTS),
        ("factor", ctypes.c_float * MOST_INPUTS),
        ("count", ctypes.c_int),
    ]


class Sizes(ctypes.Structure):
    """Sizes along several axes."""

    _fields_ = [("at", _Axes)]


class Windows(ctypes.Structure):
    """A convolution's windows over an image."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in ("axes", "channels")],
        *[(name, _Axes) for name in ("size", "out", "kernel", "stride", "pad", "dilation")],
        *[(name, ctypes.c_int) for name in ("area", "taps", "places")],
    ]


class Pool(ctypes.Structure):
    """A pooling's windows over an image."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in (
            *("h", "w", "out_h", "out_w", "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w"),
            "step",
        )
    ]


class Neighbours(ctypes.Structure):
    """Where the values of an LRN's neighbourhood are."""

    _fields_ = [(name, ctypes.c_int) for name in ("channels", "h", "w", "reach", "within", "across", "along")]


class Wide(ctypes.Structure):
    """A number of 128 bits."""

    _fields_ = [("high", ctypes.c_uint64), ("low", ctypes.c_uint64)]


class Stream(ctypes.Structure):
    """Where a PCG64 stands."""

    _fields_ = [("state", Wide), ("increment", Wide), ("has_half", ctypes.c_int), ("half", ctypes.c_uint)]


class Streams(ctypes.Structure):
    """Where several stand."""

    _fields_ = [("at", Stream * MOST_STREAMS)]


class Updates(ctypes.Structure):
    """Parameters to update, with their gradients, histories, rates and decays."""

    _fields_ = [
        *[(name, _Pointers) for name in ("weight", "diff", "first", "second")],
        ("begin", _Begins),
        *[(name, _Numbers) for name in ("rate", "decay")],
        ("count", ctypes.c_int),
    ]


STRUCTURES: dict[str, type[ctypes.Structure]] = {
    kind.__name__: kind for kind in (Inputs, Sizes, Windows, Pool, Neighbours, Stream, Streams, Updates)
}
"""By their names in the .cu files."""


def sizes(shape: Shape) -> Sizes:
    """A shape. ShapeError for more axes than kernels count."""
    if len(shape) > MOST_AXES:
        raise ShapeError("shape", f"{len(shape)} axes are more than the GPU engine's {MOST_AXES}", "use fewer axes")
    return Sizes(_Axes(*shape))


def inputs(pointers: Sequence[int], factors: Sequence[float]) -> Inputs:
    """At most MOST_INPUTS tensors."""
    return Inputs(_InputPointers(*pointers), _InputFactors(*factors), len(pointers))


def windows(channels: int, spatial: Shape, geometry: ConvolutionGeometry) -> Windows:
    """The windows of a convolution over images of some channels and this size."""
    out = geometry.output_size(spatial)
    axes = [sizes(shape).at for shape in (spatial, out, geometry.kernel, geometry.stride, geometry.pad)]
    products = [int(np.prod(shape, dtype=np.int64)) for shape in (spatial, geometry.kernel, out)]
    return Windows(len(spatial), channels, *axes, sizes(geometry.dilation).at, *products)


def pool(x: Shape, y: Shape, geometry: PoolingGeometry, channels_last: bool = False) -> Pool:
    """The windows of a pooling from (n, c, h, w) to (n, c, out_h, out_w)."""
    step = x[1] if channels_last else 1
    return Pool(*x[2:], *y[2:], *geometry.kernel, *geometry.stride, *geometry.pad, step)


def stream(generator: np.random.Generator) -> Stream:
    """Where a generator stands."""
    state = generator.bit_generator.state
    parts = (_wide(state["state"][name]) for name in ("state", "inc"))
    return Stream(*parts, state["has_uint32"], state["uinteger"])


def streams(given: Sequence[Stream]) -> Streams:
    """At most MOST_STREAMS of them."""
    return Streams((Stream * MOST_STREAMS)(*given))


def updates(
    addresses: Sequence[Sequence[int]], begin: Sequence[int], rates: Sequence[float], decays: Sequence[float]
) -> Updates:
    """At most MOST_UPDATES parameters: addresses of weights, of gradients, and of what is remembered of them."""
    columns = [_Pointers(*column) for column in addresses]
    columns += [_Pointers()] * (4 - len(columns))
    return Updates(*columns, _Begins(*begin), _Numbers(*rates), _Numbers(*decays), len(rates))


def _wide(number: int) -> Wide:
    return Wide(number >> 64, number & (2**64 - 1))
