"""Bilinear resizing of 8-bit images with the arithmetic of OpenCV, which Caffe uses, to the last bit.

A pixel of the result lies at (i + 0.5) * from / to - 0.5 in the image, between two pixels along each axis; beyond the
rim both are the same one. Weights have 11 binary places; sums along a row keep 7 of them, and the result is rounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.kernels import kernels
from caffe_sdk.data.kernels_numpy import Neighbours

Pixels = npt.NDArray[np.uint8]

ONE = 2048


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """``pixels`` (channels, h, w), uint8, as (channels, height, width). No size may be 0."""
    if pixels.shape[1:] == (height, width):
        return pixels
    out = np.empty((len(pixels), height, width), np.uint8)
    kernels().interpolate(pixels, _neighbours(pixels.shape[1], height), _neighbours(pixels.shape[2], width), out)
    return out


def _neighbours(size: int, wanted: int) -> Neighbours:
    """For every place of the result the two places it lies between, and their weights."""
    places = ((np.arange(wanted) + 0.5) * (1 / (wanted / size)) - 0.5).astype(np.float32)
    first = np.floor(places)
    share = places - first
    weights = (np.rint(part * np.float32(ONE)).astype(np.int32) for part in (1 - share, share))
    number = first.astype(np.int32)
    return np.clip(number, 0, size - 1), np.clip(number + 1, 0, size - 1), *weights
