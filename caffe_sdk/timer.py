"""A stopwatch, as pycaffe has it."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable

log = logging.getLogger(__name__)


_waits: list[weakref.WeakMethod[Callable[[], None]]] = []


def wait_for(wait: Callable[[], None]) -> None:
    """Let timers wait, by a bound method, for a device that computes after a call has returned."""
    _waits[:] = [one for one in _waits if one() is not None]
    _waits.append(weakref.WeakMethod(wait))


def now() -> float:
    """The wall clock's seconds, when all devices have done what was asked of them."""
    for one in _waits:
        wait = one()
        if wait is not None:
            wait()
    return time.perf_counter()


class Timer:
    """Measures between `start` and `stop`; ``ms`` has the milliseconds. Both wait for GPUs that compute."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds: float | None = None

    def start(self) -> None:
        """Begin to measure; does nothing while measuring."""
        if self._started is None:
            self._started = now()

    def stop(self) -> None:
        """Stop measuring; does nothing otherwise."""
        if self._started is not None:
            self._seconds = now() - self._started
            self._started = None

    @property
    def ms(self) -> float:
        """Milliseconds from the last start to the stop, which is now if there was none; 0 if the timer never ran."""
        self.stop()
        if self._seconds is None:
            log.warning("Timer has never been run before reading time.")
        return 1000 * (self._seconds or 0.0)

    def __repr__(self) -> str:
        if self._started is not None:
            return "<Timer: running>"
        return "<Timer: not run>" if self._seconds is None else f"<Timer: {1000 * self._seconds:.3f} ms>"
