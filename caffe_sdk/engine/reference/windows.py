"""Windows that slide over the spatial axes of an array, and the way back: what convolution and pooling share."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from caffe_sdk.memory import Array, Shape


def padded(x: Array, before: Shape, sizes: Shape, value: float) -> Array:
    """``x`` (..., *spatial) with ``before`` values in front of each spatial axis, and enough after it for ``sizes``."""
    lead = x.ndim - len(sizes)
    if x.shape[lead:] == sizes:
        return x
    full = np.full(x.shape[:lead] + sizes, value, x.dtype)
    full[inner(x.shape[lead:], before)] = x
    return full


def inner(spatial: Shape, before: Shape) -> tuple[Any, ...]:
    """The index of an image of size ``spatial`` inside its padding."""
    return (..., *(slice(p, p + n) for p, n in zip(before, spatial, strict=True)))


def windows(x: Array, kernel: Shape, stride: Shape, dilation: Shape, out: Shape) -> Array:
    """A view (*lead, *kernel, *out) of padded ``x`` (*lead, *spatial): at [k, o] what window o sees at its k."""
    lead = x.ndim - len(kernel)
    steps = x.strides[lead:]
    along_kernel = tuple(s * d for s, d in zip(steps, dilation, strict=True))
    along_out = tuple(s * t for s, t in zip(steps, stride, strict=True))
    return as_strided(x, x.shape[:lead] + kernel + out, x.strides[:lead] + along_kernel + along_out, writeable=False)


def add_windows(values: Array, x: Array, kernel: Shape, stride: Shape, dilation: Shape, out: Shape) -> None:
    """The transpose of `windows`: add ``values`` (*lead, *kernel, *out) to where they came from in padded ``x``."""
    lead: tuple[Any, ...] = (slice(None),) * (x.ndim - len(kernel))
    for at in itertools.product(*map(range, kernel)):
        seen = tuple(
            slice(k * d, k * d + s * (o - 1) + 1, s) for k, d, s, o in zip(at, dilation, stride, out, strict=True)
        )
        x[(*lead, *seen)] += values[(*lead, *at)]
