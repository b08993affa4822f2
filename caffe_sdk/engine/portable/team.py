"""Loops divided among threads: each takes a part of what is looped over. BLAS has threads of its own.

Compiled loops run without the interpreter's lock, so plain threads do. A forked child computes with one thread (see
`caffe_sdk.threads`) and never meets the parent's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from caffe_sdk.threads import num_threads

LEAST = 1 << 15
"""Numbers for a thread, below which it costs more to ask another than to compute."""


def shared(work: Callable[[int, int], object], count: int, numbers: int) -> None:
    """Call ``work(start, end)`` for parts of ``range(count)`` that cover it, when all of it touches so many numbers."""
    parts = min(num_threads(), count, numbers // LEAST)
    if parts <= 1:
        work(0, count)
        return
    bounds = [count * i // parts for i in range(parts + 1)]
    others = [_pool(parts - 1).submit(work, bounds[i], bounds[i + 1]) for i in range(1, parts)]
    try:
        work(bounds[0], bounds[1])
    finally:
        for other in others:
            other.result()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait to be asked."""
    return ThreadPoolExecutor(threads, thread_name_prefix="caffe-loops")
