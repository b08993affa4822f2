"""A ring of batches: a thread of its own fills them ahead of the net, which takes them in order."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from caffe_sdk.cargo import Cargo, Carrier, Goods, Images
from caffe_sdk.errors import HandleError
from caffe_sdk.memory import HOST, SyncedMemory

Floats = npt.NDArray[np.float32]


class Deferred(Protocol):
    """Numbers that are only computed where they go: one pass over memory less."""

    shape: tuple[int, ...]

    def put(self, out: Floats) -> None:
        """Write the numbers into ``out``, which has the shape. Raises nothing."""
        ...

    def images(self) -> Images | None:
        """The images that are to become the numbers, for somebody else to compute; None where that cannot be."""
        ...


@dataclass(slots=True)
class Batch:
    """Buffers for one batch, an array for each top of the layer, and the position of the source behind them.

    ``deferred`` numbers, if there are any, come before those of ``arrays``.
    """

    arrays: list[Floats] = field(default_factory=list)
    position: int = 0
    deferred: Deferred | None = None
    carrier: Carrier | None = None
    """Who took the numbers to the engine already, in ``cargo``, one for each top."""
    cargo: list[Cargo] = field(default_factory=list)
    room: Floats | None = None
    """For deferred numbers that are sent as floats."""
    sink: Floats | None = None
    """Where deferred numbers probably go, if that is known already: a filler may write them there at once."""

    def fit(self, *shapes: tuple[int, ...]) -> list[Floats]:
        """The arrays, made anew where they have other shapes."""
        if [array.shape for array in self.arrays] != list(shapes):
            self.arrays = [np.empty(shape, np.float32) for shape in shapes]
        return self.arrays

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each top."""
        first = [] if self.deferred is None else [self.deferred.shape]
        return first + [array.shape for array in self.arrays]

    def put(self, top: int, out: Floats) -> None:
        """Write the numbers of a top into ``out``, which has its shape."""
        if self.deferred is None:
            out[...] = self.arrays[top]
        elif top == 0:
            self.deferred.put(out)
        else:
            out[...] = self.arrays[top - 1]

    def send(self, carrier: Carrier | None) -> None:
        """Send all tops off; without a carrier they stay. Raises DeviceError."""
        if carrier is not self.carrier:
            self.carrier, self.cargo = carrier, []
        if carrier is not None:
            goods: list[Goods] = (
                [] if self.deferred is None else [self.deferred.images() or self._computed(self.deferred)]
            )
            goods += self.arrays
            self.cargo += [carrier.cargo() for _ in goods[len(self.cargo) :]]
            for cargo, top in zip(self.cargo, goods, strict=True):
                cargo.load(top)

    def deliver(self, top: int, memory: SyncedMemory) -> None:
        """Make the numbers of a top those of a memory, which has as many. Raises DeviceError."""
        if self.carrier is not None:
            self.cargo[top].unload(memory)
        else:
            self.put(top, memory.write(HOST).reshape(self.shapes[top]))

    def _computed(self, deferred: Deferred) -> Floats:
        if self.room is None or self.room.shape != deferred.shape:
            self.room = np.empty(deferred.shape, np.float32)
        deferred.put(self.room)
        return self.room


class Filler(Protocol):
    """What makes the batches. Called by one thread at a time."""

    name: str

    def fill(self, batch: Batch) -> None:
        """Put the next records in the batch and set its position."""
        ...

    def seek(self, position: int) -> None:
        """Go on with the batch that begins at ``position``."""
        ...

    def close(self) -> None:
        """Give everything back; closing again does nothing."""
        ...


class Prefetcher:
    """Gives the batches of a filler in order, ``depth`` buffers at most being filled, waiting or in use.

    The thread starts with the first `next`, holds no reference to the prefetcher, and ends with `close`, when the
    prefetcher is forgotten, and before the interpreter exits. Depth 0 means no thread: each batch is made when asked
    for. A child made by fork, which the thread does not follow, goes on at the same position with a thread of its own.
    """

    def __init__(self, filler: Filler, depth: int) -> None:
        self.position = 0
        self._filler = filler
        self._depth = depth
        self._closed = False
        self._current: Batch | None = None
        self._renew()

    def _renew(self) -> None:
        self._ring = _Ring(self._filler, self._depth)
        self._stop = weakref.finalize(self, self._ring.stop)

    @property
    def ahead(self) -> bool:
        """Whether batches are made before they are asked for."""
        return self._depth > 0

    def next(self, carrier: Carrier | None = None, sink: Floats | None = None) -> Batch:
        """The next batch; the one given before goes back to be filled again. Batches made from now on go by a carrier.

        Deferred numbers of a batch that is made now may be written into ``sink``.

        Raises what the filler raised, when the batch is reached in which it happened, and again until `seek`;
        HandleError after `close`.
        """
        if self._closed:
            raise HandleError(self._filler.name, "the data source is closed", "make a new one")
        if self._ring.process != os.getpid():
            self.seek(self.position)
        current, self._current = self._current, None
        self._current = self._ring.exchange(current, carrier, sink)
        self.position = self._current.position
        return self._current

    def seek(self, position: int) -> None:
        """Drop what was prefetched and go on with the batch that begins at ``position``."""
        self._stop()
        self._filler.seek(position)
        self.position = position
        self._current = None
        self._renew()

    def close(self) -> None:
        """Stop the thread and wait for it; closing again does nothing."""
        self._closed = True
        self._current = None
        self._stop()


class _Ring:
    """The buffers and the thread, which share them under one condition."""

    def __init__(self, filler: Filler, depth: int) -> None:
        self.process = os.getpid()
        self._filler = filler
        self._changed = threading.Condition()
        self._free = deque(Batch() for _ in range(max(1, depth)))
        self._full: deque[Batch] = deque()
        self._carrier: Carrier | None = None
        self._error: BaseException | None = None
        self._stopping = False
        self._threaded = depth > 0
        self._thread: threading.Thread | None = None

    def exchange(self, used: Batch | None, carrier: Carrier | None, sink: Floats | None) -> Batch:
        """Give a buffer back and take the next full one."""
        self._carrier = carrier
        if not self._threaded:
            batch = used or self._free[0]
            batch.sink = sink
            self._fill(batch)
            return batch
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"prefetch {self._filler.name}", daemon=True)
            self._thread.start()
        with self._changed:
            if used is not None:
                self._free.append(used)
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._full or self._error or self._stopping)
            if self._full:
                return self._full.popleft()
            if self._error is not None:
                raise self._error
            raise HandleError(self._filler.name, "the data source was closed while it was read", "make a new one")

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._fill(batch)
            except BaseException as error:  # noqa: BLE001  the consumer raises it
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._full.append(batch)
                self._changed.notify_all()

    def _fill(self, batch: Batch) -> None:
        self._filler.fill(batch)
        batch.send(self._carrier)

    def _take(self) -> Batch | None:
        """A buffer to fill; None when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._stopping)
            return None if self._stopping else self._free.popleft()

    def stop(self) -> None:
        """End the thread and wait for it. In a forked child there is none, and the condition may be locked for ever."""
        if self.process != os.getpid():
            return
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
