"""Who computes: a few threads that take whatever is due, of all models and of nets that clients run themselves.

Every operation is divided among all threads there are (`caffe_sdk.threads`): what is computed beside it only waits for
the same processors. So there is one line for all. And all of a server's computing is in these threads: OpenMP has
helpers for each thread that computes, and lets all of them sleep at once, instead of in a while, when there are more
than processors, which makes a net of small layers take twice the time.

Waking a thread takes as long as a small layer. So the thread that computes a batch is the one that waited for it to be
due; nobody stands between it and whoever sends the request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from caffe_sdk import threads
from caffe_sdk.errors import ArgumentError, NotReadyError
from caffe_sdk.serving.requests import NEVER

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[], object]


class Source(Protocol):
    """What has work now and then, such as a line of requests. It is asked with `Processors.changed` held."""

    def due(self) -> float:
        """When it has had work since, or will have, by `time.monotonic`; `NEVER` while there is none."""

    def take(self) -> Work:
        """The work that is due; it is done without the lock, and raises nothing."""


class Processors:
    """``parallel`` threads that compute, one work each at a time; what has been due for longest comes first."""

    def __init__(self, parallel: int = 1) -> None:
        """ArgumentError for fewer than one. More than one divide the threads of operations among them."""
        if parallel < 1:
            raise ArgumentError("parallel", f"{parallel} batches at a time", "give 1 or more")
        if parallel > 1:
            threads.set_num_threads(max(1, (threads.asked() or threads.usable_cpus()) // parallel))
        self.changed = threading.Condition()
        """Held while sources change or are asked; to be notified when one may have work sooner than it said."""
        self._given = _Given()
        self._sources: list[Source] = [self._given]
        self._ended = False
        self._threads = [
            threading.Thread(target=self._compute, name=f"caffe-compute-{i}", daemon=True) for i in range(parallel)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, source: Source) -> None:
        """Do a source's work from now on."""
        with self.changed:
            self._sources.append(source)
            self.changed.notify_all()

    def remove(self, source: Source) -> None:
        """Do no more work of a source; what it was asked for before may be under way still."""
        with self.changed:
            self._sources = [each for each in self._sources if each is not source]

    def run(self, work: Callable[[], Result]) -> Result:
        """Do some work when its turn comes, and give what it gives or raises. Not to be called by work.

        NotReadyError once the processors were closed.
        """
        future: Future[Result] = Future()

        def settle() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                future.set_exception(error)
            else:
                future.set_result(result)

        with self.changed:
            if self._ended:
                raise NotReadyError("server", "is about to end", "ask another one, or later")
            self._given.put(settle)
            self.changed.notify()
        return future.result()

    def close(self) -> None:
        """End the threads, when what is due is done."""
        with self.changed:
            self._ended = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _compute(self) -> None:
        while True:
            work = self._next()
            if work is None:
                return
            try:
                work()
            except Exception:
                log.exception("work of a server failed in a way it should not")
            del work  # and with it the request, while the next one is waited for

    def _next(self) -> Work | None:
        """Wait for work; None at the end."""
        with self.changed:
            while True:
                due, source = min(((each.due(), each) for each in self._sources), key=lambda pair: pair[0])
                left = due - time.monotonic()
                if left <= 0:
                    return source.take()
                if self._ended:
                    return None
                self.changed.wait(min(left, threading.TIMEOUT_MAX))


class _Given:
    """Work that somebody waits for, in the order of asking."""

    def __init__(self) -> None:
        self._line: deque[tuple[float, Work]] = deque()

    def put(self, work: Work) -> None:
        self._line.append((time.monotonic(), work))

    def due(self) -> float:
        return self._line[0][0] if self._line else NEVER

    def take(self) -> Work:
        return self._line.popleft()[1]
