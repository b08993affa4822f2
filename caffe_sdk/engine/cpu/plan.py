"""A stretch of calls that oneDNN computes: planned once, replayed many times.

While it is planned, a `Plan` knows where each memory will be fresh when a step runs. A step that wants numbers
elsewhere gets a reorder before it; what no earlier step wrote is asked for at entry, where it costs nothing if it is
there already. So numbers stay in oneDNN's layouts from layer to layer, and weights from iteration to iteration.

Nothing is allocated while it is planned. Steps work on rooms, which become arrays when the stretch first runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from caffe_sdk.engine.cpu.arena import Arena, Room
from caffe_sdk.engine.cpu.descriptors import Descriptor, plain, tagged
from caffe_sdk.engine.cpu.layouts import Layout, Promise, place_of, reordering
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.primitives import (
    DST,
    SCRATCHPAD,
    SRC,
    Execution,
    Images,
    Operand,
    Primitive,
    PrimitiveDescriptor,
    Step,
    check,
)
from caffe_sdk.engine.operation import Between, Call, Clock, StepName
from caffe_sdk.memory import HOST, Array, Place, SyncedMemory, Tensor, moves, transfers
from caffe_sdk.threads import generation

Places = dict[SyncedMemory, list[Place]]
"""Where memories are fresh, the place written first in front."""


class Accumulator:
    """Adds to a memory what a primitive can only write: saves the old numbers if there are any, and adds them after.

    A memory cleared since its last use has none, which is what every iteration but those of a split batch sees.
    """

    def __init__(self, memory: SyncedMemory, place: Place) -> None:
        self.memory, self.place = memory, place
        self.saved: Array | None = None

    def enter(self) -> None:
        """Save what the memory holds, unless it is known to be zero."""
        self.saved = None if self.memory.is_zero else self.memory.read(self.place).copy()

    def save(self, array: Array) -> None:
        """Save what is at the place, where an earlier step of the same stretch left it."""
        self.saved = array.copy()

    def finish(self, array: Array) -> None:
        """Add what was saved."""
        if self.saved is not None:
            array += self.saved
            self.saved = None


class Stretch:
    """What a plan became: bring what is needed, take the steps, say where the results are."""

    def __init__(self, plan: Plan) -> None:
        self._named = plan.named
        self._arena = plan.arena
        self._entries = plan.entries
        self._entering = plan.entering
        self._accumulators = plan.accumulators
        self._planned = plan.steps
        self._exits = [(memory, tuple(places)) for memory, places in plan.written.items()]
        self._moves = plan.moves
        self._rooms = plan.rooms
        self._executions = plan.executions  # the steps hold their addresses
        self._steps: list[Step] = []
        self._bound = -1

    def forget(self, lost: Set[SyncedMemory]) -> None:
        """What becomes of these memories is nobody's business."""
        self._exits = [(memory, places) for memory, places in self._exits if memory not in lost]

    def release(self) -> None:
        """Let go of all arrays until the next run."""
        self._steps, self._bound = [], -1
        for operand in self._rooms:
            operand.bind(None)

    def run(self, between: Between | None = None) -> None:
        """Compute everything once; with ``between`` before each step, if there is one."""
        self._enter()
        for function, arguments in self._steps if between is None else _after(between, self._steps):
            if status := function(*arguments):
                check(status)
        self._leave()

    def steps(self) -> list[StepName]:
        """What is computed, step by step."""
        return list(self._named)

    def timed(self, clock: Clock) -> list[float]:
        """Compute everything once; how many seconds each step took, in the order of `steps`."""
        self._enter()
        seconds = []
        for function, arguments in self._steps:
            start = clock()
            if status := function(*arguments):
                check(status)
            seconds.append(clock() - start)
        self._leave()
        return seconds

    def _enter(self) -> None:
        for memory, place in self._entries:
            if place not in memory.fresh:
                memory.read(place)
        for enter in self._entering:
            enter()
        if self._bound != moves():
            self._bind()
        for accumulator in self._accumulators:
            accumulator.enter()
        for memory, _ in self._exits:
            if memory.watchers:
                memory.changes()

    def _bind(self) -> None:
        """Find the arrays of all rooms: those of memories may have moved."""
        arrays = {operand: self._arena.array(room) for operand, room in self._rooms.items()}
        for operand, array in arrays.items():
            operand.bind(array)
        for memory, places in self._exits:
            for place in places:
                memory.buffer(place)
        self._steps = [make(*map(self._resolved, arguments)) for make, arguments in self._planned]
        self._bound = moves()

    def _resolved(self, argument: Any) -> Any:
        if isinstance(argument, Operand):
            return argument.array
        return self._arena.array(argument) if isinstance(argument, Room) else argument

    def _leave(self) -> None:
        for memory, places in self._exits:
            memory.wrote(places)
        for move in self._moves:
            transfers[move] += 1


def _after(between: Between, steps: Sequence[Step]) -> Iterator[Step]:
    """The steps, each once ``between`` let it pass."""
    for step in steps:
        between()
        yield step


class Plan:
    """A stretch in the making. ``expected`` says where memories are likely to be fresh when it runs."""

    def __init__(self, expected: Places, arena: Arena) -> None:
        self.expected = expected
        self.arena = arena
        self.entries: list[tuple[SyncedMemory, Place]] = []
        self.entering: list[Callable[[], None]] = []
        """What is called before a run."""
        self.accumulators: list[Accumulator] = []
        self.written: Places = {}
        self.steps: list[tuple[Callable[..., Step], tuple[Any, ...]]] = []
        """How each step is made when the arrays are known."""
        self.calls: tuple[Call, ...] = ()
        """What the next steps are planned for."""
        self.named: list[StepName] = []
        """What each step does."""
        self.moves: list[tuple[str, str]] = []
        """From and to which place steps bring numbers, by the places' names."""
        self.executions: list[Execution] = []
        self.operands: dict[tuple[SyncedMemory, Place, Descriptor], Operand] = {}
        self.rooms: dict[Operand, Room] = {}
        """Where each operand's array will be."""
        self._after: list[tuple[Accumulator, Room]] = []

    # -- where numbers are -----------------------------------------------------------------------------------------

    def place(self, memory: SyncedMemory) -> Place:
        """Where a step does best to read a memory: in a layout if it is fresh in one, else on the host."""
        places = self.written.get(memory) or self.expected.get(memory) or list(memory.fresh)
        return next((place for place in places if place is not HOST and not place.derived), HOST)

    def flat(self, tensor: Tensor, padded: bool = True) -> tuple[Descriptor, Place]:
        """How a step that cares for no order of numbers does best to see a tensor, and at which place.

        Where a layout pads there are zeros. A step that would make them other numbers asks for none (``padded``).
        """
        place = self.place(tensor.memory)
        if isinstance(place, Layout) and (padded or not place.descriptor.padded):
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
        """The tensor's numbers in a layout, brought there first if they are elsewhere.

        Unsupported if a step of this stretch has only promised them.
        """
        memory, place = tensor.memory, place or place_of(descriptor)
        if memory not in self.written:
            if (memory, place) not in self.entries:
                self.entries.append((memory, place))
            self.expected[memory] = [*(p for p in self.expected.get(memory, []) if p is not place), place]
        elif place not in self.written[memory]:
            if any(isinstance(written, Promise) for written in self.written[memory]):
                raise Unsupported("oneDNN", f"to read at {place} what is promised")
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
        accumulator, room = Accumulator(memory, place), self.rooms[operand]
        if memory in self.written:
            self.read(tensor, descriptor, place)
            self.step("save", accumulator.save, room)
        else:
            self.accumulators.append(accumulator)
        self._after.append((accumulator, room))
        self.written[memory] = [place]
        return operand

    def change(self, tensor: Tensor, descriptor: Descriptor) -> Operand:
        """The tensor's numbers in a layout, for changing them there."""
        self.read(tensor, descriptor)
        return self.write(tensor, descriptor)

    def also(self, tensor: Tensor, descriptor: Descriptor, place: Place) -> Operand:
        """Room at a further place of a tensor whose numbers the step that is planned writes."""
        self.written[tensor.memory].append(place)
        return self._operand(tensor.memory, descriptor, place)

    def room(self, descriptor: Descriptor) -> Operand:
        """Room for what one step leaves for the next."""
        operand = Operand(descriptor)
        self.rooms[operand] = self.arena.own(descriptor.nbytes, descriptor.dtype)
        return operand

    def seen_as(self, operand: Operand, descriptor: Descriptor) -> Operand:
        """The same numbers as another operand's, in another layout."""
        other = Operand(descriptor)
        self.rooms[other] = self.rooms[operand]
        return other

    def join(self, parts: Sequence[Tensor], whole: Tensor, descriptor: Descriptor) -> bool:
        """Have parts that follow each other in a layout put where the whole is to be, if steps of this plan make them.

        Nobody may want the parts any more. ``descriptor`` is the whole's; each part is at a layout with as many bytes
        as it has numbers.
        """
        places = [self.place(part.memory) for part in parts]
        rooms = [self.arena.of(part.memory, place) for part, place in zip(parts, places, strict=True)]
        made_here = all(self.written.get(part.memory) == [place] for part, place in zip(parts, places, strict=True))
        if not made_here or any(room.count != part.count for room, part in zip(rooms, parts, strict=True)):
            return False
        operand = self.write(whole, descriptor)
        self.arena.use(self.rooms[operand])
        self.arena.join(rooms, self.rooms[operand])
        return True

    def write_within(self, part: Tensor, whole: Tensor, channel: int) -> Operand:
        """Room for images (n, c, h, w) right where they are to be joined with others, from a channel on.

        They are in blocks of 16 channels, as far from each other as the joined ones; the array begins with the first.
        """
        operand = self.write(whole, tagged(whole.shape, "aBcd16b"))
        room = self.rooms[operand]
        self.arena.within[part.memory] = room
        rest = self.arena.cut(room, channel * math.prod(whole.shape[2:]))
        first = Operand(plain((rest.count,)))
        self.rooms[first] = rest
        return first

    def is_within(self, part: Tensor, whole: Tensor) -> bool:
        """Whether a part was written where it is to be joined."""
        room = self.arena.within.get(part.memory)
        return room is not None and room.memory is whole.memory

    def replace(self, old: Tensor, new: Tensor) -> None:
        """Let a tensor that the step that is planned writes be where it reads another, which nobody wants any more.

        Both are in one layout, and the step may have them in one place. It need not happen: others may use the old one
        in other parts of the program.
        """
        (place,) = self.written[new.memory]
        if self.written.get(old.memory) == [place] and self.arena.within_part(old.memory):
            room = self.arena.of(new.memory, place)
            self.arena.use(room)
            self.arena.join([self.arena.of(old.memory, place)], room)

    def promise(self, tensor: Tensor, place: Place) -> None:
        """The tensor's numbers will be at a place that no step need bring them to."""
        self.arena.use(self.arena.of(tensor.memory, place))
        self.written[tensor.memory] = [place]

    def rely(self, tensor: Tensor, place: Place) -> None:
        """The tensor's numbers must be at a place that no step reads them from. Say so before what they depend on."""
        memory = tensor.memory
        self.arena.use(self.arena.of(memory, place))
        if memory not in self.written and (memory, place) not in self.entries:
            self.entries.append((memory, place))

    def see_to(self, memory: SyncedMemory, enter: Callable[[], None]) -> None:
        """Let ``enter`` bring a memory, before each run, to where the next step looks for it. No step may write it."""
        self.arena.use(self.arena.of(memory, HOST))
        self.entering.append(enter)
        self.expected.setdefault(memory, [HOST])

    # -- steps -----------------------------------------------------------------------------------------------------

    def execute(self, computation: PrimitiveDescriptor, operands: Mapping[int, Operand | None]) -> None:
        """Compute this next."""
        self._execute(Primitive(computation), operands)
        self._finish_updates()

    def execute_by_image(
        self, computation: PrimitiveDescriptor, operands: Mapping[int, Operand | None], images: Sequence[Images]
    ) -> None:
        """Compute this next for one image after the other; ``images`` say where each is."""
        primitive = Primitive(computation)
        if primitive.scratch is not None:
            operands = {**operands, SCRATCHPAD: self.room(primitive.scratch)}
        moving = {each.argument: Operand(computation.layout(each.argument)) for each in images}
        execution = Execution(primitive, {**operands, **moving})
        self.executions.append(execution)

        def made(*arrays: Array) -> Callable[[], int]:
            where = zip(images, arrays[: len(images)], strict=True)
            return execution.at({each.argument: each.addresses(array) for each, array in where})

        self.step_made_by(repr(execution), made, *(each.operand for each in images), *operands.values())

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Call this next: a computation of our own, which returns 0 or None for success; arguments as for `step`."""
        self.step(name, function, *arguments)
        self._finish_updates()

    def step(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function next. Operands and rooms among its arguments become the arrays they stand for."""
        self._add(name, lambda *arrays: (function, arrays), arguments)

    def step_made_by(self, name: str, make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        """Call next what ``make`` returns for these arguments, with arrays for operands and rooms.

        It is made when the arrays are known, and again when they have moved: for what keeps their addresses.
        """
        self._add(name, lambda *arrays: (make(*arrays), ()), arguments)
        self._finish_updates()

    def finish(self) -> Stretch:
        """The stretch as planned so far."""
        self.expected.update({memory: list(places) for memory, places in self.written.items()})
        return Stretch(self)

    def _finish_updates(self) -> None:
        for accumulator, room in self._after:
            self.step("add what was there", accumulator.finish, room)
        self._after = []

    def _add(self, name: str, make: Callable[..., Step], arguments: tuple[Any, ...]) -> None:
        for argument in arguments:
            if isinstance(argument, (Operand, Room)):
                self.arena.use(self.rooms[argument] if isinstance(argument, Operand) else argument)
        self.steps.append((make, arguments))
        self.named.append(StepName(name, self.calls))
        self.arena.step += 1

    def _execute(self, primitive: Primitive, operands: Mapping[int, Operand | None]) -> None:
        if primitive.scratch is not None:
            operands = {**operands, SCRATCHPAD: self.room(primitive.scratch)}
        for operand in operands.values():
            if operand is not None:
                self.arena.use(self.rooms[operand])
        execution = Execution(primitive, operands)
        self.executions.append(execution)
        function, arguments = execution.step
        self.step(repr(execution), function, *arguments)

    def _operand(self, memory: SyncedMemory, descriptor: Descriptor, place: Place) -> Operand:
        operand = self.operands.get((memory, place, descriptor))
        if operand is None:
            operand = self.operands[memory, place, descriptor] = Operand(descriptor)
            self.rooms[operand] = self.arena.of(memory, place)
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
                self.step("to host", source.to_host, self.arena.of(memory, source), self.arena.of(memory, HOST))
            else:
                if HOST not in self.written[memory]:
                    self._bring(memory, HOST)
                self.step("from host", place.from_host, self.arena.of(memory, HOST), self.arena.of(memory, place))
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
