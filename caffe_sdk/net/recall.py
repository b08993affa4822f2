"""What a run did not keep is computed again when somebody asks for it, so that nobody can tell it was not kept.

A program that reuses buffers leaves most blobs nowhere. `Recall` knows the calls it was made from. Asked for a blob, it
runs them once more, keeping everything, and hands out what was asked for. That gives what the run gave, because

* the calls write to stand-ins, so that what was changed since stays as it is now;
* they read what the run read: `Recall` watches those memories, and takes a copy before one changes;
* a copy is taken only as long as all copies together are smaller than what was not kept. Before they grow larger the
  calls are run instead, so not keeping never costs more memory than keeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from caffe_sdk.engine import Engine
from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Between, Call, Clock, Needs, Program, StepName
from caffe_sdk.memory import HOST, Place, SyncedMemory

Hook = Callable[[SyncedMemory], None]
"""What `SyncedMemory.lose` takes."""


class Recall:
    """How numbers that a run of calls lost are had again.

    Lost memories hold this object through their hooks, not the other way round: it lives as long as it is needed.
    """

    def __init__(self, engine: Engine, calls: Sequence[Call], needed: Sequence[SyncedMemory]) -> None:
        """The calls write to stand-ins already, and need these memories."""
        self._engine, self._calls = engine, calls
        self._changed = list(needed)
        self._copies: dict[SyncedMemory, SyncedMemory] = {}
        self._copied: set[SyncedMemory] = set()
        self._computed = False
        self.stand_ins: list[SyncedMemory] = []
        """What the calls write to."""
        self.plain: list[SyncedMemory] = []
        """Those of them that must not depend on others once they are computed, as a place may."""
        self.passing: Set[SyncedMemory] = frozenset()
        """Memories that change before each run: room for their copies is kept."""
        self.budget = 0
        """Bytes that copies may take."""

    @property
    def room(self) -> int:
        """Bytes for copies of what changes before each run."""
        return sum(memory.nbytes(HOST) for memory in self.passing)

    def begin(self) -> None:
        """The calls have just been run: what was computed or copied before is of no use."""
        if self._computed:
            for stand_in in self.stand_ins:
                stand_in.forget()
            self._computed = False
        self._copied.clear()
        for memory in self._copies.keys() - self.passing:
            del self._copies[memory]
        for memory in self.passing - self._copies.keys():
            self._copies[memory] = SyncedMemory(memory.count, memory.dtype)
            self._copies[memory].buffer(self._place(memory))
        for memory in self._changed:
            memory.watch(self)
        self._changed = []

    def secure(self) -> None:
        """Copy at once what somebody holds a view of, and so may change unseen."""
        for memory in self.passing:
            if memory.leased:
                self._copy(memory)

    def before_change(self, memory: SyncedMemory) -> None:
        """What the run read is about to change: copy it, or compute everything while it is there."""
        self._changed.append(memory)
        if self._computed or memory in self._copied:
            return
        if memory.nbytes(HOST) + sum(copied.nbytes(HOST) for copied in self._copied) > self.budget:
            self._compute()
        else:
            self._copy(memory)

    def _copy(self, memory: SyncedMemory) -> None:
        place = self._place(memory)
        copy = self._copies.setdefault(memory, SyncedMemory(memory.count, memory.dtype))
        place.copy(memory.read(place), copy.write(place))
        self._copied.add(memory)

    def _place(self, memory: SyncedMemory) -> Place:
        """Where a memory's numbers are copied: where the engine computes, if they are there."""
        places = [place for place in memory.fresh if not (place.derived or place.rounds)]
        best = next((place for place in (self._engine.place, HOST) if place in places), None)
        return best or next(iter(places), HOST)

    def restore(self, stand_in: SyncedMemory, memory: SyncedMemory) -> None:
        """Put a lost memory's numbers back."""
        self._compute()
        memory.adopt(stand_in)
        stand_in.forget()

    def allocated(self) -> int:
        """Bytes of copies, and of what was computed again but not asked for."""
        return sum(memory.allocated() for memory in (*self._copies.values(), *self.stand_ins))

    def _compute(self) -> None:
        if self._computed:
            return
        copies = {memory: self._copies[memory] for memory in self._copied}
        with np.errstate(all="ignore"):
            self._engine.compile([call.on(copies) for call in self._calls]).run()
        for stand_in in self.plain:
            stand_in.read(HOST)
        self._computed = True


@dataclass
class Lean:
    """A program that does not keep everything, and how what it loses is had again."""

    program: Program
    recall: Recall
    hooks: dict[SyncedMemory, Hook]
    """What puts back each lost memory."""
    constant: Set[SyncedMemory]
    """Memories it needs of which no copies are kept: they must not change unseen between runs."""

    def run(self, between: Between | None = None) -> None:
        """Compute everything once. What is lost is lost, even if the run fails."""
        with self._losing():
            self.program.run(between)

    def steps(self) -> list[StepName]:
        """What a run does, one step after the other."""
        return self.program.steps()

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """As `run`; the seconds that each step took."""
        with self._losing():
            return self.program.timed(clock)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        finally:
            for memory, hook in self.hooks.items():
                if not memory.lost_to(hook):
                    memory.lose(hook)
            self.recall.begin()
            self.recall.secure()

    @property
    def nbytes(self) -> int:
        """Bytes it needs for itself."""
        return self.program.nbytes + self.recall.room

    @property
    def scratch(self) -> int:
        """Bytes it would need for itself if it lost nothing."""
        return self.program.scratch

    def needs(self) -> Needs:
        """The buffers of memories it works on."""
        return self.program.needs()

    def allocated(self) -> int:
        """Bytes it has for itself now."""
        return self.program.allocated() + self.recall.allocated()


def lean(
    engine: Engine,
    calls: Sequence[Call],
    keep: Set[SyncedMemory],
    constant: Set[SyncedMemory],
    labels: Mapping[SyncedMemory, int],
    asked: set[int],
    after: Sequence[Program] = (),
) -> Lean | None:
    """A program of the calls that need keep no other memories than these; None if that would save nothing.

    ``constant`` memories seldom change. The ``labels`` of memories that somebody asks for go into ``asked``; those that
    have none are buffers that nobody outside knows of. ``after`` is for `Engine.compile`.
    """
    flow = Flow(calls)
    passing = set(flow.needed) - constant
    budget = sum(memory.nbytes(HOST) for memory in flow.lost(keep))
    if not flow.repeatable or budget <= sum(memory.nbytes(HOST) for memory in passing):
        return None
    program = engine.compile(calls, keep, after)
    stand_ins = {memory: SyncedMemory(memory.count, memory.dtype) for memory in flow.made}
    recall = Recall(engine, [call.on(stand_ins) for call in calls], flow.needed)
    recall.stand_ins = list(stand_ins.values())
    recall.plain = [stand_ins[memory] for memory in program.lost if memory not in labels]
    recall.passing, recall.budget = passing, budget
    hooks = {memory: _hook(recall, stand_ins[memory], labels.get(memory), asked) for memory in program.lost}
    found = Lean(program, recall, hooks, set(flow.needed) & constant)
    return found if program.lost and found.nbytes < budget + program.scratch else None


def _hook(recall: Recall, stand_in: SyncedMemory, label: int | None, asked: set[int]) -> Hook:
    def put_back(memory: SyncedMemory) -> None:
        if label is not None:
            asked.add(label)
        recall.restore(stand_in, memory)

    return put_back
