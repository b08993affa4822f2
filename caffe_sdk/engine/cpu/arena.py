"""Room for the numbers steps work on: who needs it from when to when is known before any of it is allocated.

While a program is planned, every buffer its steps use is a `Room`. Most are buffers of memories, which others see.
What nobody sees outside the program, such as scratch memory and blobs between layers, shares one area: rooms that are
never in use at the same step may overlap. When the plan is complete, `Arena.lay_out` gives each room its offset there;
when the program first runs, `Arena.array` gives it its array.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

import numpy as np

from caffe_sdk.engine.packing import Span, assign
from caffe_sdk.memory import Array, Place, SyncedMemory, aligned

SEVERAL = -1
"""In place of the number of a part."""


class Room(Span):
    """``count`` numbers of a type, which the steps ``first`` to ``last`` use: a memory's at a place, or nobody's."""

    __slots__ = ("array", "begin", "count", "dtype", "memory", "place", "whole")

    def __init__(
        self, count: int, dtype: np.dtype[Any], memory: SyncedMemory | None = None, place: Place | None = None
    ) -> None:
        super().__init__()
        self.count, self.dtype = count, dtype
        self.memory, self.place = memory, place
        self.array: Array | None = None
        self.whole: Room | None = None  # the room this is part of, from the number ``begin`` on
        self.begin = 0

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.count * self.dtype.itemsize


class Arena:
    """The rooms of a program. ``step`` is the number of the step that is being planned, ``part`` of its part."""

    def __init__(self) -> None:
        self.step = 0
        self.part = 0
        self.nbytes = 0
        """Bytes of the area, once it is laid out."""
        self.scratch = 0
        """Bytes it would have with nothing in it but rooms that are no memory's."""
        self._rooms: dict[tuple[SyncedMemory, Place], Room] = {}
        self._own: list[Room] = []
        self._parts: dict[SyncedMemory, int] = {}  # the one part that works on a memory, or SEVERAL
        self._area: Array | None = None
        self.crossing: dict[SyncedMemory, list[Room]] = {}
        """Lost memories that several parts of the program work on, with their rooms."""
        self.within: dict[SyncedMemory, Room] = {}
        """Memories whose numbers are made right within other numbers, and where that is."""

    # -- while planning ------------------------------------------------------------------------------------------------

    def of(self, memory: SyncedMemory, place: Place) -> Room:
        """The buffer of a memory at a place."""
        room = self._rooms.get((memory, place))
        if room is None:
            room = self._rooms[memory, place] = Room(*place.extent(memory.count, memory.dtype), memory, place)
        return room

    def own(self, nbytes: int, dtype: np.dtype[Any]) -> Room:
        """Room that is no memory's."""
        self._own.append(Room(nbytes // dtype.itemsize, dtype))
        return self._own[-1]

    def use(self, room: Room) -> None:
        """The step that is being planned works on a room."""
        room.use(self.step)
        if room.whole is not None:
            self.use(room.whole)
        if room.memory is not None:
            known = self._parts.setdefault(room.memory, self.part)
            if known != self.part:
                self._parts[room.memory] = SEVERAL

    def within_part(self, memory: SyncedMemory) -> bool:
        """Whether only the part that is being planned has worked on a memory."""
        return self._parts.get(memory) == self.part

    def cut(self, whole: Room, begin: int) -> Room:
        """A room from the number ``begin`` on."""
        room = Room(whole.count - begin, whole.dtype)
        room.whole, room.begin = whole, begin
        return room

    def join(self, parts: Iterable[Room], whole: Room) -> None:
        """Let rooms that nobody uses from now on be parts of another, unused until now, one after the other."""
        begin = 0
        for part in parts:
            part.whole, part.begin = whole, begin
            begin += part.count
            whole.first = min(whole.first, part.first)

    # -- when all is planned -------------------------------------------------------------------------------------------

    def lay_out(self, lost: Set[SyncedMemory]) -> None:
        """Find places in the area for rooms of these memories, whose numbers nobody wants afterwards, and for others'.

        What one part of a program leaves for another must stay as long as any of them works on that memory.
        """
        shared = [room for room in self._rooms.values() if room.memory in lost and room.whole is None]
        for room in shared:
            memory = room.memory
            assert memory is not None
            if self._parts.get(memory) == SEVERAL:
                self.crossing.setdefault(memory, []).append(room)
        for rooms in self.crossing.values():
            used = [room for room in rooms if room.first >= 0]
            first, last = min(room.first for room in used), max(room.last for room in used)
            for room in rooms:
                room.first, room.last = first, last
        self.scratch = assign(self._own)
        self.nbytes = assign([*shared, *self._own])

    def needs(self) -> dict[tuple[SyncedMemory, Place], int]:
        """The buffers memories must have for the program to run, with their bytes."""
        return {key: room.nbytes for key, room in self._rooms.items() if room.offset is None and room.whole is None}

    # -- when it runs --------------------------------------------------------------------------------------------------

    def array(self, room: Room) -> Array:
        """Where a room is, allocated if need be."""
        if room.whole is not None:
            return self.array(room.whole)[room.begin : room.begin + room.count]
        if room.offset is None:
            assert room.memory is not None
            assert room.place is not None
            buffer: Array = room.memory.buffer(room.place)
            return buffer
        if room.array is None:
            if self._area is None:
                self._area = aligned(self.nbytes, np.uint8)
            room.array = self._area[room.offset : room.offset + room.nbytes].view(room.dtype)
        return room.array

    def allocated(self) -> int:
        """Bytes of the area if it is there."""
        return self.nbytes if self._area is not None else 0

    def release(self) -> None:
        """Give the area back; whoever works on it asks for `array` again."""
        self._area = None
        for room in (*self._rooms.values(), *self._own):
            room.array = None
