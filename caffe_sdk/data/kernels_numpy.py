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


def crc32c(data: npt.NDArray[np.uint8]) -> int:
    """The checksum CRC-32C (Castagnoli) of bytes; byte by byte, so slow, but the compiled one is not."""
    crc = 0xFFFFFFFF
    for byte in data.tobytes():
        crc = CASTAGNOLI[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _castagnoli() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CASTAGNOLI = _castagnoli()


def unsnap(data: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> bool:
    """Undo Google's Snappy: whether ``data``, without the length in front, unpacks to exactly the size of ``out``.

    Its elements are bytes as they are, or copies of what came before; see
    https://github.com/google/snappy/blob/main/format_description.txt.
    """
    at = to = 0
    while at < len(data):
        tag = int(data[at])
        kind, count = tag & 3, (tag >> 2) + 1
        more = max(0, count - 60) if kind == 0 else (1, 2, 4)[kind - 1]  # bytes of a number behind the tag
        at += 1
        if at + more > len(data):
            return False
        number = 0
        for i in range(more):
            number |= int(data[at + i]) << 8 * i
        at += more
        if kind == 0:
            count = number + 1 if more else count
            if at + count > len(data) or to + count > len(out):
                return False
            out[to : to + count] = data[at : at + count]
            at += count
        else:
            if kind == 1:
                number, count = number | tag >> 5 << 8, (tag >> 2 & 7) + 4
            if number == 0 or number > to or to + count > len(out):
                return False
            for i in range(to, to + count):  # one after the other: a copy may be of what it has just written
                out[i] = out[i - number]
        to += count
    return to == len(out)
