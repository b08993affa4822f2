"""A lock that serves in the order of asking."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """Mutual exclusion, first come first served; not reentrant.

    Training takes the lock anew for every iteration. With `threading.Lock` it would win it back each time before anyone
    waiting wakes up; here whoever asked meanwhile comes next.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    def __enter__(self) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                self._changed.wait_for(lambda: self._line[0] is ticket)
            except BaseException:  # Ctrl-C while waiting: leave the line
                self._line.remove(ticket)
                self._changed.notify_all()
                raise

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._line.popleft()
            self._changed.notify_all()
