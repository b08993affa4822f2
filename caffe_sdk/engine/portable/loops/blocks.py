"""Images and filters brought into blocks of 16 channels, as Winograd's filtering likes them, and back.

Images in blocks are (n, blocks, places, 16). Filters in blocks are (group, blocks out, blocks in, taps, taps, 16 in,
16 out). Where a block is not full, there are zeros.

A window that moves by ``stride`` sees stride x stride phases of an image, each of which it moves over by steps of one:
so phases become channels, channel c's are c stride^2 + stride (row % stride) + column % stride, and a filter's taps are
cut in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, inlined
from caffe_sdk.engine.portable.loops.instructions import LANES, NBYTES
from caffe_sdk.engine.portable.loops.vectors import transpose
from caffe_sdk.memory import Array


@inlined
def _address(array: Array) -> Any:
    return np.int64(array.ctypes.data)


@compiled
def put_images(x: Array, image: Array) -> None:
    """Images in blocks = x (n, channels, places)."""
    images, channels, places = x.shape
    for n in range(images):
        for block in range(image.shape[1]):
            first, to = block * LANES, image[n, block]
            if channels - first >= LANES and places >= LANES:
                source, target = _address(x[n, first]), _address(to)
                for start in range(0, places, LANES):
                    at = min(start, places - LANES)
                    transpose(source + 4 * at, 4 * places, target + NBYTES * at, NBYTES)
            else:
                to[:] = 0
                for lane in range(min(LANES, channels - first)):
                    for i in range(places):
                        to[i, lane] = x[n, first + lane, i]


@compiled
def take_images(image: Array, y: Array) -> None:
    """y (n, channels, places) = images in blocks."""
    images, channels, places = y.shape
    for n in range(images):
        for block in range(image.shape[1]):
            first, of = block * LANES, image[n, block]
            if channels - first >= LANES and places >= LANES:
                source, target = _address(of), _address(y[n, first])
                for start in range(0, places, LANES):
                    at = min(start, places - LANES)
                    transpose(source + NBYTES * at, NBYTES, target + 4 * at, 4 * places)
            else:
                for lane in range(min(LANES, channels - first)):
                    for i in range(places):
                        y[n, first + lane, i] = of[i, lane]


@compiled
def put_phases(x: Array, image: Array, stride: int, pad: tuple[int, int]) -> None:
    """Images in blocks (n, blocks, height, width, 16) = the phases of x (n, channels, h, w), padded."""
    images, channels, h, w = x.shape
    height, width = image.shape[2:4]
    image[:] = 0
    for n in range(images):
        for c in range(channels):
            for i in range(min(h, height * stride - pad[0])):
                row, down = divmod(i + pad[0], stride)
                for across in range(stride):
                    block, lane = divmod((c * stride + down) * stride + across, LANES)
                    source, target = x[n, c, i], image[n, block, row]
                    shift = across - pad[1]
                    for column in range((stride - 1 - shift) // stride, min(width, (w - shift - 1) // stride + 1)):
                        target[column, lane] = source[column * stride + shift]


@compiled
def put_filters(w: Array, blocked: Array, stride: int) -> None:
    """Filters in blocks = w (group, out, channels, kh, kw)."""
    groups, out, channels, kh, kw = w.shape
    blocked[:] = 0
    for g in range(groups):
        for first in range(0, out, LANES):
            of_block = blocked[g, first // LANES]
            for c in range(channels):
                for lane in range(min(LANES, out - first)):
                    of_w = w[g, first + lane, c]
                    for down in range(stride):
                        for across in range(stride):
                            block, of_c = divmod((c * stride + down) * stride + across, LANES)
                            for i, row in enumerate(range(down, kh, stride)):
                                for j, column in enumerate(range(across, kw, stride)):
                                    of_block[block, i, j, of_c, lane] = of_w[row, column]


@compiled
def put_turned_filters(w: Array, blocked: Array) -> None:
    """The same for the way back: channels are out, and outputs in."""
    groups, out, channels, kh, kw = w.shape
    blocked[:] = 0
    for g in range(groups):
        for first in range(0, channels, LANES):
            of_block = blocked[g, first // LANES]
            for o in range(out):
                block, of_o = divmod(o, LANES)
                for lane in range(min(LANES, channels - first)):
                    of_w = w[g, o, first + lane]
                    for i in range(kh):
                        for j in range(kw):
                            of_block[block, i, j, of_o, lane] = of_w[i, j]


@compiled
def add_filters(blocked: Array, w: Array, stride: int) -> None:
    """w (group, out, channels, kh, kw) += filters in blocks."""
    groups, out, channels, kh, kw = w.shape
    for g in range(groups):
        for first in range(0, out, LANES):
            of_block = blocked[g, first // LANES]
            for c in range(channels):
                for lane in range(min(LANES, out - first)):
                    of_w = w[g, first + lane, c]
                    for down in range(stride):
                        for across in range(stride):
                            block, of_c = divmod((c * stride + down) * stride + across, LANES)
                            for i, row in enumerate(range(down, kh, stride)):
                                for j, column in enumerate(range(across, kw, stride)):
                                    of_w[row, column] += of_block[block, i, j, of_c, lane]
