"""Room on a device for numbers that nobody wants after a program: those needed at different times may overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass

from caffe_sdk.engine.cuda.device import Buffer, Device
from caffe_sdk.engine.cuda.place import DevicePlace, LastPlace, NarrowPlace
from caffe_sdk.engine.packing import Span, assign
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Place, SyncedMemory

ALIGNMENT = 256
"""Bytes, as of what a device allocates."""


@dataclass
class Part:
    """Bytes of the area."""

    whole: Buffer
    pointer: int
    nbytes: int


class Tenant(Span):
    """A memory's buffer at a place, and the layer that makes it first."""

    __slots__ = ("memory", "place", "where")

    def __init__(self, memory: SyncedMemory, place: Place) -> None:
        super().__init__()
        self.memory, self.place, self.where = memory, place, ""

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.memory.nbytes(self.place)


class Area:
    """The rooms of a program's lost memories, laid out before any of it is allocated."""

    def __init__(self, device: Device, used: Iterable[tuple[SyncedMemory, Place]], lost: Set[SyncedMemory]) -> None:
        """``used`` are the buffers the program works on, whosever they are."""
        self._device = device
        self._tenants: dict[SyncedMemory, list[Tenant]] = {}
        for memory, place in used:
            if memory in lost:
                self._tenants.setdefault(memory, []).append(Tenant(memory, place))
        self._room: Buffer | None = None
        self.nbytes = 0
        """Bytes it takes."""

    def __contains__(self, memory: SyncedMemory) -> bool:
        return memory in self._tenants

    def lay_out(self, steps: Sequence[tuple[str, Set[SyncedMemory]]]) -> None:
        """Find room for everyone, given the memories that each step works on, and its layer.

        What is at two places is brought from one to the other at some time: it is at both for as long as it is used.
        """
        for i, (where, memories) in enumerate(steps):
            for tenant in (tenant for memory in memories for tenant in self._tenants.get(memory, ())):
                tenant.where = tenant.where or where
                tenant.use(i)
        self.nbytes = assign(self._all(), ALIGNMENT)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Its memories work on their parts of it, and have no numbers afterwards."""
        if not self._tenants:
            yield
            return
        room = self._allocated()
        try:
            for memory, tenants in self._tenants.items():
                memory.borrow({tenant.place: self._part(tenant, room) for tenant in tenants})
            yield
        finally:
            for memory in self._tenants:
                memory.return_borrowed()

    def allocated(self) -> int:
        """Bytes, if it is there."""
        return self.nbytes if self._room is not None else 0

    def release(self) -> None:
        """Give it back."""
        self._room = None

    def _all(self) -> list[Tenant]:
        return [tenant for tenants in self._tenants.values() for tenant in tenants]

    def _allocated(self) -> Buffer:
        if self._room is None:
            try:
                self._room = self._device.allocate(self.nbytes)
            except DeviceError as error:
                raise error.at(max(self._all(), key=lambda tenant: tenant.nbytes).where) from None
        return self._room

    @staticmethod
    def _part(tenant: Tenant, room: Buffer) -> object:
        assert tenant.offset is not None
        assert isinstance(tenant.place, (DevicePlace, NarrowPlace, LastPlace))
        return tenant.place.within(Part(room, room.pointer + tenant.offset, tenant.nbytes))
