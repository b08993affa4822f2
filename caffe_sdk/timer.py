"""A stopwatch, as pycaffe has it."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


class Timer:
    """Measures between `start` and `stop`; ``ms`` has the milliseconds.

    Layers of the CPU engines have run when a call returns, so the time is the wall clock's.
    """

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds: float | None = None

    def start(self) -> None:
        """Begin to measure; does nothing while measuring."""
        if self._started is None:
            self._started = time.perf_counter()

    def stop(self) -> None:
        """Stop measuring; does nothing otherwise."""
        if self._started is not None:
            self._seconds = time.perf_counter() - self._started
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
