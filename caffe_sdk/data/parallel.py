"""A function over many items in several threads: results in the order of the items, memory bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # items begun for each thread


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int = 0) -> Iterator[Result]:
    """``function(item)`` of each item, in their order, computed by ``workers`` threads (0: one for each processor).

    At most a few items for each thread are begun and not yet taken. What the function raises is raised where its result
    would have come. Decoders and Numba's kernels let go of the interpreter lock, so threads are enough.
    """
    workers = workers or os.cpu_count() or 1
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, "decode") as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > workers * AHEAD:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
