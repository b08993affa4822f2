"""Loops at work on a record, by one thread or a team."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from caffe_sdk.engine.portable.team import LEAST, shared
from caffe_sdk.memory import Array

COUNTERS = ("ticket", "thread")


class Record:
    """What a loop works on, taken by so many threads, or as many as there are items.

    It begins with what threads count up, the next item's ``ticket`` and where threads have room of their own the next
    ``thread``'s number, and says how many ``items`` there are.
    """

    def __init__(self, kind: np.dtype[Any], values: Mapping[str, Any], threads: int) -> None:
        self.numbers = np.zeros(1, kind)
        for name, value in values.items():
            self.numbers[name] = value
        counters = sum(name in COUNTERS for name in kind.names or ())
        self._counters = self.numbers.view(np.int64)[:counters]
        self.threads = min(threads, int(self.numbers["items"][0]))
        self.address = address(self.numbers)

    def begin(self) -> None:
        """No item is taken."""
        self._counters[:] = 0


def run(loop: str, kind: np.dtype[Any], values: Mapping[str, Any], threads: int) -> None:
    """Do all items of a record with a loop of `loops.winograd`."""
    record, function = Record(kind, values, threads), _function(loop)
    record.begin()
    shared(lambda i, j: function(record.address), record.threads, record.threads * LEAST)


@functools.cache
def _function(loop: str) -> Callable[[int], None]:
    from caffe_sdk.engine.portable.loops.compiled import as_function
    from caffe_sdk.engine.portable.loops.winograd import LOOPS

    return as_function(*LOOPS[loop])


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.ctypes.data)
