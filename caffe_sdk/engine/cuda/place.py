"""A device's memory as places of numbers: as floats, and in 16 bits; in Caffe's order, and channels last."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from caffe_sdk.engine.cuda.checks import Checks
from caffe_sdk.engine.cuda.device import Buffer as Room
from caffe_sdk.engine.cuda.device import Device
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.layout import Last, moved
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Array, Buffer, Place, SyncedMemory

COMPUTED = (np.float32, np.int32)
"""What kernels compute with."""
WORD = 4
"""Bytes of each."""


class Now(threading.local):
    """How the calling thread computes what it computes now."""

    real: Format = FLOAT32
    """What kernels store values in."""
    places: Mapping[SyncedMemory, Place] = {}
    """Where memories are worked on that are not worked on as floats, or not in Caffe's order."""
    last = False
    """Whether values lie channels last."""

    def __init__(self, scale: float = 1.0) -> None:
        """``scale`` is that of every thread unless a solver has another."""
        self.scale = scale
        """What gradients that are stored in 16 bits are multiplied by."""


class DevicePlace(Place):
    """Buffers on one device. What went wrong there comes out when numbers are brought back."""

    def __init__(self, device: Device, name: str, checks: Checks) -> None:
        self.device, self.name, self._checks = device, name, checks

    def __eq__(self, other: object) -> bool:
        return type(other) is DevicePlace and other.device is self.device

    def __hash__(self) -> int:
        return hash(id(self.device))

    def allocate(self, count: int, dtype: np.dtype[Any]) -> Room:
        """Room for numbers. DeviceError for a type that kernels do not compute with."""
        if dtype not in COMPUTED:
            raise DeviceError(self.name, f"a GPU computes in float32 here, and was given {dtype}", "use float32 blobs")
        return self.device.allocate(self.nbytes(count, dtype))

    def within(self, part: Room) -> Room:
        """A buffer that is part of another."""
        return part

    def copy(self, source: Buffer, target: Buffer) -> None:
        self.device.copy(source.pointer, target.pointer, target.nbytes)

    def zero(self, buffer: Buffer) -> None:
        self.device.clear(buffer.pointer, buffer.nbytes)

    def from_host(self, host: Array, buffer: Buffer) -> None:
        self.device.upload(host, buffer.pointer)

    def to_host(self, buffer: Buffer, host: Array) -> None:
        self.device.download(buffer.pointer, host)
        self._checks.look()

    def from_place(self, other: Place, source: Buffer, buffer: Buffer) -> bool:
        """Wider as they come, in Caffe's order, or from another GPU straight to this one."""
        if isinstance(other, (NarrowPlace, LastPlace)) and other.wide == self:
            other.widen(source, buffer.pointer)
            return True
        if not isinstance(other, DevicePlace):
            return False
        return self.device.fetch(other.device, source.pointer, buffer.pointer, buffer.nbytes)


class NarrowBuffer:
    """Room for numbers of 16 bits, and what they were multiplied by before they were rounded."""

    def __init__(self, room: Room, scale: float) -> None:
        self._room, self.pointer, self.nbytes, self.scale = room, room.pointer, room.nbytes, scale


class NarrowPlace(Place):
    """Numbers in 16 bits on a device, rounded as they are brought there. They are read as the floats they stand for,
    so that nobody else sees how they are stored.

    Where they are ``scaled`` they are multiplied by the scale of `Now` as they are brought, and divided as they are
    read: gradients, whose smallest the format could not hold.
    """

    rounds = True

    def __init__(self, wide: DevicePlace, stored: Format, scaled: bool, now: Now, last: Last | None = None) -> None:
        self.wide, self.stored, self.scaled, self.last, self._now = wide, stored, scaled, last, now
        self.name = f"{wide.name} {stored.name}{' channels last' if last else ''}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NarrowPlace) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return self.wide, self.stored, self.scaled, self.last

    def lying(self, last: Last | None) -> NarrowPlace:
        """The same, with the channels last or not."""
        return NarrowPlace(self.wide, self.stored, self.scaled, self._now, last)

    @property
    def scale(self) -> float:
        """What numbers that are brought now are multiplied by."""
        return self._now.scale if self.scaled else 1.0

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return count, np.dtype(np.uint16)

    def allocate(self, count: int, dtype: np.dtype[Any]) -> NarrowBuffer:
        """Room for numbers."""
        return self.within(self.wide.device.allocate(self.nbytes(count, dtype)))

    def within(self, part: Room) -> NarrowBuffer:
        """A buffer that is part of another."""
        return NarrowBuffer(part, self.scale)

    def zero(self, buffer: NarrowBuffer) -> None:
        self.wide.device.clear(buffer.pointer, buffer.nbytes)

    def from_host(self, host: Array, buffer: NarrowBuffer) -> None:
        passing = self.wide.device.allocate(host.nbytes)
        self.wide.from_host(host, passing)
        self._narrow(passing, buffer)

    def to_host(self, buffer: NarrowBuffer, host: Array) -> None:
        passing = self.wide.device.allocate(host.nbytes)
        self.widen(buffer, passing.pointer)
        self.wide.to_host(passing, host)

    def from_place(self, other: Place, source: Buffer, buffer: NarrowBuffer) -> bool:
        if other == self.wide:
            self._narrow(source, buffer)
        elif not isinstance(other, NarrowPlace) or (other.wide, other.stored) != (self.wide, self.stored):
            return False
        elif None in (other.last, self.last) or other.last == self.last:
            self._rescale(source, buffer, other.last)
        else:  # a memory in two shapes
            passing = NarrowBuffer(self.wide.device.allocate(buffer.nbytes), self.scale)
            self.lying(None).from_place(other, source, passing)
            self._rescale(passing, buffer, None)
        return True

    def match(self, buffer: NarrowBuffer) -> None:
        """Have numbers that were brought with another scale multiplied by the one of now."""
        if buffer.scale != self.scale:
            self._rescale(buffer, buffer, self.last)

    def widen(self, buffer: NarrowBuffer, target: int) -> None:
        """Write the numbers to an address as floats, in Caffe's order."""
        self._convert("widened", buffer, (buffer.pointer, target), (self.last, None), 1 / buffer.scale)

    def _narrow(self, source: Buffer, buffer: NarrowBuffer) -> None:
        buffer.scale = self.scale
        self._convert("narrowed", buffer, (source.pointer, buffer.pointer), (None, self.last), buffer.scale)

    def _rescale(self, source: NarrowBuffer, buffer: NarrowBuffer, before: Last | None) -> None:
        factor, buffer.scale = self.scale / source.scale, self.scale
        self._convert("rescaled", buffer, (source.pointer, buffer.pointer), (before, self.last), factor)

    def _convert(
        self,
        name: str,
        buffer: NarrowBuffer,
        addresses: tuple[int, int],
        orders: tuple[Last | None, Last | None],
        factor: float,
    ) -> None:
        """Have a kernel bring as many numbers as a buffer has from one address to another."""
        moved(self.wide.device, name, self.stored, buffer.nbytes // self.stored.nbytes, addresses, orders, factor)


class LastPlace(Place):
    """Floats or ints on a device, channels last: what belongs to values that lie so, as the mask of a pooling."""

    def __init__(self, wide: DevicePlace, last: Last) -> None:
        self.wide, self.last, self.name = wide, last, f"{wide.name} channels last"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LastPlace) and (other.wide, other.last) == (self.wide, self.last)

    def __hash__(self) -> int:
        return hash((self.wide, self.last))

    def allocate(self, count: int, dtype: np.dtype[Any]) -> Room:
        """Room for numbers."""
        return self.wide.allocate(count, dtype)

    def within(self, part: Room) -> Room:
        """A buffer that is part of another."""
        return part

    def zero(self, buffer: Buffer) -> None:
        self.wide.zero(buffer)

    def from_host(self, host: Array, buffer: Buffer) -> None:
        passing = self.wide.device.allocate(host.nbytes)
        self.wide.from_host(host, passing)
        self.from_place(self.wide, passing, buffer)

    def to_host(self, buffer: Buffer, host: Array) -> None:
        passing = self.wide.device.allocate(host.nbytes)
        self.widen(buffer, passing.pointer)
        self.wide.to_host(passing, host)

    def from_place(self, other: Place, source: Buffer, buffer: Buffer) -> bool:
        if other == self.wide:
            self._move(buffer, (source.pointer, buffer.pointer), (None, self.last))
        return other == self.wide

    def widen(self, buffer: Buffer, target: int) -> None:
        """Write the numbers to an address in Caffe's order."""
        self._move(buffer, (buffer.pointer, target), (self.last, None))

    def _move(self, buffer: Buffer, addresses: tuple[int, int], orders: tuple[Last | None, Last | None]) -> None:
        moved(self.wide.device, "words", FLOAT32, buffer.nbytes // WORD, addresses, orders)
