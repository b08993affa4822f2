"""Ends calls that take too long, and streams whose readers take nothing.

A reply that cannot be sent holds up the training that made it, and a thread. gRPC keeps one reply at most for a reader
that does not read, so memory does not grow; after a while the call is cancelled, and the training ends with it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from caffe_sdk.errors import DeadlineError
from caffe_sdk.server.security.limits import Limits

log = logging.getLogger(__name__)

PERIOD = 0.25  # seconds between two looks


class Cancellable(Protocol):
    """What is known of a call: gRPC's context."""

    def cancel(self) -> object:
        """End the call."""


class Watched:
    """A call under way: since when, and since when its last reply waits to be sent (None: none waits)."""

    def __init__(self, call: Cancellable, now: float) -> None:
        self.call, self.since = call, now
        self.sending: float | None = None


class Watchdog:
    """Looks at all calls under way every now and then, from a thread of its own."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._watched: set[Watched] = set()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caffe-watchdog", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def watching(self, call: Cancellable) -> Iterator[Watched]:
        """Watch a call for as long as it is under way."""
        watched = Watched(call, self._clock())
        with self._lock:
            self._watched.add(watched)
        try:
            yield watched
        finally:
            with self._lock:
                self._watched.discard(watched)

    def sending(self, watched: Watched) -> None:
        """A reply of a stream is about to be sent. DeadlineError when the call has taken its time."""
        most = self._limits.call_seconds
        if most and self._clock() - watched.since > most:
            raise DeadlineError("call", f"took more than the {most:g} s a call may take", "do less in one call")
        watched.sending = self._clock()

    def look(self) -> None:
        """Cancel what takes too long, once."""
        now, stall, most = self._clock(), self._limits.stall_seconds, self._limits.call_seconds
        with self._lock:
            watched = list(self._watched)
        for each in watched:
            if stall and each.sending is not None and now - each.sending > stall:
                log.warning("a stream is ended: its reader took nothing for %g s", stall)
                self._cancel(each)
            elif most and now - each.since > most + PERIOD * 2 and each.sending is None:
                log.warning("a call is ended: it took more than %g s", most)
                self._cancel(each)

    def _cancel(self, watched: Watched) -> None:
        with self._lock:
            self._watched.discard(watched)
        watched.call.cancel()

    def close(self) -> None:
        """Look no more."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(PERIOD):
            self.look()
