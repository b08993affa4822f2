"""Large matrices that are multiplied by single vectors, in 28 bits a number instead of 32: less to read from memory.

Reading it is all that such a product costs. Trained weights are of few sizes, so an eighth of their bits says nothing;
`portable.loops.codes` says how they do without. No digit is lost. Codes lie column by column, so that what would be
multiplied by 0 is not even read.

A matrix is written that way where it lies, when it is first multiplied. Where it changes soon, that was in vain: if it
happens again and again, the matrix is read as it is until it has been multiplied unchanged, each time for longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from caffe_sdk.engine.cpu.compact_job import (
    CODES,
    COMPACT,
    MISFIT,
    ROW,
    SLAB,
    SLABS,
    list_of_x,
    reading_room,
    slabs,
    writing_room,
)
from caffe_sdk.engine.cpu.dense_job import DENSE, ROWS
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.job import address
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import HOST, Array, Place, Shape, SyncedMemory, aligned

LEAST = 1 << 21
"""Numbers of a matrix from which on it is worth while: what fits into a processor's own cache is not read for long."""
MOST_MISFITS = 1 / 256
"""Of all numbers, that may have no code: they are multiplied one by one."""
ENOUGH = 32
"""Products in codes that are worth writing them."""
FORGIVEN = 3
"""How often in a row it may be in vain: weights are looked at and changed before, not while, they are used."""


@dataclass(frozen=True)
class Compact(Place):
    """Where a row-major matrix is in codes, in a buffer as large as the host's.

    Slabs of codes come first. In what they leave free are the least power of two of each of their rows, where a slab's
    misfits begin among all, with the end of the last, and then the misfits.
    """

    rows: int
    columns: int
    name = "compact"

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def in_place(self, buffer: Array) -> bool:
        """Unless too many numbers have no code."""
        found = self._surveyed(buffer)
        if found is None:
            return False
        self._write(buffer, buffer, *found)
        return True

    def from_host(self, host: Array, buffer: Array) -> None:
        found = self._surveyed(host)
        if found is None:
            raise InternalError("compact", "too many numbers have no code, and nobody should have asked for one")
        self._write(host, buffer, *found)

    def to_host(self, buffer: Array, host: Array) -> None:
        room = aligned(reading_room(), np.uint8)
        self.job("read_codes", 1, numbers=address(host), room=address(room), **self.addresses(buffer)).run()

    def addresses(self, buffer: Array) -> dict[str, int]:
        """The addresses of codes and tables in a buffer."""
        codes = address(buffer)
        least = codes + slabs(self.rows) * CODES * self.columns
        begins = least + 4 * slabs(self.rows) * SLAB
        return {"codes": codes, "least": least, "begins": begins, "misfits": begins + 4 * (slabs(self.rows) + 1)}

    def job(self, loop: str, items: int, **values: float) -> Job:
        """What works on such a matrix."""
        return Job(loop, COMPACT, {"items": items, "rows": self.rows, "columns": self.columns, **values})

    def product(self, buffer: Array, room: Array, **values: float) -> Callable[[], None]:
        """What computes y = matrix x + bias for a matrix in a buffer; see `Matrix.product`."""
        listed = address(room) + self._sums
        where = {**self.addresses(buffer), "room": address(room), "listed": listed, **values}
        list_numbers = self.job("list_numbers", 1, **where)
        multiply = self.job("multiply_compact", -(-slabs(self.rows) // SLABS), **where)

        def run() -> None:
            list_numbers.run()
            multiply.run()

        return run

    @property
    def can_be(self) -> bool:
        """Whether such a matrix can be in codes at all."""
        return self.columns % SLAB == 0 and self._left > 0

    @property
    def room(self) -> int:
        """Bytes a product needs: sums of all slabs, and the list of x."""
        return self._sums + list_of_x(self.columns)

    @property
    def _sums(self) -> int:
        return (slabs(self.rows) + 1) * ROW

    @property
    def _left(self) -> int:
        """Bytes that are left for misfits."""
        tables = 4 * slabs(self.rows) * SLAB + 4 * (slabs(self.rows) + 1)
        return self.columns * (4 * self.rows - slabs(self.rows) * CODES) - tables

    def _surveyed(self, numbers: Array) -> tuple[Array, Array] | None:
        """Least powers and where misfits begin; None if there are too many."""
        least, counts = (np.zeros((slabs(self.rows), SLAB), np.int32) for _ in range(2))
        tables = {"least": address(least), "misfits": address(counts)}
        self.job("survey", -(-self.rows // ROWS), numbers=address(numbers), **tables).run()
        begins = np.concatenate([[0], np.cumsum(counts.sum(1, dtype=np.int64))])
        if begins[-1] > MOST_MISFITS * numbers.size or MISFIT * begins[-1] > self._left:
            return None
        return least.reshape(-1), begins.astype(np.int32)

    def _write(self, numbers: Array, buffer: Array, least: Array, begins: Array) -> None:
        """Codes first: while they are written in place, there are still numbers where misfits will be."""
        misfits, room = np.zeros(MISFIT * int(begins[-1]), np.uint8), aligned(writing_room(self.columns), np.uint8)
        tables = {"least": address(least), "misfits": address(misfits), "room": address(room)}
        self.job("write_codes", 1, numbers=address(numbers), codes=address(buffer), **tables).run()
        found = np.concatenate([least, begins, misfits.view(np.int32)])
        first = slabs(self.rows) * CODES * self.columns // 4
        buffer.view(np.int32)[first : first + found.size] = found


class Matrix:
    """A matrix that programs multiply by vectors: on the host, or in codes where it does not change all the time."""

    def __init__(self, memory: SyncedMemory, shape: Shape) -> None:
        self.memory, self.place = memory, Compact(*shape)
        self._in_vain = 0
        """How often in a row it was written for too few products."""
        self._unchanged = 0
        """Products with the same numbers until now."""
        self._watching = False
        self._buffer: Array | None = None  # where products have their addresses from
        self._worth_while = memory.count >= LEAST and self.place.can_be

    def enter(self) -> None:
        """Before a product: see to it that the numbers are at one of the two places."""
        memory, place = self.memory, self.place
        if place not in memory.fresh:
            if place in memory.places:  # what is there is old
                memory.release(place)
            memory.read(HOST)
            if not self._worth_while or not memory.held_once or memory.leased:
                return
            if not self._watching:
                memory.watch(self)
                self._watching = True
            if self._unchanged == self._patience:
                memory.become(place)
        self._unchanged += 1

    @property
    def _patience(self) -> int:
        """Products with the same numbers before they are written in codes."""
        return 0 if self._in_vain < FORGIVEN else 4 ** (self._in_vain - FORGIVEN + 1)

    def before_change(self, memory: SyncedMemory) -> None:
        """The numbers are about to change."""
        if self._unchanged > self._patience:
            self._in_vain = 0 if self._unchanged >= self._patience + ENOUGH else self._in_vain + 1
        self._unchanged = 0
        self._watching = False

    def product(self, room: Array, x: int, y: int, bias: int, slope: float) -> Callable[[], None]:
        """What computes y = matrix x + bias, times ``slope`` where it is below 0.

        The vectors are given by their addresses, and there is no bias where it is 0. It does for as long as the numbers
        are where they are now.
        """
        memory, place = self.memory, self.place
        vectors = {"x": x, "y": y, "bias": bias, "slope": slope}
        if place in memory.fresh:
            self._buffer = memory.buffer(place)
            return place.product(self._buffer, room, **vectors)
        self._buffer = memory.buffer(HOST)
        sizes = {"items": -(-place.rows // ROWS), "rows": place.rows, "columns": place.columns}
        return Job("multiply_vector", DENSE, {**sizes, "weight": address(self._buffer), **vectors}).run
