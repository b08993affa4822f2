"""The health service ``grpc.health.v1``, for orchestrators that ask whether a server takes calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from caffe_sdk.errors import HandleError, LimitError
from caffe_sdk.schema.messages import load
from caffe_sdk.server.call import Call, held_open
from caffe_sdk.server.watchdog import Watchdog

pb = load("grpc")
Reply = pb.HealthCheckResponse

WATCHES = 256
"""Streams of Watch at a time: whoever reaches the port may open them."""


class Health:
    """Tells whether the server and its services take calls: that of models once all are loaded, none when it ends."""

    def __init__(
        self,
        services: Collection[str],
        serving: Callable[[str], bool],
        ending: Callable[[], bool],
        watchdog: Watchdog,
    ) -> None:
        """``serving`` says whether a service takes calls, or with "" the server; ``ending`` whether that ends."""
        self.services = services
        self._serving, self._ending, self._watchdog = serving, ending, watchdog
        self._lock = threading.Lock()  # of the streams; never held while anything is asked or sent
        self._watches: set[_Watch] = set()
        self._threads = ThreadPoolExecutor(WATCHES, "caffe-health")  # a stream that takes nothing holds up one

    def check(self, request: Any, call: Call) -> Any:
        """Health.Check. HandleError for a service there is none of."""
        status = self._status(request.service)
        if status == Reply.SERVICE_UNKNOWN:
            raise HandleError("", f"there is no service '{request.service}'", f"services: {', '.join(self.services)}")
        return Reply(status=status)

    @held_open
    def watch(self, request: Any, call: Call, send: Callable[[Any], None]) -> None:
        """Health.Watch: the status now, and again whenever it changes. LimitError where too many watch."""
        watch = _Watch(request.service, call, send)
        with self._lock:
            if len(self._watches) >= WATCHES:
                raise LimitError("Health.Watch", f"{WATCHES} streams are open", "ask Check every now and then instead")
            self._watches.add(watch)
        call.when_over(lambda: self._forget(watch))
        self._tell(watch)

    def tell(self) -> None:
        """Something may have changed: have those told that watch it. When the server ends their streams do, too."""
        with self._lock:
            watches = list(self._watches)
        for each in watches:
            self._tell(each)

    def _status(self, service: str) -> Any:
        if service and service not in self.services:
            return Reply.SERVICE_UNKNOWN
        return Reply.SERVING if self._serving(service) else Reply.NOT_SERVING

    def _forget(self, watch: _Watch) -> None:
        with self._lock:
            self._watches.discard(watch)

    def _tell(self, watch: _Watch) -> None:
        """Have a thread look at what a stream was not told yet; one at a time, so that order is kept."""
        with self._lock:
            watch.stale = True
            if watch.busy:
                return
            watch.busy = True
        self._threads.submit(self._follow, watch)

    def _follow(self, watch: _Watch) -> None:
        while self._is_stale(watch):
            ending, status = self._ending(), self._status(watch.service)
            with self._watchdog.watching(watch.call.context) as watched:
                self._watchdog.sending(watched)  # a reader that takes nothing is let go
                if status != watch.told:
                    watch.send(Reply(status=status))
                    watch.told = status
                if ending:
                    self._forget(watch)
                    watch.send(None)
                    return

    def _is_stale(self, watch: _Watch) -> bool:
        """Whether there may be something to tell; where there is not, the stream's thread is done."""
        with self._lock:
            stale, watch.stale = watch.stale, False
            watch.busy = stale
            return stale


class _Watch:
    """A stream: what it watches, what it was told last, and whether a thread is telling it more."""

    def __init__(self, service: str, call: Call, send: Callable[[Any], None]) -> None:
        self.service, self.call, self.send = service, call, send
        self.told: Any = None
        self.stale = self.busy = False
