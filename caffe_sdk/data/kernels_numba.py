"""The functions of `kernels_numpy`, each one fused pass, compiled by Numba on first use and kept in Numba's cache.

They run without the interpreter lock, so the thread that prepares data does not hold up the one that computes.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils

from caffe_sdk.data import kernels_numpy


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled on first use; cached beside this file, else in the user's cache, else nowhere."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)


@_compiled
def minus_image(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_image`."""
    channels, height, width = out.shape
    for c in range(channels):
        for y in range(height):
            row, from_row, mean_row = out[c, y], pixels[c, top + y, left:], mean[c, top + y, left:]
            if mirror:
                for x in range(width):  # a place without a sign cannot be counted from the end: so this is vectorised
                    place = np.uintp(width - 1 - x)
                    row[x] = (np.float32(from_row[place]) - mean_row[place]) * scale
            else:
                for x in range(width):
                    row[x] = (np.float32(from_row[x]) - mean_row[x]) * scale


@_compiled
def minus_channels(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_channels`."""
    channels, height, width = out.shape
    for c in range(channels):
        offset = mean[c]
        for y in range(height):
            row, from_row = out[c, y], pixels[c, top + y, left:]
            if mirror:
                for x in range(width):
                    row[x] = (np.float32(from_row[np.uintp(width - 1 - x)]) - offset) * scale
            else:
                for x in range(width):
                    row[x] = (np.float32(from_row[x]) - offset) * scale


@_compiled
def minus_image_together(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_image_together`."""
    _, height, width = out.shape
    for y in range(height):
        line = pixels[top + y, left:].ravel()
        first, second, third = out[0, y], out[1, y], out[2, y]
        mean_first, mean_second, mean_third = mean[0, top + y, left:], mean[1, top + y, left:], mean[2, top + y, left:]
        for x in range(width):
            place = np.uintp(width - 1 - x) if mirror else np.uintp(x)
            pixel = np.uintp(3) * place
            first[x] = (np.float32(line[pixel]) - mean_first[place]) * scale
            second[x] = (np.float32(line[pixel + np.uintp(1)]) - mean_second[place]) * scale
            third[x] = (np.float32(line[pixel + np.uintp(2)]) - mean_third[place]) * scale


@_compiled
def minus_channels_together(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_channels_together`."""
    _, height, width = out.shape
    mean_first, mean_second, mean_third = mean[0], mean[1], mean[2]
    for y in range(height):
        line = pixels[top + y, left:].ravel()
        first, second, third = out[0, y], out[1, y], out[2, y]
        if mirror:
            for x in range(width):
                pixel = np.uintp(3 * (width - 1 - x))
                first[x] = (np.float32(line[pixel]) - mean_first) * scale
                second[x] = (np.float32(line[pixel + np.uintp(1)]) - mean_second) * scale
                third[x] = (np.float32(line[pixel + np.uintp(2)]) - mean_third) * scale
        else:
            for x in range(width):
                pixel = np.uintp(3 * x)
                first[x] = (np.float32(line[pixel]) - mean_first) * scale
                second[x] = (np.float32(line[pixel + np.uintp(1)]) - mean_second) * scale
                third[x] = (np.float32(line[pixel + np.uintp(2)]) - mean_third) * scale


@_compiled
def split(pixels, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.split`."""
    channels, height, width = out.shape
    for y in range(height):
        line = pixels[y].ravel()
        if channels == 3:  # a step that is known is vectorised
            first, second, third = out[0, y], out[1, y], out[2, y]
            for x in range(width):
                place = np.uintp(3 * x)
                first[x] = line[place]
                second[x] = line[place + np.uintp(1)]
                third[x] = line[place + np.uintp(2)]
        else:
            for c in range(channels):
                for x in range(width):
                    out[c, y, x] = line[channels * x + c]


@_compiled
def interpolate(pixels, rows, columns, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.interpolate`."""
    upper, lower, from_upper, from_lower = rows
    left, right, from_left, from_right = columns
    channels, height, width = out.shape
    lines = np.empty((2, width), np.int32)  # rows resized along x: one of an even number and one of an odd
    held = np.empty(2, np.int64)
    for c in range(channels):
        held[:] = -1
        for y in range(height):
            for source in (upper[y], lower[y]):
                if held[source % 2] != source:
                    held[source % 2] = source
                    row, line = pixels[c, source], lines[source % 2]
                    for x in range(width):
                        near = np.int32(row[np.uintp(left[x])]) * from_left[x]
                        line[x] = (near + np.int32(row[np.uintp(right[x])]) * from_right[x]) >> 4
            above, below, row_out = lines[upper[y] % 2], lines[lower[y] % 2], out[c, y]
            for x in range(width):
                row_out[x] = ((above[x] * from_upper[y] >> 16) + (below[x] * from_lower[y] >> 16) + 2) >> 2


unsnap = _compiled(kernels_numpy.unsnap)


# -- checksums ---------------------------------------------------------------------------------------------------------

_CASTAGNOLI = np.array(kernels_numpy.CASTAGNOLI, np.uint32)


@numba.extending.intrinsic
def _crc_of_eight(typing, crc, word):  # type: ignore[no-untyped-def]
    """The processor's own instruction for CRC-32C: eight bytes at once."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(64)])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse42.crc32.64.64")
        return builder.call(function, arguments)

    return numba.types.uint64(numba.types.uint64, numba.types.uint64), made


@_compiled
def _crc_by_instruction(data):  # type: ignore[no-untyped-def]
    whole = len(data) // 8 * 8
    crc = np.uint64(0xFFFFFFFF)
    for word in data[:whole].view(np.uint64):
        crc = _crc_of_eight(crc, word)  # type: ignore[call-arg]
    for byte in data[whole:]:
        crc = np.uint64(_CASTAGNOLI[(crc ^ byte) & np.uint64(0xFF)]) ^ (crc >> np.uint64(8))
    return crc ^ np.uint64(0xFFFFFFFF)


@_compiled
def _crc_by_table(data):  # type: ignore[no-untyped-def]
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = np.uint32(_CASTAGNOLI[(crc ^ byte) & np.uint32(0xFF)]) ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


_features = llvmlite.binding.get_host_cpu_features()
_has_instruction = platform.machine().lower() in ("x86_64", "amd64") and _features.get("sse4.2", False)
crc32c = _crc_by_instruction if _has_instruction else _crc_by_table
"""See `kernels_numpy.crc32c`."""
