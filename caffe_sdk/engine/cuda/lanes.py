"""Lanes: what goes on beside a device's own work, in an order with it only where somebody asks for one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from ctypes import c_void_p

from caffe_sdk.engine.cuda import driver
from caffe_sdk.engine.cuda.device import Guard
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.turn import Event
from caffe_sdk.errors import DeviceError

AWAKE = 1e-3
"""Seconds that a watchful wait asks without a pause, before it sleeps in between."""
NAP = 5e-5
LOOK = 0.1
"""Seconds between two looks at the guards."""

Turn = AbstractContextManager[None]


def order(cuda: Driver, first: tuple[Turn, c_void_p], then: tuple[Turn, c_void_p]) -> None:
    """Let what is asked of one stream from now on come after all that another was asked for so far.

    Each is given with the turn of its GPU's context.
    """
    with first[0]:
        event = cuda.made("cuEventCreate", driver.DISABLE_TIMING)
        cuda.call("cuEventRecord", event, first[1])
    with then[0]:
        cuda.call("cuStreamWaitEvent", then[1], event, 0)
    with first[0]:
        cuda.call("cuEventDestroy_v2", event)


def wait_for(event: Event, guards: Sequence[Guard]) -> None:
    """Until all before an event is done. What waits for others that are gone would wait for ever: guards raise."""
    if guards:
        wait(event.passed, guards)
    else:
        event.wait()


def wait(done: Callable[[], bool], guards: Sequence[Guard], awake: float = AWAKE) -> None:
    """Ask whether something is done until it is, ``awake`` seconds without a pause. Guards may raise meanwhile."""
    began = looked = time.monotonic()
    while not done():
        now = time.monotonic()
        if now - looked > LOOK:
            looked = now
            for guard in guards:
                check = guard()
                if check is not None:
                    check()
        if now - began > awake:
            time.sleep(NAP)


class GpuLane:
    """A stream beside a GPU's own."""

    def __init__(self, cuda: Driver, turn: Turn, own: c_void_p, guards: list[Guard]) -> None:
        self._cuda, self._turn, self._own, self._guards = cuda, turn, own, guards
        with turn:
            self.stream = cuda.made("cuStreamCreate", driver.NON_BLOCKING)

    def turn(self) -> Turn:
        """The calling thread's turn with the GPU."""
        return self._turn

    def begin(self) -> None:
        """What comes after all that the GPU was asked for so far."""
        order(self._cuda, (self._turn, self._own), (self._turn, self.stream))

    def end(self) -> None:
        """Before what the GPU is asked for from now on."""
        order(self._cuda, (self._turn, self.stream), (self._turn, self._own))

    def guard(self, guard: Guard) -> None:
        """Look after this one too."""
        self._guards[:] = [one for one in self._guards if one() is not None]
        self._guards.append(guard)

    def __del__(self) -> None:
        with contextlib.suppress(DeviceError, AttributeError), self._turn:
            self._cuda.call("cuStreamDestroy_v2", self.stream)


class InOrder:
    """The lane of a device that does everything at once."""

    stream: c_void_p | None = None

    def turn(self) -> Turn:
        """Anybody's, at any time."""
        return nullcontext()

    def begin(self) -> None:
        """All before is done."""

    def end(self) -> None:
        """All on it is done."""

    def guard(self, guard: Guard) -> None:
        """Nobody waits."""
