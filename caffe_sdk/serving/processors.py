"""Who may compute: so many batches at a time, whatever models they are of, first come first served."""

from __future__ import annotations

import threading
from collections import deque


class Processors:
    """Room for ``parallel`` batches that are computed at a time. Used in a ``with`` block, and not twice by a thread.

    Every operation is divided among all threads there are (`caffe_sdk.threads`): what is computed beside it only waits
    for the same processors. So there is one line for all models.
    """

    def __init__(self, parallel: int = 1) -> None:
        self._changed = threading.Condition()
        self._free = parallel
        self._line: deque[object] = deque()

    def __enter__(self) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            self._changed.wait_for(lambda: self._free > 0 and self._line[0] is ticket)
            self._line.popleft()
            self._free -= 1
            self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()
