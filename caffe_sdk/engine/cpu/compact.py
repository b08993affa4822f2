"""Large matrices that are multiplied by single vectors, in 28 bits a number instead of 32: less to read from memory.

Reading it is all that such a product costs. Trained weights are of few sizes, so an eighth of their bits says nothing;
`portable.loops.codes` says how they do without. No digit is lost.

A matrix is written that way where it lies, when it is first multiplied. Where it changes soon, that was in vain: if it
happens again and again, the matrix is read as it is until it has been multiplied unchanged, each time for longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from caffe_sdk.engine.cpu.compact_job import COMPACT, MISFIT, NUMBERS, stride
from caffe_sdk.engine.cpu.dense_job import DENSE, ROWS
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.job import address
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import HOST, Array, Place, Shape, SyncedMemory

LEAST = 1 << 21
"""Numbers of a matrix from which on it is worth while: what fits into a processor's own cache is not read for long."""
COLUMNS = 8 * NUMBERS
"""Of such a matrix, at least."""
MOST_MISFITS = 1 / 256
"""Of all numbers, that may have no code: they are multiplied one by one. There is room for many more."""
ENOUGH = 32
"""Products in codes that are worth writing them."""
FORGIVEN = 3
"""How often in a row it may be in vain: weights are looked at and changed before, not while, they are used."""


@dataclass(frozen=True)
class Compact(Place):
    """Where a row-major matrix is in codes, in a buffer as large as the host's.

    Rows of codes come first. In what they leave free are each row's least exponent, where its misfits begin among all,
    with the end of the last, and then the misfits.
    """

    rows: int
    columns: int
    name = "compact"

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def in_place(self, buffer: Array) -> bool:
        """Unless too many numbers have no code."""
        tables = self._surveyed(buffer)
        if tables is None:
            return False
        self._write(buffer, buffer, *tables)
        return True

    def from_host(self, host: Array, buffer: Array) -> None:
        tables = self._surveyed(host)
        if tables is None:
            raise InternalError("compact", "too many numbers have no code, and nobody should have asked for one")
        self._write(host, buffer, *tables)

    def to_host(self, buffer: Array, host: Array) -> None:
        self.job("read_codes", numbers=address(host), **self.addresses(buffer)).run()

    def addresses(self, buffer: Array) -> dict[str, int]:
        """The addresses of codes and tables in a buffer."""
        codes = address(buffer)
        least = codes + self.rows * stride(self.columns)
        begins = least + 4 * self.rows
        return {"codes": codes, "least": least, "begins": begins, "misfits": begins + 4 * (self.rows + 1)}

    @property
    def sizes(self) -> dict[str, int]:
        """Of the matrix, for loops."""
        return {"items": -(-self.rows // ROWS), "rows": self.rows, "columns": self.columns}

    @property
    def worth_while(self) -> bool:
        """Whether what it saves can be felt."""
        return self.rows * self.columns >= LEAST and self.columns >= COLUMNS

    def job(self, loop: str, **values: float) -> Job:
        """What works on such a matrix. Codes are written in order, by one thread: they may lie where numbers do."""
        items = {"items": 1} if loop == "write_codes" else {}
        return Job(loop, COMPACT, {**self.sizes, **items, **values})

    def _surveyed(self, numbers: Array) -> tuple[Array, Array] | None:
        """Least exponents and where misfits begin; None if there are too many."""
        least, counts = np.zeros(self.rows, np.int32), np.zeros(self.rows, np.int32)
        tables = {"least": address(least), "begins": address(counts)}
        self.job("survey", numbers=address(numbers), **tables).run()
        begins = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return (least, begins.astype(np.int32)) if begins[-1] <= MOST_MISFITS * numbers.size else None

    def _write(self, numbers: Array, buffer: Array, least: Array, begins: Array) -> None:
        """Codes first: while they are written in place, there are still numbers where misfits will be."""
        misfits = np.zeros(MISFIT * int(begins[-1]) + MISFIT, np.uint8)
        tables = {"least": address(least), "begins": address(begins), "misfits": address(misfits)}
        self.job("write_codes", numbers=address(numbers), codes=address(buffer), **tables).run()
        found = np.concatenate([least, begins, misfits[:-MISFIT].view(np.int32)])
        first = self.rows * stride(self.columns) // 4
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

    def enter(self) -> None:
        """Before a product: see to it that the numbers are at one of the two places."""
        memory, place = self.memory, self.place
        if place not in memory.fresh:
            if place in memory.places:  # what is there is old
                memory.release(place)
            memory.read(HOST)
            if not place.worth_while or not memory.held_once or memory.leased:
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

    def product(self, x: int, y: int, bias: int, slope: float) -> Callable[[], None]:
        """What computes y = matrix x + bias, times ``slope`` where it is below 0.

        The vectors are given by their addresses, and there is no bias where it is 0. It does for as long as the numbers
        are where they are now.
        """
        memory, place = self.memory, self.place
        vectors = {"x": x, "y": y, "bias": bias, "slope": slope}
        if place in memory.fresh:
            self._buffer = memory.buffer(place)
            return place.job("multiply_compact", **place.addresses(self._buffer), **vectors).run
        self._buffer = memory.buffer(HOST)
        return Job("multiply_vector", DENSE, {**place.sizes, "weight": address(self._buffer), **vectors}).run
