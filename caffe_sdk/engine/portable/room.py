"""Room for what is needed only while one operation computes, kept by each thread: new memory has to be cleared."""

from __future__ import annotations

import math
import threading

import numpy as np

from caffe_sdk.memory import ALIGNMENT, Array, Shape, aligned

FLOATS = ALIGNMENT // 4  # of a cache line

_kept = threading.local()


def room(*shapes: Shape) -> list[Array]:
    """Arrays of float32 numbers, whatever they are, each on a cache line; the same ones are the next caller's."""
    counts = [-(-math.prod(shape) // FLOATS) * FLOATS for shape in shapes]
    kept: Array | None = getattr(_kept, "numbers", None)
    if kept is None or kept.size < sum(counts):
        _kept.numbers = None  # given back before more is asked for
        kept = _kept.numbers = aligned(sum(counts), np.float32)
    ends = np.cumsum(counts)
    return [
        kept[end - count : end - count + math.prod(shape)].reshape(shape)
        for shape, count, end in zip(shapes, counts, ends, strict=True)
    ]
