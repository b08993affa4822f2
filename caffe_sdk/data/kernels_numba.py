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


# -- pixels to floats --------------------------------------------------------------------------------------------------

# A view of a row costs more than its numbers, as Numba counts who holds the array, so places are counted through flat
# arrays. They have no sign: with one, Numba asks each whether it is meant from the end, and nothing is vectorised.
_AHEAD = 2  # so many rows before floats are written, their memory is asked for
_LINE = 16  # floats in a line of the cache


@numba.extending.intrinsic
def _fetch(typing, floats, place):  # type: ignore[no-untyped-def]
    """Begin to bring what is at a place of a flat array into the cache, for writing; beyond the array, nothing."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        for_writing, everywhere, data = (ir.Constant(ir.IntType(32), number) for number in (1, 3, 1))
        kind = ir.FunctionType(ir.VoidType(), [address.type, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, for_writing, everywhere, data])
        return context.get_dummy_value()

    return numba.types.none(floats, place), made


@_compiled
def minus_image(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_image`."""
    channels, height, width = out.shape
    seen, means, floats = pixels.reshape(-1), mean.reshape(-1), out.reshape(-1)
    for row in range(channels * height):
        first = np.uintp(row * width)
        for x in range(_AHEAD * width, (_AHEAD + 1) * width, _LINE):
            _fetch(floats, first + np.uintp(x))  # type: ignore[call-arg]
        begin = np.uintp((row // height * pixels.shape[1] + top + row % height) * pixels.shape[2] + left)
        if mirror:
            end = begin + np.uintp(width - 1)
            for x in range(width):
                place = end - np.uintp(x)
                floats[first + np.uintp(x)] = (np.float32(seen[place]) - means[place]) * scale
        else:
            for x in range(width):
                place = begin + np.uintp(x)
                floats[first + np.uintp(x)] = (np.float32(seen[place]) - means[place]) * scale


@_compiled
def minus_channels(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_channels`."""
    channels, height, width = out.shape
    seen, floats = pixels.reshape(-1), out.reshape(-1)
    for row in range(channels * height):
        first = np.uintp(row * width)
        for x in range(_AHEAD * width, (_AHEAD + 1) * width, _LINE):
            _fetch(floats, first + np.uintp(x))  # type: ignore[call-arg]
        begin = np.uintp((row // height * pixels.shape[1] + top + row % height) * pixels.shape[2] + left)
        offset = mean[row // height]
        if mirror:
            end = begin + np.uintp(width - 1)
            for x in range(width):
                floats[first + np.uintp(x)] = (np.float32(seen[end - np.uintp(x)]) - offset) * scale
        else:
            for x in range(width):
                floats[first + np.uintp(x)] = (np.float32(seen[begin + np.uintp(x)]) - offset) * scale


@_compiled
def _fetch_rows(floats, first, second, third, width):  # type: ignore[no-untyped-def]
    """Begin to bring rows of three planes into the cache, so many before they are written."""
    for x in range(_AHEAD * width, (_AHEAD + 1) * width, _LINE):
        _fetch(floats, first + np.uintp(x))  # type: ignore[call-arg]
        _fetch(floats, second + np.uintp(x))
        _fetch(floats, third + np.uintp(x))


@_compiled
def minus_image_together(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_image_together`."""
    _, height, width = out.shape
    seen, means, floats = pixels.reshape(-1), mean.reshape(-1), out.reshape(-1)
    plane, plane_seen = np.uintp(height * width), np.uintp(pixels.shape[0] * pixels.shape[1])
    for y in range(height):
        first = np.uintp(y * width)
        second, third = first + plane, first + plane + plane
        _fetch_rows(floats, first, second, third, width)
        begin = np.uintp((top + y) * pixels.shape[1] + left)
        if mirror:
            begin += np.uintp(width - 1)
            begin_second, begin_third = begin + plane_seen, begin + plane_seen + plane_seen
            for x in range(width):
                step, pixel = np.uintp(x), np.uintp(3) * begin - np.uintp(3 * x)
                floats[first + step] = (np.float32(seen[pixel]) - means[begin - step]) * scale
                floats[second + step] = (np.float32(seen[pixel + np.uintp(1)]) - means[begin_second - step]) * scale
                floats[third + step] = (np.float32(seen[pixel + np.uintp(2)]) - means[begin_third - step]) * scale
        else:
            begin_second, begin_third = begin + plane_seen, begin + plane_seen + plane_seen
            for x in range(width):
                step, pixel = np.uintp(x), np.uintp(3) * begin + np.uintp(3 * x)
                floats[first + step] = (np.float32(seen[pixel]) - means[begin + step]) * scale
                floats[second + step] = (np.float32(seen[pixel + np.uintp(1)]) - means[begin_second + step]) * scale
                floats[third + step] = (np.float32(seen[pixel + np.uintp(2)]) - means[begin_third + step]) * scale


@_compiled
def minus_channels_together(pixels, top, left, mirror, mean, scale, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.minus_channels_together`."""
    _, height, width = out.shape
    seen, floats = pixels.reshape(-1), out.reshape(-1)
    plane = np.uintp(height * width)
    mean_first, mean_second, mean_third = mean[0], mean[1], mean[2]
    for y in range(height):
        first = np.uintp(y * width)
        second, third = first + plane, first + plane + plane
        _fetch_rows(floats, first, second, third, width)
        begin = np.uintp(3 * ((top + y) * pixels.shape[1] + left))
        if mirror:
            end = begin + np.uintp(3 * (width - 1))
            for x in range(width):
                step, pixel = np.uintp(x), end - np.uintp(3 * x)
                floats[first + step] = (np.float32(seen[pixel]) - mean_first) * scale
                floats[second + step] = (np.float32(seen[pixel + np.uintp(1)]) - mean_second) * scale
                floats[third + step] = (np.float32(seen[pixel + np.uintp(2)]) - mean_third) * scale
        else:
            for x in range(width):
                step, pixel = np.uintp(x), begin + np.uintp(3 * x)
                floats[first + step] = (np.float32(seen[pixel]) - mean_first) * scale
                floats[second + step] = (np.float32(seen[pixel + np.uintp(1)]) - mean_second) * scale
                floats[third + step] = (np.float32(seen[pixel + np.uintp(2)]) - mean_third) * scale


@_compiled
def split(pixels, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.split`."""
    channels, height, width = out.shape
    together, planes = pixels.reshape(-1), out.reshape(-1)
    plane = np.uintp(height * width)
    if channels == 3:  # a step that is known is vectorised
        for x in range(height * width):
            place, pixel = np.uintp(x), np.uintp(3 * x)
            planes[place] = together[pixel]
            planes[place + plane] = together[pixel + np.uintp(1)]
            planes[place + plane + plane] = together[pixel + np.uintp(2)]
    else:
        for x in range(height * width):
            for c in range(channels):
                planes[np.uintp(c) * plane + np.uintp(x)] = together[np.uintp(channels * x + c)]


@_compiled
def interpolate(pixels, rows, columns, out):  # type: ignore[no-untyped-def]
    """See `kernels_numpy.interpolate`."""
    upper, lower, from_upper, from_lower = rows
    left, right, from_left, from_right = columns
    channels, height, width = out.shape
    seen, planes = pixels.ravel(), out.reshape(-1)
    lines = np.empty(2 * width, np.int32)  # rows resized along x: one of an even number and one of an odd
    held = np.empty(2, np.int64)
    for c in range(channels):
        held[:] = -1
        for y in range(height):
            for source in (upper[y], lower[y]):
                if held[source % 2] != source:
                    held[source % 2] = source
                    line = np.uintp(source % 2 * width)
                    row = np.uintp((c * pixels.shape[1] + source) * pixels.shape[2])
                    for x in range(width):
                        near = np.int32(seen[row + np.uintp(left[x])]) * from_left[x]
                        far = np.int32(seen[row + np.uintp(right[x])]) * from_right[x]
                        lines[line + np.uintp(x)] = (near + far) >> 4
            above, below = np.uintp(upper[y] % 2 * width), np.uintp(lower[y] % 2 * width)
            from_above, from_below = from_upper[y], from_lower[y]
            first = np.uintp((c * height + y) * width)
            for x in range(width):
                step = np.uintp(x)
                sum_of_both = (lines[above + step] * from_above >> 16) + (lines[below + step] * from_below >> 16)
                planes[first + step] = (sum_of_both + 2) >> 2


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
