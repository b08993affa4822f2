"""Programs: what is recorded is computed launch by launch the first time, then captured and replayed at once.

A replay has the addresses it was captured with. So before one, the numbers it needs are brought to the device, and
where a buffer has moved the calls are captured anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from caffe_sdk.engine.cuda.area import Area
from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.device import Buffer, Replay
from caffe_sdk.engine.cuda.draws import SEAT, Seats
from caffe_sdk.engine.cuda.fusion import Step
from caffe_sdk.engine.cuda.inference import arranged
from caffe_sdk.engine.cuda.precision import AS_FLOATS, How, Plan
from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Between, Call, Clock, EagerProgram, Needs, StepName
from caffe_sdk.errors import CaffeError, DeviceError
from caffe_sdk.memory import Place, SyncedMemory, moves


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
    """The calls in order, several in one step where one pass computes them.

    Memories in ``lost`` have room in an area of the program's own, and no numbers after a run.
    """

    def __init__(
        self,
        engine: CudaBase,
        calls: Sequence[Call],
        before: Sequence[Plan] = (),
        lost: Set[SyncedMemory] = frozenset(),
    ) -> None:
        super().__init__(engine, calls)
        steps, self._foldings = arranged(calls, lost)
        self._engine, self.lost = engine, lost
        self._planned = [call for step in steps for call in step.planned]
        self.plan = Plan(self._planned, Flow(self._planned).needed, engine.places, before)
        hows = dict(zip(self._planned, self.plan.hows, strict=True))
        self._steps: list[_Step] = [_made(engine, step, hows) for whole in steps for step in _apart(whole, hows)]
        self._area = Area(engine.device, self.plan.used, lost)
        self._area.lay_out([(step.name.calls[0].where, step.memories) for step in self._steps])
        self.nbytes = self._area.nbytes
        sources = {(memory, engine.place) for folding in self._foldings for memory in folding.sources}
        own = {key: nbytes for key, nbytes in self.plan.used.items() if key[0] not in self._area}
        self._used = {(memory, place): memory.nbytes(place) for memory, place in sources} | own
        self._needed = [(memory, place) for memory, place in self.plan.needed if memory not in self._area]
        self._brought: list[Set[Place] | None] = []
        """Of each of them where its numbers were current when they had been brought, for gradients of a scale."""
        self._brought_by = 0.0
        self._left = {memory: places for memory, places in self.plan.made.items() if memory not in self._area}
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
            self._prepare()
            if engine.device.replays and self._prepared == engine.scratch_moves:
                self._replay(between)
            else:
                with self._area.lent():
                    self._compute(between)
                self._prepared = engine.scratch_moves
        engine.checks.look()

    def steps(self) -> list[StepName]:
        """Every launch of the engine's by itself."""
        return [step.name for step in self._steps]

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """As `run`, waiting for every step to end; the seconds that each took."""
        seconds = []
        with self._engine.lock:
            self._prepare()
            with self._area.lent():
                for step in self._steps:
                    self._engine.device.wait()
                    began = clock()
                    self._do(step)
                    self._engine.device.wait()
                    seconds.append(clock() - began)
        self._engine.checks.look()
        return seconds

    def needs(self) -> Needs:
        """Every memory's buffers, as floats and in 16 bits, but those of what it loses."""
        return self._used

    def allocated(self) -> int:
        """Bytes of room for what it loses, if it has run."""
        return self._area.allocated()

    def release(self) -> None:
        """Let go of the replay, and of that room."""
        self._captured = None
        self._area.release()

    def _prepare(self) -> None:
        """Make weights anew that have to be, and tell who watches what will change: what they do about it, as copying
        what is there, has to be done before any of this is computed or captured.
        """
        for folding in self._foldings:
            folding.refresh(self._engine)
        for memory in self._left:
            memory.changes()

    def _compute(self, between: Between | None = None) -> None:
        for step in self._steps:
            if between is not None:
                between()
            self._do(step)

    def _do(self, step: _Step) -> None:
        now, where, how = self._engine.now, step.name.calls[0].where, step.how
        self._engine.where, now.real, now.places, now.last = where, how.real, how.places, how.last
        try:
            step.compute()
        except CaffeError as error:
            raise (error.at(where) if where else error) from None
        finally:
            floats = AS_FLOATS
            self._engine.where, now.real, now.places, now.last = "", floats.real, floats.places, floats.last

    def _replay(self, between: Between | None) -> None:
        if between is not None:
            between()
        self._bring()
        captured = self._captured
        if captured is None or not self._still(captured):
            self._captured = self._capture()
            self._start(self._captured)
            return
        self._start(captured)
        for memory, places in self._left.items():
            self._engine.brought(memory, places)

    def _bring(self) -> None:
        """Have what is needed where it is needed. A memory that says the same as after the last run is left alone."""
        scale = self._engine.now.scale
        if self._brought_by != scale:
            self._brought, self._brought_by = [None] * len(self._needed), scale
        for i, (memory, place) in enumerate(self._needed):
            if memory.fresh is self._brought[i]:
                continue
            try:
                self._engine.bring(memory, place)
            except DeviceError as error:
                raise error.at(self._first_use(memory)) from None
            self._brought[i] = memory.fresh

    def _capture(self) -> Captured:
        engine, addresses = self._engine, self._addresses()
        room = engine.device.allocate(self._draws * SEAT) if self._draws else None
        seats = engine.seats = Seats(room.pointer if room is not None else 0)
        try:
            with self._area.lent():
                replay = engine.device.capture(self._compute)
        finally:
            engine.seats = None
        return Captured(replay, seats, room, addresses, engine.now.scale, engine.scratch_moves, moves())

    def _start(self, captured: Captured) -> None:
        captured.seats.fill(self._engine.put_streams)
        captured.replay.launch()

    def _first_use(self, memory: SyncedMemory) -> str:
        """The layer that needs a memory first."""
        return next(call.where for call in self._planned if memory in _memories(call))

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
        return [memory.buffer(place).pointer for memory, place in self._used]


@dataclass(frozen=True)
class _Step:
    """What is done at once."""

    name: StepName
    compute: Callable[[], None]
    how: How
    memories: Set[SyncedMemory]
    """That it works on."""


def _made(engine: CudaBase, step: Step, hows: Mapping[Call, How]) -> _Step:
    compute = partial(getattr(engine, step.means), **step.arguments)
    memories = {memory for call in step.planned for memory in _memories(call)}
    return _Step(StepName(step.means, step.calls), compute, _together([hows[call] for call in step.planned]), memories)


def _memories(call: Call) -> set[SyncedMemory]:
    return {tensor.memory for tensor in (*call.reads(), *call.writes())}


def _apart(step: Step, hows: Mapping[Call, How]) -> list[Step]:
    """A step, or its calls one by one where they do not all store values alike."""
    some = [hows[call] for call in step.planned]
    places = {(memory, place) for how in some for memory, place in how.places.items()}
    alike = len({(how.real, how.last) for how in some}) == 1 and len(places) == len({memory for memory, _ in places})
    return [step] if alike else [Step(call.name, (call,), call.arguments) for call in step.planned]


def _together(hows: Sequence[How]) -> How:
    """How calls are computed that are one step."""
    return How(hows[0].real, {memory: place for how in hows for memory, place in how.places.items()}, hows[0].last)
