"""Memory that may be in several places at once, and the two rules that keep it right.

A *place* is somewhere bytes can be: the host's plain arrays, a device, or an engine's own layout (oneDNN's blocked
layouts are such places). A `SyncedMemory` knows the set of places where its numbers are current, ``fresh``:

* **read adds a place**: the numbers are brought there if they are not, and stay current where they were;
* **write replaces them**: what another place holds is old from now on.

No fresh place at all means zeros, or first values yet to be made: nothing is allocated, cleared or filled until
somebody looks. Or it means that the numbers were *lost*: a program had its own room for them and used it again for
others. Lost numbers are computed again when somebody looks, by whoever is in charge (`SyncedMemory.lose`); who can do
that from other memories watches them and hears of it before they change (`SyncedMemory.watch`).

Users hold NumPy views (``blob.data``) for as long as they like and write into them unseen. So a memory whose view is
alive, *leased* memory, is the host's between runs: a net entering a run calls `SyncedMemory.claim` and leaving it
`SyncedMemory.settle`, and the view shows what the net computed, on every engine.

Nets in several threads may share a memory that all only read, as clones of a net share weights: bringing numbers to a
place is done by one of them, while the others wait.
"""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from caffe_sdk.errors import DeviceError

Shape = tuple[int, ...]
Array = npt.NDArray[Any]
Buffer = Any  # what a place keeps its numbers in: a flat NumPy array on the host, something of its own elsewhere

ALIGNMENT = 64  # bytes: a cache line, and what vector instructions like best

transfers: Counter[tuple[str, str]] = Counter()
"""How often numbers went from one place to another since the program began, by the places' names."""


def aligned(count: int, dtype: npt.DTypeLike) -> Array:
    """A flat array of ``count`` zeros on a cache line; the system clears pages as they are touched.

    Raises DeviceError when the system has no such amount of memory to give.
    """
    size = count * np.dtype(dtype).itemsize
    try:
        raw = np.zeros(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):
        raise DeviceError("memory", f"{size:,} bytes cannot be had", "use a smaller batch or input") from None
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype)


class Place:
    """Somewhere bytes can be. Two places are the same when they compare equal; they are keys of dictionaries."""

    name = "place"
    derived = False
    """Whether numbers can be brought here but not back, as what is computed from a weight once for many runs."""

    rounds = False
    """Whether numbers lose digits here: they are brought elsewhere from a place that has them all, if there is one."""

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        """How many numbers, and of which type, a buffer for ``count`` numbers has here: more where a layout pads."""
        return count, dtype

    def allocate(self, count: int, dtype: np.dtype[Any]) -> Buffer:
        """A buffer for ``count`` numbers; what it holds does not matter. By default a host array of its `extent`."""
        return aligned(*self.extent(count, dtype))

    def zero(self, buffer: Buffer) -> None:
        """Set every number of a buffer to 0."""
        raise NotImplementedError

    def copy(self, source: Buffer, target: Buffer) -> None:
        """Make one buffer's numbers another's, too. By default both are host arrays."""
        target[...] = source

    def from_host(self, host: Array, buffer: Buffer) -> None:
        """Bring numbers here from a flat host array."""
        raise NotImplementedError

    def to_host(self, buffer: Buffer, host: Array) -> None:
        """Bring numbers from here to a flat host array."""
        raise NotImplementedError

    def in_place(self, buffer: Array) -> bool:
        """Make the host's buffer one of this place with the same numbers; False when it cannot be, and is untouched."""
        return False

    def from_place(self, other: Place, source: Buffer, buffer: Buffer) -> bool:
        """Bring numbers here straight from another place; False when there is no such way (the host is the detour)."""
        return False

    def nbytes(self, count: int, dtype: np.dtype[Any]) -> int:
        """Bytes of a buffer for ``count`` numbers."""
        numbers, kind = self.extent(count, dtype)
        return numbers * kind.itemsize


class HostPlace(Place):
    """Plain row-major arrays in the computer's memory."""

    name = "host"

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0


HOST = HostPlace()
NOWHERE: Set[Place] = frozenset()
AT_HOST: Set[Place] = frozenset([HOST])
"""Where most memories' numbers are: one set for all of them."""


class _Lease:
    """Owner of a view handed to a user. NumPy keeps it alive as long as any array derived from the view lives."""

    def __init__(self, buffer: Array) -> None:
        self.buffer = buffer
        self.__array_struct__ = buffer.__array_struct__


class Watcher(Protocol):
    """Who wants to hear before a memory changes."""

    def before_change(self, memory: SyncedMemory) -> None:
        """The memory is about to change; what is read from it now is still the old."""


_numbers = itertools.count(1)
_moves = 0
_making_locks = threading.Lock()


def moves() -> int:
    """A number that is another one whenever a memory gave a buffer up: what programs hold may be another one now."""
    return _moves


def _moved() -> None:
    global _moves
    _moves = next(_numbers)


class SyncedMemory:
    """``count`` numbers of one type and the places where they are current. Allocation is on first use."""

    __slots__ = (
        *("__weakref__", "_buffers", "_initial", "_lease", "_lock", "_recall"),
        *("count", "dtype", "fresh", "held_once", "watchers"),
    )

    def __init__(self, count: int, dtype: npt.DTypeLike = np.float32) -> None:
        self.count = count
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.fresh: Set[Place] = NOWHERE
        self._buffers: dict[Place, Buffer] = {}
        self._lease: weakref.ref[Array] | None = None
        self._lock: threading.RLock | None = None
        self._initial: Callable[[Array], None] | None = None
        self._recall: Callable[[SyncedMemory], None] | None = None
        self.held_once = False
        """Whether the host's copy is given back when the numbers are brought elsewhere, unless somebody holds it."""
        self.watchers: Sequence[weakref.ref[Watcher]] = ()
        """Who hears, once, before the numbers change."""

    def begin_with(self, fill: Callable[[Array], None]) -> None:
        """Let the first numbers be what ``fill`` puts into a flat host array, when somebody looks; never otherwise."""
        self.clear()
        self._initial = fill

    def read(self, place: Place) -> Buffer:
        """The buffer at ``place`` with the current numbers, for reading."""
        if place not in self.fresh:
            self._bring(place)
        return self._buffers[place]

    def write(self, place: Place) -> Buffer:
        """The buffer at ``place`` for overwriting every number; other places are old from now on."""
        if self.watchers:
            self.changes()
        buffer = self.buffer(place)
        self.fresh = {place}
        self._initial = self._recall = None
        return buffer

    def update(self, place: Place) -> Buffer:
        """The buffer at ``place`` with the current numbers, for changing them."""
        if self.watchers:
            self.changes()
        buffer = self.read(place)
        self.fresh = {place}
        return buffer

    def wrote(self, places: Iterable[Place]) -> None:
        """Every number was just put at all of these places, by a program that keeps their buffers.

        The program told of it before, by `changes`.
        """
        self.fresh = set(places)
        self._initial = self._recall = None

    def clear(self) -> None:
        """All numbers are 0 from now on. Costs nothing until they are read, except while a user holds a view."""
        self.changes()
        self._initial = self._recall = None
        if self.leased:
            self.write(HOST)[...] = 0
        else:
            self.fresh = NOWHERE

    @property
    def is_zero(self) -> bool:
        """Whether the numbers are known to be all zeros without looking: nothing was written since `clear`."""
        return not self.fresh and self._initial is None and self._recall is None

    @property
    def leased(self) -> bool:
        """Whether somebody holds a view, and so may write unseen."""
        lease = self._lease
        return lease is not None and lease() is not None

    def view(self) -> Array:
        """A writable flat NumPy view of the host's copy. Taking it makes the host the only fresh place."""
        buffer = self.update(HOST)
        with self._alone():
            view = self._lease() if self._lease is not None else None
            if view is None:
                view = np.asarray(_Lease(buffer))
                self._lease = weakref.ref(view)
        return view

    def claim(self) -> bool:
        """Before a run: if a view is alive its holder may have written, so only the host's copy counts.

        Says whether one is alive.
        """
        lease = self._lease
        if lease is None:
            return False
        if lease() is None:
            with self._alone():
                if self._lease is lease:  # nobody has taken another view meanwhile
                    self._lease = None
            return False
        self.fresh = AT_HOST
        return True

    def become(self, place: Place) -> bool:
        """Bring the numbers to a place in the very buffer that the host has them in, which the host then has no more.

        False, with nothing changed, where somebody else may want the host's copy or the place cannot do that.
        """
        with self._alone():
            if HOST not in self.fresh or place in self._buffers or not self._leaves_host(place):
                return False
            if not place.in_place(self._buffers[HOST]):
                return False
            self._buffers[place] = self._buffers.pop(HOST)
            self.fresh = (self.fresh - {HOST}) | {place}
            transfers[HOST.name, place.name] += 1
            _moved()
            return True

    def settle(self) -> None:
        """After a run: if a view is alive, bring what was computed to the host so that the view shows it."""
        if self.leased:
            self.read(HOST)

    # -- what it takes -------------------------------------------------------------------------------------------------

    @property
    def places(self) -> list[Place]:
        """Where it has buffers, whatever they hold."""
        return list(self._buffers)

    def nbytes(self, place: Place) -> int:
        """Bytes of a buffer at a place."""
        return place.nbytes(self.count, self.dtype)

    def allocated(self) -> int:
        """Bytes taken in all places together."""
        return sum(map(self.nbytes, self._buffers))

    def release(self, place: Place) -> None:
        """Give back the buffer at one place; its numbers are kept if they were current there alone."""
        alone = place in self.fresh and not any(self._may_be_read(p, place) for p in self.fresh)
        if place is not HOST and not place.derived and alone:
            self.read(HOST)
        self.fresh = self.fresh - {place}
        if self._buffers.pop(place, None) is not None:
            _moved()

    def buffer(self, place: Place) -> Buffer:
        """The buffer at ``place``, whatever it holds. A program may keep it for as long as `moves` says the same."""
        buffer = self._buffers.get(place)
        if buffer is None:
            buffer = self._buffers[place] = place.allocate(self.count, self.dtype)
        return buffer

    # -- numbers that others can compute again -------------------------------------------------------------------------

    def lose(self, recall: Callable[[SyncedMemory], None]) -> None:
        """The numbers are in no place any more: ``recall`` has them put back, by `adopt`, when somebody looks."""
        self.changes()
        self.forget()
        self._recall = recall

    def lost_to(self, recall: Callable[[SyncedMemory], None]) -> bool:
        """Whether the numbers are lost and ``recall`` will put them back."""
        return self._recall is recall

    def forget(self) -> None:
        """Give back all buffers but one that somebody holds, and with them the numbers."""
        kept: dict[Place, Buffer] = {HOST: self._buffers[HOST]} if self.leased else {}
        if len(kept) < len(self._buffers):
            self._buffers = kept
            _moved()
        self.fresh = NOWHERE
        self._initial = self._recall = None

    def adopt(self, other: SyncedMemory) -> None:
        """Take over the numbers of another memory of the same count, with the buffers they are in."""
        if self.leased:
            self.write(HOST)[...] = other.read(HOST)
            return
        self._buffers.update({place: other.read(place) for place in other.fresh})
        self.fresh = set(other.fresh)
        self._initial = self._recall = None
        _moved()

    def take(self, numbers: Array) -> None:
        """Take over a flat array, which nobody else may use, as the host's copy; if it is no such one, copy it."""
        if self.leased or numbers.dtype != self.dtype or numbers.shape != (self.count,) or not numbers.flags.carray:
            self.write(HOST)[: numbers.size] = numbers
            return
        self.changes()
        self.forget()
        self._buffers[HOST] = numbers
        self.fresh = AT_HOST

    def borrow(self, buffers: Mapping[Place, Buffer]) -> None:
        """Forget the numbers and work on buffers of somebody else's, until `return_borrowed`."""
        self.changes()
        self.forget()
        self._buffers.update(buffers)

    def return_borrowed(self) -> None:
        """Work on those buffers no more; nor are the numbers anywhere."""
        self._buffers = {}
        self.fresh = NOWHERE
        self._initial = self._recall = None

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher``, for as long as it lives, before the numbers change for the first time from now on."""
        alive = (reference for reference in self.watchers if reference() is not None)
        self.watchers = (*alive, weakref.ref(watcher))

    def changes(self) -> None:
        """The numbers are about to change: tell who watches."""
        if self.watchers:
            told, self.watchers = self.watchers, ()
            for reference in told:
                watcher = reference()
                if watcher is not None:
                    watcher.before_change(self)

    # -- moving --------------------------------------------------------------------------------------------------------

    def _bring(self, place: Place) -> None:
        """The one function that moves numbers between places. Of threads that share a memory one does it."""
        with self._alone():
            if place not in self.fresh:
                self._fetch(place)

    def _alone(self) -> threading.RLock:
        """A lock that is made when it is needed: most memories' numbers are never brought anywhere."""
        if self._lock is None:
            with _making_locks:
                self._lock = self._lock or threading.RLock()
        return self._lock

    def _fetch(self, place: Place) -> None:
        if self._recall is not None:
            self._recall(self)
            if place in self.fresh:
                return
        if self._initial is not None:
            fill, self._initial = self._initial, None
            fill(self.buffer(HOST))
            self.fresh = AT_HOST
            if place is HOST:
                return
        if self.become(place):
            return
        target = self.buffer(place)
        if not self.fresh:
            place.zero(target)
        else:
            self._convert(place, target)
        self.fresh = self.fresh | {place}  # a new set: another thread may be looking at the old one
        if self._leaves_host(place):
            self.release(HOST)

    def _leaves_host(self, place: Place) -> bool:
        """Whether numbers that are brought to a place need not stay on the host."""
        return self.held_once and not (place is HOST or place.derived or place.rounds or self.leased)

    @staticmethod
    def _may_be_read(other: Place, place: Place) -> bool:
        """Whether another place has all that a place has."""
        return other != place and not other.derived and (place.rounds or not other.rounds)

    def _convert(self, place: Place, target: Buffer) -> None:
        whole_first = sorted(self.fresh, key=lambda p: p.rounds)
        source = HOST if HOST in self.fresh else next(p for p in whole_first if not p.derived)
        if place is not HOST and (source is not HOST or place.rounds):
            for other in whole_first:
                if source is HOST and other.rounds:
                    break
                if place.from_place(other, self._buffers[other], target):
                    transfers[other.name, place.name] += 1
                    return
            self._bring(HOST)
            source = HOST
        if source is HOST:
            place.from_host(self._buffers[HOST], target)
        else:
            source.to_host(self._buffers[source], target)
        transfers[source.name, place.name] += 1


class Tensor:
    """A memory seen in a shape: what engines compute with. The shape's count may not exceed the memory's."""

    __slots__ = ("memory", "shape")

    def __init__(self, memory: SyncedMemory, shape: Shape) -> None:
        self.memory = memory
        self.shape = shape

    @property
    def count(self) -> int:
        """Number of values: the product of the shape."""
        return math.prod(self.shape)

    def reshaped(self, *shape: int) -> Tensor:
        """The same numbers in another shape of the same count."""
        return Tensor(self.memory, shape)

    def __repr__(self) -> str:
        return f"Tensor({' '.join(map(str, self.shape)) or 'scalar'} at {id(self.memory):#x})"


def new_tensor(shape: Shape, dtype: npt.DTypeLike = np.float32) -> Tensor:
    """A tensor of zeros with memory of its own."""
    return Tensor(SyncedMemory(math.prod(shape), dtype), shape)
