"""Threads on one GPU: whose turn it is, and events, by which streams and threads wait for each other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from ctypes import c_float, c_void_p

from caffe_sdk.engine.cuda import driver
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.errors import DeviceError

_here = threading.local()


def held() -> list[Turn]:
    """The turns that this thread has, one within the other."""
    turns: list[Turn] = _here.__dict__.setdefault("turns", [])
    return turns


class Turn:
    """A thread's turn with a GPU, whose context becomes the thread's. What is captured is one turn: what other threads
    ask for meanwhile would be captured too. Nobody waits for the GPU while it is his turn.

    A turn may come within another GPU's: objects are given back whenever Python comes to it.
    """

    def __init__(self, cuda: Driver, context: c_void_p) -> None:
        self.cuda, self.context = cuda, context
        self.capturing = False
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._later: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self.here()
        except DeviceError:
            self._lock.release()
            raise
        held().append(self)

    def __exit__(self, *error: object) -> None:
        turns = held()
        turns.pop()
        try:
            if turns and turns[-1] is not self:
                turns[-1].here()
        finally:
            self._lock.release()

    def here(self) -> None:
        """Make the GPU's context the thread's: another library may have set another."""
        self.cuda.call("cuCtxSetCurrent", self.context)

    def later(self, work: Callable[[], None]) -> None:
        """Do something in a turn, but not while this GPU or this thread captures, and in a forked child never."""
        if os.getpid() != self._process:
            return
        for turn in (self, *held()):
            if turn.capturing:
                turn._later.append(lambda: self.later(work))
                return
        with self:
            work()

    def captured(self) -> None:
        """The capture is over: do what waited for that."""
        self.capturing = False
        waiting, self._later = self._later, []
        for work in waiting:
            with contextlib.suppress(DeviceError):  # nobody is there to hear of it: things are given back
                work()


class Event:
    """A point on a stream, once it was recorded there. ``timed`` ones know when it was passed."""

    def __init__(self, turn: Turn, timed: bool = False) -> None:
        self._turn = turn
        with turn:
            self._handle = turn.cuda.made("cuEventCreate", 0 if timed else driver.DISABLE_TIMING)

    def record(self, stream: c_void_p) -> None:
        """From now on it is the point where a stream stands: all that it was asked for so far."""
        with self._turn:
            self._turn.cuda.call("cuEventRecord", self._handle, stream)

    def hold(self, stream: c_void_p) -> None:
        """Let what a stream, maybe of another GPU, is asked for from now on wait until the point is passed."""
        self._turn.cuda.call("cuStreamWaitEvent", stream, self._handle, 0)

    def passed(self) -> bool:
        """Whether all before it is done. Raises what went wrong there."""
        self._turn.here()
        return self._turn.cuda.passed(self._handle)

    def wait(self) -> None:
        """Until all before it is done. Raises what went wrong there."""
        self._turn.here()
        self._turn.cuda.call("cuEventSynchronize", self._handle)

    def seconds_to(self, last: Event) -> float:
        """Until a later event was passed; both are timed."""
        last.wait()
        milliseconds = c_float()
        with self._turn:
            self._turn.cuda.call("cuEventElapsedTime", ctypes.byref(milliseconds), self._handle, last._handle)
        return milliseconds.value / 1e3

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            with contextlib.suppress(DeviceError):
                self._turn.later(lambda: self._turn.cuda.call("cuEventDestroy_v2", self._handle))
