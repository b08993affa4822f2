"""Ends calls that take too long, streams whose readers take nothing, and requests that do not come.

A reply that cannot be sent holds up the training that made it, and a thread. gRPC keeps one reply at most for a reader
that does not read, so memory does not grow; after a while the call is cancelled, and the training ends with it. The one
reply of other calls holds no thread, but its memory; it is given up as soon.

A request that trickles in holds a thread, too. It may take its time as long as there are threads; when other calls wait
for one, the slowest senders make way.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from caffe_sdk.errors import DeadlineError
from caffe_sdk.server.security.limits import Limits

log = logging.getLogger(__name__)

PERIOD = 0.25  # seconds between two looks
PATIENCE = 1.0
"""Seconds that every request has to come, however many calls wait for a thread."""


class Cancellable(Protocol):
    """What is known of a call: gRPC's context."""

    def cancel(self) -> object:
        """End the call."""


class Crowded(Protocol):
    """What is known of the threads that answer calls."""

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""


class Watched:
    """A call under way: since when, and since when a reply waits to be sent, a message to come (None: none does)."""

    def __init__(self, call: Cancellable, now: float, pool: Crowded | None) -> None:
        self.call, self.since, self.pool = call, now, pool
        self.sending: float | None = None
        self.receiving: float | None = None


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
    def watching(self, call: Cancellable, pool: Crowded | None = None) -> Iterator[Watched]:
        """Watch a call for as long as it is under way; ``pool`` is whose thread it has."""
        watched = Watched(call, self._clock(), pool)
        with self._lock:
            self._watched.add(watched)
        try:
            yield watched
        finally:
            self._forget(watched)

    def sending(self, watched: Watched) -> None:
        """A reply of a stream is about to be sent. DeadlineError when the call has taken its time."""
        most = self._limits.call_seconds
        if most and self._clock() - watched.since > most:
            raise DeadlineError("call", f"took more than the {most:g} s a call may take", "do less in one call")
        watched.sending = self._clock()

    def replying(self, call: Cancellable, when_over: Callable[[Callable[[], None]], None]) -> None:
        """The one reply of a call is about to be sent, by gRPC itself; ``when_over`` does something when it was."""
        watched = Watched(call, self._clock(), None)
        watched.sending = watched.since
        with self._lock:
            self._watched.add(watched)
        when_over(lambda: self._forget(watched))

    def receiving(self, watched: Watched) -> None:
        """A message of a call is awaited."""
        watched.receiving = self._clock()

    def under_way(self) -> list[Watched]:
        """The calls that are watched."""
        with self._lock:
            return list(self._watched)

    def look(self) -> None:
        """Cancel what takes too long, once."""
        now, stall, most = self._clock(), self._limits.stall_seconds, self._limits.call_seconds
        arrival = self._limits.receive_seconds
        watched = self.under_way()
        for each in watched:
            if stall and each.sending is not None and now - each.sending > stall:
                log.warning("a call is ended: its reader took nothing for %g s", stall)
                self._cancel(each)
            elif most and now - each.since > most + PERIOD * 2 and each.sending is None:
                log.warning("a call is ended: it took more than %g s", most)
                self._cancel(each)
            elif arrival and each.receiving is not None and now - each.receiving > arrival:
                log.warning("a call is ended: its message did not come in %g s", arrival)
                self._cancel(each)
        self._make_way(now, watched)

    def _make_way(self, now: float, watched: Sequence[Watched]) -> None:
        """Where calls wait for threads, end as many that have one and whose messages do not come, the slowest first."""
        for pool in {each.pool for each in watched if each.pool is not None and each.pool.waiting}:
            since = {each: each.receiving for each in watched if each.pool is pool and each.receiving is not None}
            for each in sorted(since, key=since.__getitem__)[: pool.waiting]:
                if now - since[each] > PATIENCE:
                    log.warning("a call is ended: others wait, and its message did not come in %g s", PATIENCE)
                    self._cancel(each)

    def _cancel(self, watched: Watched) -> None:
        self._forget(watched)
        watched.call.cancel()

    def _forget(self, watched: Watched) -> None:
        with self._lock:
            self._watched.discard(watched)

    def close(self) -> None:
        """Look no more."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(PERIOD):
            self.look()
