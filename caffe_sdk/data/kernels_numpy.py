"""The passes over pixels, in NumPy: the reference, and what is used where Numba is missing.

From a record to its row of the batch: crop, mirror, minus mean, times scale. ``pixels`` is (channels, height, width),
uint8 or float32; the crop begins at (``top``, ``left``) and is as large as ``out``, which is (channels, height, width)
float32. Arithmetic is in float32, so that both implementations agree to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Neighbours = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]


def minus_image(
    pixels: npt.NDArray[Any], top: int, left: int, mirror: bool, mean: Floats, scale: np.float32, out: Floats
) -> None:
    """``mean`` is an image of the record's own size: each pixel loses the mean of its place before the crop."""
    window = (slice(None), slice(top, top + out.shape[1]), slice(left, left + out.shape[2]))
    row = out[..., ::-1] if mirror else out
    np.subtract(pixels[window], mean[window], out=row, dtype=np.float32)
    row *= scale


def minus_channels(
    pixels: npt.NDArray[Any], top: int, left: int, mirror: bool, mean: Floats, scale: np.float32, out: Floats
) -> None:
    """``mean`` is (channels,): one value for each channel."""
    window = pixels[:, top : top + out.shape[1], left : left + out.shape[2]]
    row = out[..., ::-1] if mirror else out
    np.subtract(window, mean[:, None, None], out=row, dtype=np.float32)
    row *= scale


def minus_image_together(
    pixels: npt.NDArray[np.uint8], top: int, left: int, mirror: bool, mean: Floats, scale: np.float32, out: Floats
) -> None:
    """`minus_image` of an image as decoders give it: (height, width, 3), the channels of a pixel together."""
    minus_image(pixels.transpose(2, 0, 1), top, left, mirror, mean, scale, out)


def minus_channels_together(
    pixels: npt.NDArray[np.uint8], top: int, left: int, mirror: bool, mean: Floats, scale: np.float32, out: Floats
) -> None:
    """`minus_channels` of an image as decoders give it: (height, width, 3), the channels of a pixel together."""
    minus_channels(pixels.transpose(2, 0, 1), top, left, mirror, mean, scale, out)


def split(pixels: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
    """Channels that stand together, (height, width, channels), one after the other: (channels, height, width)."""
    out[...] = pixels.transpose(2, 0, 1)


def interpolate(
    pixels: npt.NDArray[np.uint8], rows: Neighbours, columns: Neighbours, out: npt.NDArray[np.uint8]
) -> None:
    """Bilinear resizing of (channels, h, w) to ``out`` (channels, height, width); see `caffe_sdk.data.resize`."""
    upper, lower, from_upper, from_lower = rows
    left, right, from_left, from_right = columns
    wide = pixels.astype(np.int32)
    lines = (wide[:, :, left] * from_left + wide[:, :, right] * from_right) >> 4
    above = lines[:, upper] * from_upper[:, None] >> 16
    below = lines[:, lower] * from_lower[:, None] >> 16
    out[...] = (above + below + 2) >> 2
