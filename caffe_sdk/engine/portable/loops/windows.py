"""Windows of images as columns of a matrix, and back; a matrix of one row for each channel, and back.

An image here is padded, and every row is cut into as many parts as a window moves by: part s has the numbers s,
s + stride, ... So what windows next to each other see at one of their places lies side by side. ``image`` is
(n, channels, rows, parts, numbers), ``columns`` is (channels, kh, kw, rows of windows, windows of a row), the rows
counted through all images.
"""

from __future__ import annotations

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array

Steps = tuple[int, int, int, int]
"""How far windows move down, how far apart a window's places are down and across, and rows of windows of an image."""


@compiled
def unroll(image: Array, channel: int, first: int, columns: Array, steps: Steps) -> None:
    """Columns of rows of windows from ``first`` on, of channels from ``channel`` on."""
    channels, kh, kw, rows, width = columns.shape
    down, dilated_down, dilated_across, height = steps
    parts = image.shape[3]
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                start, part = divmod(j * dilated_across, parts)
                n, row = divmod(first, height)
                for r in range(rows):
                    seen = image[n, channel + c, row * down + i * dilated_down, part, start : start + width]
                    column = columns[c, i, j, r]
                    for q in range(width):
                        column[q] = seen[q]
                    row += 1
                    if row == height:
                        n, row = n + 1, 0


@compiled
def roll(columns: Array, image: Array, channel: int, first: int, steps: Steps) -> None:
    """The transpose of `unroll`: add columns to where they came from."""
    channels, kh, kw, rows, width = columns.shape
    down, dilated_down, dilated_across, height = steps
    parts = image.shape[3]
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                start, part = divmod(j * dilated_across, parts)
                n, row = divmod(first, height)
                for r in range(rows):
                    seen = image[n, channel + c, row * down + i * dilated_down, part, start : start + width]
                    column = columns[c, i, j, r]
                    for q in range(width):
                        seen[q] += column[q]
                    row += 1
                    if row == height:
                        n, row = n + 1, 0


@compiled
def scatter(matrix: Array, bias: Array, y: Array, channel: int, first: int) -> None:
    """y (n, channels, places) = a matrix (channels, places through all images, from ``first`` on) + bias."""
    channels, count = matrix.shape
    places = y.shape[2]
    for c in range(channels):
        n, place = divmod(first, places)
        done, b = 0, bias[c]
        while done < count:
            length = min(places - place, count - done)
            source = matrix[c, done : done + length]
            target = y[n, channel + c, place : place + length]
            for i in range(length):
                target[i] = source[i] + b
            done += length
            n, place = n + 1, 0


@compiled
def gather(y: Array, channel: int, first: int, matrix: Array) -> None:
    """The way back from `scatter`, without bias: the matrix of y."""
    channels, count = matrix.shape
    places = y.shape[2]
    for c in range(channels):
        n, place = divmod(first, places)
        done = 0
        while done < count:
            length = min(places - place, count - done)
            source = y[n, channel + c, place : place + length]
            target = matrix[c, done : done + length]
            for i in range(length):
                target[i] = source[i]
            done += length
            n, place = n + 1, 0
