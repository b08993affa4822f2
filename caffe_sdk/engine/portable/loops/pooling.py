"""Windows over planes. x is (planes, h, w), y and mask are (planes, rows, columns) of windows.

A row of windows is pooled down first, for all columns at once, into a line: the padding in front of a row, the row,
and whatever the last window reaches to behind it.
"""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import compiled, inlined
from caffe_sdk.memory import Array

Window = tuple[int, int, int, int, int, int]
"""Kernel, stride and padding, each down and across."""
NOWHERE = np.int32(2**31 - 1)


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
            if across == 1:
                _largest(line, y[plane, row], kw, 1)
            elif across == 2:
                _largest(line, y[plane, row], kw, 2)
            else:
                _largest(line, y[plane, row], kw, across)


@inlined
def _largest(line: Array, best: Array, kw: int, across: int) -> None:
    """The largest of each window on a line. A distance that is known when this is compiled makes it quick."""
    for q in range(best.size):
        best[q] = line[q * across]
    for j in range(1, kw):
        for q in range(best.size):
            other = line[q * across + j]
            best[q] = other if other > best[q] else best[q]


@compiled
def max_pool_where(x: Array, y: Array, mask: Array, window: Window, lowest: float) -> None:
    """The maximum of each window and its index in the plane, the first of equals; -1 of a window that sees nothing.

    A line is cut into parts here: what windows next to each other see at one of their places lies side by side.
    """
    planes, height, width = x.shape
    _, rows, columns = y.shape
    kh, kw, down, across, top, left = window
    line, where = np.empty(width, x.dtype), np.empty(width, np.int32)
    slots = max(columns + kw // across + 1, (left + width) // across + 1)
    values, places = np.full((across, slots), lowest, x.dtype), np.full((across, slots), NOWHERE, np.int32)
    for plane in range(planes):
        for row in range(rows):
            start, end = max(0, row * down - top), min(row * down - top + kh, height)
            line[:] = lowest
            where[:] = NOWHERE
            for i in range(start, end):
                seen = x[plane, i]
                for j in range(width):
                    better = seen[j] > line[j] or i == start
                    line[j] = seen[j] if better else line[j]
                    where[j] = i * width + j if better else where[j]
            slot, part = divmod(left, across)
            for j in range(width):
                values[part, slot], places[part, slot] = line[j], where[j]
                part += 1
                if part == across:
                    slot, part = slot + 1, 0
            best, chosen = y[plane, row], mask[plane, row]
            for q in range(columns):
                best[q], chosen[q] = values[0, q], places[0, q]
            for j in range(1, kw):
                first, part = divmod(j, across)
                others, theirs = values[part, first : first + columns], places[part, first : first + columns]
                for q in range(columns):
                    better = (others[q] > best[q]) | ((others[q] == best[q]) & (theirs[q] < chosen[q]))
                    best[q] = others[q] if better else best[q]
                    chosen[q] = theirs[q] if better else chosen[q]
            for q in range(columns):
                chosen[q] = chosen[q] if chosen[q] != NOWHERE else -1


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
