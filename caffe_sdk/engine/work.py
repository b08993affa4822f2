"""What is planned at once, and the works of a program in a row, with who touches which memory when."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from caffe_sdk.engine.operation import Call
from caffe_sdk.memory import SyncedMemory, Tensor

Memories = frozenset[SyncedMemory]


@dataclass(frozen=True, eq=False)
class Work:
    """A call, or several that were fused. What cannot be planned falls back to its ``parts``."""

    name: str
    arguments: dict[str, Any]
    calls: tuple[Call, ...]
    parts: tuple[Work, ...] = ()

    def __getitem__(self, parameter: str) -> Any:
        return self.arguments[parameter]

    @functools.cached_property
    def reads(self) -> Memories:
        """Memories whose numbers any of its calls needs."""
        return frozenset(t.memory for call in self.calls for t in call.reads())

    @functools.cached_property
    def writes(self) -> Memories:
        """Memories whose numbers any of its calls makes."""
        return frozenset(t.memory for call in self.calls for t in call.writes())

    @functools.cached_property
    def overwrites(self) -> Memories:
        """Memories that a call overwrites whole."""
        whole = (t for call in self.calls for t in call.overwrites() if t.count == t.memory.count)
        return frozenset(t.memory for t in whole)

    @property
    def touches(self) -> Memories:
        """Memories any of its calls reads or writes."""
        return self.reads | self.writes

    def on(self, stand_ins: Mapping[str, Tensor]) -> Work:
        """A single call with other tensors for some of its parameters."""
        (call,) = self.calls
        return single(Call(call.operation, {**call.arguments, **stand_ins}, call.where))

    def reading(self, memory: SyncedMemory, other: SyncedMemory) -> Work:
        """A single call that reads another memory where it read this one."""
        (call,) = self.calls

        def replaced(value: Any) -> Any:
            if isinstance(value, Tensor):
                return Tensor(other, value.shape) if value.memory is memory else value
            return [replaced(item) for item in value] if isinstance(value, (list, tuple)) else value

        changed = call.operation.writes | call.operation.updates
        read = {name: replaced(value) for name, value in call.arguments.items() if name not in changed}
        return single(Call(call.operation, {**call.arguments, **read}, call.where))


def single(call: Call) -> Work:
    """A call by itself."""
    return Work(call.name, call.arguments, (call,))


def fuse(name: str, works: Iterable[Work], **arguments: Any) -> Work:
    """Several works as one, with the arguments of all: of those with one name the one given here, else the first."""
    parts = tuple(works)
    merged = {name: value for part in reversed(parts) for name, value in part.arguments.items()}
    return Work(name, merged | arguments, tuple(call for part in parts for call in part.calls), parts)


class Row:
    """The works of a program in order. Rewritings replace some and drop others; positions stay what they are."""

    def __init__(self, works: Iterable[Work], lost: Iterable[SyncedMemory]) -> None:
        self._works: list[Work | None] = list(works)
        self.lost = frozenset(lost)
        """Memories whose numbers nobody wants after the program."""
        self._positions: dict[SyncedMemory, list[int]] = {}
        for i, work in enumerate(self._works):
            self._enter(i, work)

    def __iter__(self) -> Iterator[tuple[int, Work]]:
        for i, work in enumerate(self._works):
            if work is not None:
                yield i, work

    def works(self) -> list[Work]:
        """What is left."""
        return [work for _, work in self]

    def replace(self, i: int, work: Work | None) -> None:
        """Put another work at a position, or none."""
        for memory in self[i].touches:
            self._positions[memory].remove(i)
        self._works[i] = work
        self._enter(i, work)

    def __getitem__(self, i: int) -> Work:
        work = self._works[i]
        assert work is not None
        return work

    def after(self, i: int, memory: SyncedMemory) -> int | None:
        """The next position behind ``i`` whose work touches a memory."""
        positions = self._positions.get(memory, [])
        at = bisect.bisect_right(positions, i)
        return positions[at] if at < len(positions) else None

    def before(self, i: int, memory: SyncedMemory) -> int | None:
        """The last position before ``i`` whose work touches a memory."""
        positions = self._positions.get(memory, [])
        at = bisect.bisect_left(positions, i)
        return positions[at - 1] if at else None

    def between(self, i: int, j: int, memory: SyncedMemory) -> bool:
        """Whether a work between two positions touches a memory."""
        k = self.after(i, memory)
        return k is not None and k < j

    def writes_between(self, i: int, j: int, memory: SyncedMemory) -> bool:
        """Whether a work between two positions writes a memory."""
        k = self.after(i, memory)
        while k is not None and k < j:
            if memory in self[k].writes:
                return True
            k = self.after(k, memory)
        return False

    def until_overwritten(self, i: int, memory: SyncedMemory) -> Iterator[int]:
        """Positions behind ``i`` whose works touch a memory, up to and without the next that overwrites it unread."""
        j = self.after(i, memory)
        while j is not None and (memory in self[j].reads or memory not in self[j].overwrites):
            yield j
            j = self.after(j, memory)

    def dies(self, i: int, memory: SyncedMemory) -> bool:
        """Whether nobody reads what a memory holds behind a position: it is overwritten, or lost in the end."""
        j = self.after(i, memory)
        if j is None:
            return memory in self.lost
        return memory in self[j].overwrites and memory not in self[j].reads

    def movable(self, j: int, i: int, besides: SyncedMemory) -> bool:
        """Whether what is done at ``j`` could as well be done at ``i`` before it, where ``besides`` is in order."""
        work = self[j]
        return not any(self.between(i, j, memory) for memory in work.writes - {besides}) and not any(
            self.writes_between(i, j, memory) for memory in work.reads - {besides}
        )

    def _enter(self, i: int, work: Work | None) -> None:
        for memory in work.touches if work is not None else ():
            bisect.insort(self._positions.setdefault(memory, []), i)
