"""Page-locked memory of the host's, which a GPU reads and writes by itself while the host goes on.

Arrays of users are not page-locked. What goes up is put into blocks of a pool first, what comes down arrives in them.
A block is used again when the copy of it has been made, which an event tells.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from ctypes import c_ubyte, c_void_p
from functools import partial

import numpy as np
import numpy.typing as npt

from caffe_sdk.engine.cuda import driver, lanes
from caffe_sdk.engine.cuda.device import Guard
from caffe_sdk.engine.cuda.driver import DriverError
from caffe_sdk.engine.cuda.turn import Event, Turn
from caffe_sdk.errors import DeviceError, InternalError
from caffe_sdk.memory import Array

BLOCK = 2 << 20
"""Bytes: copies of so many are as fast as larger ones."""
AHEAD = 8
"""Blocks that one array comes down in at a time."""


class Block:
    """Page-locked bytes, and the event behind the last copy of them."""

    def __init__(self, turn: Turn) -> None:
        with turn:
            self.address = turn.cuda.made("cuMemHostAlloc", BLOCK, driver.PORTABLE).value or 0
        self.bytes: npt.NDArray[np.uint8] = np.ctypeslib.as_array((c_ubyte * BLOCK).from_address(self.address))
        self.event = Event(turn)


class Pool:
    """Blocks of at most so many bytes together, by several threads. They are given back at the end of the process."""

    def __init__(self, turn: Turn, most: int, guards: Sequence[Guard] = ()) -> None:
        self._turn, self._most, self._guards = turn, max(2, most // BLOCK), guards
        self._made = 0
        self._lock = threading.Lock()
        self._idle: list[Block] = []
        self._flying: dict[int, deque[Block]] = {}
        """On their way, by their streams, in the order in which they will come back."""
        weakref.finalize(self, _end, turn, self._idle, self._flying)

    def take(self) -> Block:
        """A block whose copy has been made. Where all are on their way, wait for one.

        DeviceError where there is no page-locked memory at all.
        """
        found: list[Block] = []

        def look() -> bool:
            block = self.spare()
            if block is not None:
                found.append(block)
            return bool(found)

        lanes.wait(look, self._guards, awake=0)  # others need the interpreter meanwhile
        return found[0]

    def spare(self) -> Block | None:
        """A block, if there is one without waiting."""
        with self._lock:
            return self._returned() or self._new()

    def fly(self, block: Block, stream: c_void_p) -> None:
        """A copy of a block was asked for on a stream, its event recorded behind it."""
        with self._lock:
            self._flying.setdefault(stream.value or 0, deque()).append(block)

    def give(self, block: Block) -> None:
        """A block is not on its way."""
        with self._lock:
            self._idle.append(block)

    def _returned(self) -> Block | None:
        if self._idle:
            return self._idle.pop()
        for flying in self._flying.values():
            if flying and flying[0].event.passed():
                return flying.popleft()
        return None

    def _new(self) -> Block | None:
        if self._made >= self._most:
            return None
        try:
            block = Block(self._turn)
        except DriverError as error:
            if error.number != driver.OUT_OF_MEMORY or not self._made:
                raise
            self._most = self._made  # no more are to be had
            return None
        self._made += 1
        return block


def _end(turn: Turn, idle: list[Block], flying: dict[int, deque[Block]]) -> None:
    with contextlib.suppress(DeviceError):  # at the end of the process the driver may be gone before
        turn.later(partial(_give_back, turn, idle, flying))


def _give_back(turn: Turn, idle: list[Block], flying: dict[int, deque[Block]]) -> None:
    for block in [*idle, *(block for row in flying.values() for block in row)]:
        with contextlib.suppress(DeviceError):
            block.event.wait()
            turn.cuda.call("cuMemFreeHost", block.address)
    idle.clear()
    flying.clear()


class Copies:
    """Copies between arrays and a GPU. Who waits for one looks after the guards."""

    def __init__(self, turn: Turn, most: int, guards: Sequence[Guard] = ()) -> None:
        self._turn, self._pool, self._guards = turn, Pool(turn, most, guards), guards

    def up(self, arrays: Sequence[Array], pointer: int, stream: c_void_p) -> None:
        """Arrays, one behind the other, when a stream comes to it. They may be changed when this returns."""
        block, filled = None, 0
        try:
            for piece in _pieces(arrays):
                if block is not None and filled + piece.nbytes > BLOCK:
                    self._send(block, filled, pointer, stream)
                    block, pointer, filled = None, pointer + filled, 0
                if block is None:
                    block = self._pool.take()
                room = block.bytes[filled : filled + piece.nbytes].view(piece.dtype)
                np.copyto(room.reshape(piece.shape), piece)
                filled += piece.nbytes
            if block is not None:
                self._send(block, filled, pointer, stream)
                block = None
        finally:
            if block is not None:
                self._pool.give(block)

    def down(self, pointer: int, host: Array, stream: c_void_p) -> None:
        """Bytes to a contiguous array, when all that a stream was asked for is done: they are there afterwards."""
        to = host.reshape(-1).view(np.uint8)
        begun, coming = 0, deque[tuple[Block, int]]()
        try:
            while begun < to.size or coming:
                while begun < to.size and len(coming) < AHEAD:
                    another = self._pool.spare() if coming else self._pool.take()
                    if another is None:
                        break
                    coming.append((another, begun))
                    self._fetch(another, pointer + begun, min(BLOCK, to.size - begun), stream)
                    begun += BLOCK
                block, at = coming[0]
                lanes.wait_for(block.event, self._guards)
                to[at : at + BLOCK] = block.bytes[: min(BLOCK, to.size - at)]
                self._pool.give(coming.popleft()[0])
        finally:
            for block, _ in coming:
                self._pool.fly(block, stream)

    def _send(self, block: Block, nbytes: int, pointer: int, stream: c_void_p) -> None:
        with self._turn:
            self._refuse_while_capturing()
            self._turn.cuda.call("cuMemcpyHtoDAsync_v2", pointer, block.address, nbytes, stream)
            block.event.record(stream)
        self._pool.fly(block, stream)

    def _fetch(self, block: Block, pointer: int, nbytes: int, stream: c_void_p) -> None:
        with self._turn:
            self._refuse_while_capturing()
            self._turn.cuda.call("cuMemcpyDtoHAsync_v2", block.address, pointer, nbytes, stream)
            block.event.record(stream)

    def _refuse_while_capturing(self) -> None:
        if self._turn.capturing:
            raise InternalError("capture", "nothing may be copied to or from the host while work is captured")


def _pieces(arrays: Sequence[Array]) -> Iterator[Array]:
    """The arrays, those that are larger than a block in parts."""
    for array in arrays:
        if 0 < array.nbytes <= BLOCK:
            yield array
        elif array.nbytes:
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            yield from (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))
