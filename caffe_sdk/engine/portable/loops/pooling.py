"""Windows over planes. x is (planes, h, w), y and mask are (planes, rows, columns) of windows.

A row of windows is pooled down first, for all columns at once, into a line: the padding in front of a row, the row,
and whatever the last window reaches to behind it.
"""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array

Window = tuple[int, int, int, int, int, int]
"""Kernel, stride and padding, each down and across."""


@compiled
def max_pool(x: Array, y: Array, window: Window, lowest: float) -> None:
    """The maximum of each window, ``lowest`` of one that sees nothing."""
    planes, height, width = x.shape
    _, rows, columns = y.shape
    kh, kw, down, across, top, left = window
    line = np.empty(max((columns - 1) * across + kw, left + width), x.dtype)
    inside = line[left : left + width]
    for plane in range(planes):
        for row in range(rows):
            start, end = row * down - top, min(row * down - top + kh, height)
            start = max(start, 0)
            line[:] = lowest
            for i in range(start, end):
                seen = x[plane, i]
                for j in range(width):
                    inside[j] = seen[j] if i == start or seen[j] > inside[j] else inside[j]
            best = y[plane, row]
            for q in range(columns):
                value = line[q * across]
                for j in range(1, kw):
                    other = line[q * across + j]
                    value = other if other > value else value
                best[q] = value


@compiled
def max_pool_where(x: Array, y: Array, mask: Array, window: Window, lowest: float) -> None:
    """The maximum of each window and its index in the plane, the first of equals; -1 of a window that sees nothing."""
    planes, height, width = x.shape
    _, rows, columns = y.shape
    kh, kw, down, across, top, left = window
    count = max((columns - 1) * across + kw, left + width)
    line, lines_row = np.empty(count, x.dtype), np.empty(count, np.int32)
    inside, inside_row = line[left : left + width], lines_row[left : left + width]
    for plane in range(planes):
        for row in range(rows):
            start, end = row * down - top, min(row * down - top + kh, height)
            start = max(start, 0)
            line[:] = lowest
            lines_row[:] = -1
            for i in range(start, end):
                seen = x[plane, i]
                for j in range(width):
                    better = i == start or seen[j] > inside[j]
                    inside[j] = seen[j] if better else inside[j]
                    inside_row[j] = i if better else inside_row[j]
            best, place = y[plane, row], mask[plane, row]
            for q in range(columns):
                at = q * across
                value, its_row = line[at], lines_row[at]
                chosen = at
                for j in range(at + 1, at + kw):
                    other, others_row = line[j], lines_row[j]
                    better = other > value or (other == value and 0 <= others_row < its_row)
                    value = other if better else value
                    its_row = others_row if better else its_row
                    chosen = j if better else chosen
                best[q] = value
                place[q] = its_row * width + chosen - left if its_row >= 0 else -1


@compiled
def max_pool_grad(dy: Array, mask: Array, dx: Array) -> None:
    """dx[mask] += dy, all (planes, values); an index that is none is left out."""
    dx[:] = 0
    planes, count = dy.shape
    size = dx.shape[1]
    for plane in range(planes):
        for i in range(count):
            at = mask[plane, i]
            if 0 <= at < size:
                dx[plane, at] += dy[plane, i]


@compiled
def average_pool(x: Array, y: Array, shares: Array, window: Window) -> None:
    """The sum of each window times its share (rows, columns)."""
    planes, height, width = x.shape
    _, rows, columns = y.shape
    kh, kw, down, across, top, left = window
    line = np.zeros(max((columns - 1) * across + kw, left + width), x.dtype)
    inside = line[left : left + width]
    for plane in range(planes):
        for row in range(rows):
            inside[:] = 0
            for i in range(max(0, row * down - top), min(row * down - top + kh, height)):
                seen = x[plane, i]
                for j in range(width):
                    inside[j] += seen[j]
            for q in range(columns):
                total = line[q * across]
                for j in range(1, kw):
                    total += line[q * across + j]
                y[plane, row, q] = total * shares[row, q]


@compiled
def average_pool_grad(dy: Array, dx: Array, shares: Array, window: Window) -> None:
    """dx += dy times its share, at every place of its window."""
    planes, height, width = dx.shape
    _, rows, columns = dy.shape
    kh, kw, down, across, top, left = window
    line = np.empty(max((columns - 1) * across + kw, left + width), dx.dtype)
    inside = line[left : left + width]
    dx[:] = 0
    for plane in range(planes):
        for row in range(rows):
            line[:] = 0
            for q in range(columns):
                share = dy[plane, row, q] * shares[row, q]
                for j in range(kw):
                    line[q * across + j] += share
            for i in range(max(0, row * down - top), min(row * down - top + kh, height)):
                sums = dx[plane, i]
                for j in range(width):
                    sums[j] += inside[j]
