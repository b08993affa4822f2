"""Threads for calls, and how many calls wait for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Pool(ThreadPoolExecutor):
    """Threads for calls. A call has its thread from before its message has come until it is answered."""

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, name)
        self._counting = threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Calls for which there is no thread yet."""
        return self._waiting

    def submit(self, work: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """As every executor does."""
        self._count(1)
        try:
            return super().submit(self._begin, work, *args, **kwargs)
        except RuntimeError:  # it was shut down
            self._count(-1)
            raise

    def _begin(self, work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        self._count(-1)
        return work(*args, **kwargs)

    def _count(self, more: int) -> None:
        with self._counting:
            self._waiting += more
