"""Whether a program is quicker by all threads or by one alone, while somebody else wants the cores.

Threads meet after every step. One that is kept from its core by another process holds up all, for as long as the system
lets the other compute: milliseconds, where a step takes a tenth of one. What all threads then take may be twice of what
one takes. So where the calling thread is found to wait, a few runs are made by it alone, and whatever took less time
goes on, until it is time to look again.
"""

from __future__ import annotations

import statistics
import time
from collections import deque

RUNS = 3
"""Whose median counts; and as often in a row threads have to wait for each other before anything is tried."""
WAITING = 0.2
"""Of a run's time that the calling thread does not compute: less is how threads meet when nobody disturbs them."""
FIRST, LONGEST = 0.25, 2.0
"""Seconds for which what was found holds: twice as long every time it is found again."""


class Pace:
    """Of one program. ``alone`` says how its next run is to be made."""

    def __init__(self) -> None:
        self.alone = False
        self._times: dict[bool, deque[float]] = {how: deque(maxlen=RUNS) for how in (False, True)}
        self._waited = 0
        """Runs in a row in which threads waited for each other."""
        self._trying = 0
        """Runs that are left of a trial."""
        self._until, self._hold = 0.0, FIRST

    def begin(self) -> tuple[float, float]:
        """When a run begins, by the clock and by the calling thread's own."""
        return time.perf_counter(), time.thread_time()

    def end(self, began: tuple[float, float]) -> None:
        """A run has ended."""
        now = time.perf_counter()
        self.took(now - began[0], time.thread_time() - began[1], now)

    def took(self, seconds: float, computing: float, now: float) -> None:
        """How long a run took, how much of it the calling thread computed, and when it ended."""
        self._times[self.alone].append(seconds)
        if self._trying:
            self._trying -= 1
            if not self._trying:
                self._decide(now)
            return
        self._waited = self._waited + 1 if self.alone or seconds - computing > WAITING * seconds else 0
        if self._waited >= RUNS and now >= self._until:
            self.alone = not self.alone
            self._times[self.alone].clear()
            self._trying = RUNS

    def _decide(self, now: float) -> None:
        tried = self.alone
        together, alone = (statistics.median(self._times[how]) for how in (False, True))
        self.alone = alone < together
        self._hold = FIRST if self.alone == tried else min(2 * self._hold, LONGEST)
        self._until, self._waited = now + self._hold, 0
