"""Programs: what is recorded is computed launch by launch the first time, then captured and replayed at once.

A replay has the addresses it was captured with. So before one, the numbers it needs are brought to the device, and
where a buffer has moved the calls are captured anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.device import Buffer, Replay
from caffe_sdk.engine.cuda.draws import SEAT, Seats
from caffe_sdk.engine.cuda.fusion import Step, fused
from caffe_sdk.engine.cuda.precision import AS_FLOATS, How, Plan
from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Between, Call, Clock, EagerProgram, Needs, StepName
from caffe_sdk.errors import CaffeError, DeviceError
from caffe_sdk.memory import SyncedMemory, moves


@dataclass
class Captured:
    """A replay, and what must be as it was when it was made."""

    replay: Replay
    seats: Seats
    """Of its draws."""
    room: Buffer | None
    """For the seats."""
    addresses: list[int]
    scale: float
    """Of its gradients."""
    scratch_moves: int
    moves: int
    """What `moves` said when the addresses were looked at last."""


class CudaProgram(EagerProgram):
    """The calls in order, several in one step where one pass computes them."""

    def __init__(self, engine: CudaBase, calls: Sequence[Call], before: Sequence[Plan] = ()) -> None:
        super().__init__(engine, calls)
        self._engine, self._flow = engine, Flow(calls)
        self.plan = Plan(calls, self._flow.needed, engine.places, before)
        hows = dict(zip(calls, self.plan.hows, strict=True))
        self._steps: list[tuple[StepName, Callable[[], None]]] = [
            (StepName(means, group), partial(getattr(engine, means), **arguments))
            for step in fused(calls)
            for means, group, arguments in _apart(step, hows)
        ]
        self._hows = [_together([hows[call] for call in step.calls]) for step, _ in self._steps]
        self._draws = sum(isinstance(value, np.random.Generator) for call in calls for value in call.arguments.values())
        self._captured: Captured | None = None
        self._prepared = -1
        """`scratch_moves` after a run that was not a replay."""

    def run(self, between: Between | None = None) -> None:
        """Compute everything once, in order. What is wrong with numbers names the layer, here or in a later run.

        ``between`` comes before each step; a replay is one.
        """
        engine = self._engine
        with engine.lock:
            if engine.device.replays and self._prepared == engine.scratch_moves:
                self._replay(between)
            else:
                self._compute(between)
                self._prepared = engine.scratch_moves
        engine.checks.look()

    def steps(self) -> list[StepName]:
        """Every launch of the engine's by itself."""
        return [step for step, _ in self._steps]

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """As `run`, waiting for every step to end; the seconds that each took."""
        seconds = []
        with self._engine.lock:
            for how, (step, compute) in zip(self._hows, self._steps, strict=True):
                self._engine.device.wait()
                began = clock()
                self._do(step, compute, how)
                self._engine.device.wait()
                seconds.append(clock() - began)
        self._engine.checks.look()
        return seconds

    def needs(self) -> Needs:
        """Every memory's buffers, as floats and in 16 bits."""
        return self.plan.used

    def release(self) -> None:
        """Let go of the replay."""
        self._captured = None

    def _compute(self, between: Between | None = None) -> None:
        for how, (step, compute) in zip(self._hows, self._steps, strict=True):
            if between is not None:
                between()
            self._do(step, compute, how)

    def _do(self, step: StepName, compute: Callable[[], None], how: How) -> None:
        now, where = self._engine.now, step.calls[0].where
        self._engine.where, now.real, now.places, now.last = where, how.real, how.places, how.last
        try:
            compute()
        except CaffeError as error:
            raise (error.at(where) if where else error) from None
        finally:
            floats = AS_FLOATS
            self._engine.where, now.real, now.places, now.last = "", floats.real, floats.places, floats.last

    def _replay(self, between: Between | None) -> None:
        if between is not None:
            between()
        for memory, place in self.plan.needed:
            try:
                self._engine.bring(memory, place)
            except DeviceError as error:
                raise error.at(self._first_use(memory)) from None
        captured = self._captured
        if captured is not None and self._still(captured):
            for memory in self.plan.made:
                memory.changes()
            self._start(captured)
            for memory, places in self.plan.made.items():
                self._engine.brought(memory, places)
            return
        self._captured = self._capture()
        self._start(self._captured)

    def _capture(self) -> Captured:
        engine, addresses = self._engine, self._addresses()
        room = engine.device.allocate(self._draws * SEAT) if self._draws else None
        seats = engine.seats = Seats(room.pointer if room is not None else 0)
        try:
            replay = engine.device.capture(self._compute)
        finally:
            engine.seats = None
        return Captured(replay, seats, room, addresses, engine.now.scale, engine.scratch_moves, moves())

    def _start(self, captured: Captured) -> None:
        captured.seats.fill(self._engine.put_streams)
        captured.replay.launch()

    def _first_use(self, memory: SyncedMemory) -> str:
        """The layer that needs a memory first."""
        calls = (call for step, _ in self._steps for call in step.calls)
        return next(call.where for call in calls if any(t.memory is memory for t in (*call.reads(), *call.writes())))

    def _still(self, captured: Captured) -> bool:
        """Whether everything is where it was."""
        if (captured.scratch_moves, captured.scale) != (self._engine.scratch_moves, self._engine.now.scale):
            return False
        if captured.moves != moves():
            if captured.addresses != self._addresses():
                return False
            captured.moves = moves()
        return True

    def _addresses(self) -> list[int]:
        return [memory.buffer(place).pointer for memory, place in self.plan.used]


def _apart(step: Step, hows: Mapping[Call, How]) -> list[Step]:
    """A step, or its calls one by one where they do not all store values alike."""
    some = [hows[call] for call in step[1]]
    places = {(memory, place) for how in some for memory, place in how.places.items()}
    alike = len({(how.real, how.last) for how in some}) == 1 and len(places) == len({memory for memory, _ in places})
    return [step] if alike else [(call.name, (call,), call.arguments) for call in step[1]]


def _together(hows: Sequence[How]) -> How:
    """How calls are computed that are one step."""
    return How(hows[0].real, {memory: place for how in hows for memory, place in how.places.items()}, hows[0].last)
