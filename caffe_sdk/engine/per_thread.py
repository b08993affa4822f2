"""What a thread chooses for itself, as Caffe's mode and device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class PerThread(Generic[T]):
    """A value that each thread sets for itself. One that has not follows the main thread."""

    def __init__(self, first: T) -> None:
        self._main = first
        self._own = threading.local()

    def get(self) -> T:
        """What the calling thread has set, else the main thread."""
        return cast(T, getattr(self._own, "value", self._main))

    def set(self, value: T) -> None:
        """Set it for the calling thread."""
        if threading.current_thread() is threading.main_thread():
            self._main = value
        else:
            self._own.value = value

    @contextmanager
    def held(self, value: T) -> Iterator[None]:
        """Set it inside a with block."""
        main, own = self._main, dict(vars(self._own))
        self.set(value)
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                self._main = main
            else:
                vars(self._own).clear()
                vars(self._own).update(own)
