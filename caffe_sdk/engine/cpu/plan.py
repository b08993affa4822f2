"""A stretch of calls that oneDNN computes: planned once, replayed many times.

While it is planned, a `Plan` knows where each memory will be fresh when a step runs. A step that wants numbers
elsewhere gets a reorder before it; what no earlier step wrote is asked for at entry, where it costs nothing if it is
there already. So numbers stay in oneDNN's layouts from layer to layer, and weights from iteration to iteration.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from caffe_sdk.engine.cpu.descriptors import Descriptor, plain
from caffe_sdk.engine.cpu.layouts import Layout, place_of, reordering
from caffe_sdk.engine.cpu.library import generation
from caffe_sdk.engine.cpu.primitives import (
    DST,
    SRC,
    Execution,
    Operand,
    Primitive,
    PrimitiveDescriptor,
    Scratch,
    Step,
    check,
)
from caffe_sdk.memory import HOST, Array, Place, SyncedMemory, Tensor, aligned, transfers

Places = dict[SyncedMemory, list[Place]]
"""Where memories are fresh, the place written first in front."""


class Accumulator:
    """Adds to a memory what a primitive can only write: saves the old numbers if there are any, and adds them after.

    A memory cleared since its last use has none, which is what every iteration but those of a split batch sees.
    """

    def __init__(self, memory: SyncedMemory, place: Place, array: Array) -> None:
        self.memory, self.place, self.array = memory, place, array
        self.saved: Array | None = None

    def enter(self) -> None:
        """Save what the memory holds, unless it is known to be zero."""
        self.saved = None if self.memory.is_zero else self.memory.read(self.place).copy()

    def save(self) -> None:
        """Save what is at the place, where an earlier step of the same stretch left it."""
        self.saved = self.array.copy()

    def finish(self) -> None:
        """Add what was saved."""
        if self.saved is not None:
            self.array += self.saved
            self.saved = None


class Stretch:
    """What a plan became: bring what is needed, take the steps, say where the results are."""

    def __init__(self, plan: Plan) -> None:
        self.names = plan.names
        self._entries = plan.entries
        self._accumulators = plan.accumulators
        self._steps = plan.steps
        self._exits = [(memory, tuple(places)) for memory, places in plan.written.items()]
        self._moves = plan.moves
        self._kept = plan.executions, plan.operands, plan.rooms  # the steps hold their addresses

    def run(self) -> None:
        """Compute everything once."""
        self._enter()
        for function, arguments in self._steps:
            if status := function(*arguments):
                check(status)
        self._leave()

    def timed(self) -> list[float]:
        """Compute everything once; how many seconds each step took, in the order of ``names``."""
        self._enter()
        seconds = []
        for function, arguments in self._steps:
            start = time.perf_counter()
            if status := function(*arguments):
                check(status)
            seconds.append(time.perf_counter() - start)
        self._leave()
        return seconds

    def _enter(self) -> None:
        for memory, place in self._entries:
            if place not in memory.fresh:
                memory.read(place)
        for accumulator in self._accumulators:
            accumulator.enter()

    def _leave(self) -> None:
        for memory, places in self._exits:
            memory.wrote(places)
        for move in self._moves:
            transfers[move] += 1


class Plan:
    """A stretch in the making. ``expected`` says where memories are likely to be fresh when it runs."""

    def __init__(self, expected: Places, scratch: Scratch) -> None:
        self.expected = expected
        self.scratch = scratch
        self.entries: list[tuple[SyncedMemory, Place]] = []
        self.accumulators: list[Accumulator] = []
        self.written: Places = {}
        self.steps: list[Step] = []
        self.names: list[str] = []
        """What each step does."""
        self.moves: list[tuple[str, str]] = []
        """From and to which place steps bring numbers, by the places' names."""
        self.executions: list[Execution] = []
        self.operands: dict[tuple[SyncedMemory, Place, Descriptor], Operand] = {}
        self.rooms: list[Operand] = []
        self._after: list[Step] = []

    # -- where numbers are -----------------------------------------------------------------------------------------

    def place(self, memory: SyncedMemory) -> Place:
        """Where a step does best to read a memory: in a layout if it is fresh in one, else on the host."""
        places = self.written.get(memory) or self.expected.get(memory) or list(memory.fresh)
        return next((place for place in places if place is not HOST and not place.derived), HOST)

    def flat(self, tensor: Tensor) -> tuple[Descriptor, Place]:
        """How a step that cares for no order of numbers does best to see a tensor, and at which place."""
        place = self.place(tensor.memory)
        if isinstance(place, Layout):
            return place.descriptor, place
        return plain((tensor.count,)), HOST

    def shaped(self, tensor: Tensor) -> Descriptor:
        """The layout a step that cares for the tensor's shape does best to see it in."""
        place = self.place(tensor.memory)
        if isinstance(place, Layout) and place.host == plain(tensor.shape):
            return place.descriptor
        return plain(tensor.shape)

    # -- operands of a step ----------------------------------------------------------------------------------------

    def read(self, tensor: Tensor, descriptor: Descriptor, place: Place | None = None) -> Operand:
        """The tensor's numbers in a layout, brought there first if they are elsewhere."""
        memory, place = tensor.memory, place or place_of(descriptor)
        if memory not in self.written:
            if (memory, place) not in self.entries:
                self.entries.append((memory, place))
            self.expected[memory] = [*(p for p in self.expected.get(memory, []) if p is not place), place]
        elif place not in self.written[memory]:
            self._bring(memory, place)
        return self._operand(memory, descriptor, place)

    def write(self, tensor: Tensor, descriptor: Descriptor, place: Place | None = None) -> Operand:
        """Room for the tensor's numbers in a layout, for overwriting. Ask for what the step reads first."""
        memory, place = tensor.memory, place or place_of(descriptor)
        self.written[memory] = [place]
        return self._operand(memory, descriptor, place)

    def update(self, tensor: Tensor, descriptor: Descriptor, place: Place | None = None) -> Operand:
        """Room for numbers that will be added to the tensor's, by way of the next `execute`."""
        memory, place = tensor.memory, place or place_of(descriptor)
        operand = self._operand(memory, descriptor, place)
        accumulator = Accumulator(memory, place, memory.buffer(place))
        if memory in self.written:
            self.read(tensor, descriptor, place)
            self._step("save", accumulator.save)
        else:
            self.accumulators.append(accumulator)
        self._after.append((accumulator.finish, ()))
        self.written[memory] = [place]
        return operand

    def room(self, descriptor: Descriptor) -> Operand:
        """Room for what one step leaves for the next."""
        area = aligned(descriptor.nbytes // descriptor.dtype.itemsize, descriptor.dtype)
        self.rooms.append(Operand(descriptor, area))
        return self.rooms[-1]

    def promise(self, tensor: Tensor, place: Place) -> None:
        """The tensor's numbers will be at a place that no step need bring them to."""
        tensor.memory.buffer(place)
        self.written[tensor.memory] = [place]

    # -- steps -----------------------------------------------------------------------------------------------------

    def execute(self, computation: PrimitiveDescriptor, operands: Mapping[int, Operand | None]) -> None:
        """Compute this next."""
        self._execute(Primitive(computation), operands)
        self.steps += self._after
        self.names += ["add what was there"] * len(self._after)
        self._after = []

    def finish(self) -> Stretch:
        """The stretch as planned so far."""
        self.expected.update({memory: list(places) for memory, places in self.written.items()})
        return Stretch(self)

    def _execute(self, primitive: Primitive, operands: Mapping[int, Operand | None]) -> None:
        execution = Execution(primitive, operands, self.scratch)
        self.executions.append(execution)
        self.steps.append(execution.step)
        self.names.append(repr(execution))

    def _step(self, name: str, function: Any, *arguments: Any) -> None:
        self.steps.append((function, arguments))
        self.names.append(name)

    def _operand(self, memory: SyncedMemory, descriptor: Descriptor, place: Place) -> Operand:
        operand = self.operands.get((memory, place, descriptor))
        if operand is None:
            operand = self.operands[memory, place, descriptor] = Operand(descriptor, memory.buffer(place))
        return operand

    def _bring(self, memory: SyncedMemory, place: Place) -> None:
        """A step that brings what an earlier step wrote to another place; by way of the host if there is no other."""
        for source in self.written[memory]:
            if pair := _layouts(source, place):
                operands = {SRC: self._operand(memory, pair[0], source), DST: self._operand(memory, pair[1], place)}
                self._execute(reordering(*pair, generation()), operands)
                break
        else:
            source = self.written[memory][0]
            if place is HOST:
                self._step("to host", source.to_host, memory.buffer(source), memory.buffer(HOST))
            else:
                if HOST not in self.written[memory]:
                    self._bring(memory, HOST)
                self._step("from host", place.from_host, memory.buffer(HOST), memory.buffer(place))
                source = HOST
        self.moves.append((source.name, place.name))
        self.written[memory].append(place)


def _layouts(source: Place, target: Place) -> tuple[Descriptor, Descriptor] | None:
    """The layouts of a reorder straight from one place to another; None when there is no such way."""
    if isinstance(target, Layout) and source is HOST:
        return target.host, target.descriptor
    if isinstance(source, Layout) and target is HOST:
        return source.descriptor, source.host
    if isinstance(source, Layout) and isinstance(target, Layout) and source.host == target.host:
        return source.descriptor, target.descriptor
    return None
