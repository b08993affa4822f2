"""What all operations on a device stand on: addresses of tensors, launches, matrix products, scratch memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from caffe_sdk import timer
from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.cuda.checks import Checks, Wrong
from caffe_sdk.engine.cuda.device import THREADS, Buffer, Device, Product
from caffe_sdk.engine.cuda.dnn.jobs import Job, Run
from caffe_sdk.engine.cuda.draws import SEAT, Draw, Seats
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.layout import lying
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.place import DevicePlace, NarrowPlace, Now
from caffe_sdk.engine.cuda.precision import Places
from caffe_sdk.engine.cuda.sources import Arguments, kernels
from caffe_sdk.engine.cuda.structures import MOST_STREAMS, Stream, streams
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Place, Shape, SyncedMemory, Tensor

FLOAT = 4
"""Bytes of a value."""
MOST = 2**31 - 2**25
"""Values of a tensor at most: kernels count in 32 bits."""
SUM_BLOCKS = 128
"""That share a sum out."""


class CudaBase(EngineBase):
    """An engine on a device. Operations take the addresses of all they read before those of what they write."""

    device: Device
    checks: Checks
    where = ""
    """The layer that is computed, for errors."""
    scratch_moves = 0
    """How often scratch memory was given up for more."""
    seats: Seats | None = None
    """Where the draws of a program that is captured find their generators; None where numbers are drawn at once."""

    def __init__(
        self, device: Device, name: str = "cuda", options: Options | None = None, checks: Checks | None = None
    ) -> None:
        """Engines of one device have their checks in common."""
        self.device, self.name = device, name
        self.options = Options() if options is None else options
        self.workspace = self.options.workspace
        self.checks = Checks(device) if checks is None else checks
        self.place = DevicePlace(device, name, self.checks)
        self.precision = self.options.precision
        self.now = Now(float(self.options.loss_scale or 1) if self.precision.scales else 1.0)
        values, gradients = (NarrowPlace(self.place, self.precision, scaled, self.now) for scaled in (False, True))
        asked = self.options.channels_last
        last = device.dnn.there if asked is None else asked
        self.places = Places(self.place, values, gradients, self.precision, last)
        self.lock = threading.RLock()
        """Held while a program runs: all share the device's order of work, and the scratch memory."""
        self._scratch: dict[str, Buffer] = {}
        timer.wait_for(self.wait)

    def wait(self) -> None:
        """Until the device has done all that was asked for."""
        self.device.wait()

    # -- addresses -----------------------------------------------------------------------------------------------------

    def source(self, tensor: Tensor | None) -> int:
        """The address of a tensor's numbers, not to be changed; 0 for none."""
        if tensor is None:
            return 0
        place = self.now.places.get(tensor.memory, self.place)
        return self._address(tensor, tensor.memory.read(place), place)

    def target(self, tensor: Tensor | None) -> int:
        """The address of a tensor's numbers, to be overwritten whole; 0 for none."""
        if tensor is None:
            return 0
        place = self.now.places.get(tensor.memory, self.place)
        buffer = tensor.memory.write(place)
        if isinstance(place, NarrowPlace) and place.scaled:
            buffer.scale = self.now.scale
        return self._address(tensor, buffer, place)

    def both(self, tensor: Tensor) -> int:
        """The address of a tensor's numbers, to be changed."""
        place = self.now.places.get(tensor.memory, self.place)
        return self._address(tensor, tensor.memory.update(place), place)

    def bring(self, memory: SyncedMemory, place: Place) -> None:
        """Have a memory's numbers at a place, as a replay reads them there."""
        buffer = memory.read(place)
        if isinstance(place, NarrowPlace):
            place.match(buffer)

    def brought(self, memory: SyncedMemory, places: Sequence[Place]) -> None:
        """A replay left a memory's numbers at these places."""
        memory.wrote(places)
        for place in places:
            if isinstance(place, NarrowPlace) and place.scaled:
                memory.buffer(place).scale = self.now.scale

    def scratch(self, use: str, count: int, real: Format = FLOAT32) -> int:
        """The address of room for some values. What a use had before may be gone."""
        buffer, nbytes = self._scratch.get(use), count * real.nbytes
        if buffer is None or buffer.nbytes < nbytes:
            self.scratch_moves += 1
            self._scratch.pop(use, None)
            buffer = self._scratch[use] = self.device.allocate(nbytes)
        return buffer.pointer

    def scratch_bytes(self) -> int:
        """What all uses have."""
        return sum(buffer.nbytes for buffer in self._scratch.values())

    def release_scratch(self) -> None:
        """Give it back."""
        self.scratch_moves += 1
        self._scratch.clear()

    @staticmethod
    def _address(tensor: Tensor, buffer: Any, place: Place) -> int:
        if tensor.count > MOST:
            raise DeviceError("shape", f"{tensor.count:,} values are more than a GPU's {MOST:,}", "use a smaller batch")
        if isinstance(place, NarrowPlace):
            place.match(buffer)
        pointer: int = buffer.pointer
        return pointer

    def around(self, shape: Shape, axis: int, axes: int = 1) -> tuple[int, int, int]:
        """Values before, along and behind an axis, or so many, in the order in which they lie now."""
        order = tuple(range(len(shape)))
        if self.now.last:
            order = lying(order, True)
            axis = order.index(axis)
        sizes = [shape[i] for i in order]
        return math.prod(sizes[:axis]), math.prod(sizes[axis : axis + axes]), math.prod(sizes[axis + axes :])

    # -- random numbers ------------------------------------------------------------------------------------------------

    def drawn(self, draw: Draw) -> int:
        """The address at which a kernel finds the generator that it draws from; it goes on as if the host had drawn."""
        if self.seats is not None:
            return self.seats.take(draw)
        seat = self.scratch("seat", SEAT // FLOAT)
        self.put_streams(seat, [draw.begin()])
        return seat

    def put_streams(self, address: int, given: Sequence[Stream]) -> None:
        """Write where generators stand to the device, one seat after the other."""
        for start in range(0, len(given), MOST_STREAMS):
            some = given[start : start + MOST_STREAMS]
            self.launch("put_streams", len(some), streams(some), address + start * SEAT)

    # -- work ----------------------------------------------------------------------------------------------------------

    def launch(self, name: str, count: int, *arguments: Any) -> None:
        """A kernel over so many values, its first argument; nothing for none."""
        self.launch_blocks(name, min(-(-count // THREADS), self.device.blocks), count, *arguments)

    def either(self, job: Job | None, given: Sequence[int], made: Sequence[int], ours: Run) -> None:
        """Have cuDNN or kernels of our own compute a job, as the device's contest says; ours where it is no job.

        Both take the addresses of what is given, then of what is made.
        """
        if job is None or not self.device.contest.computed(job, given, made, ours):
            ours(*given, *made)

    def kernel(self, name: str, count: int, *more: Any) -> Run:
        """What launches a kernel over so many values with the addresses it is given, and more arguments behind."""
        return lambda *addresses: self.launch(name, count, *addresses, *more)

    def launch_rows(self, name: str, rows: int, *arguments: Any) -> None:
        """A kernel that has a block for each row."""
        self.launch_blocks(name, min(rows, self.device.blocks), rows, *arguments)

    def launch_blocks(self, name: str, blocks: int, count: int, *arguments: Any) -> None:
        """A kernel by so many blocks."""
        if count:
            kernel = kernels(self.now.real)[name]
            self.device.launch(kernel, blocks, THREADS, Arguments(kernel, (count, *arguments)))

    def parts(self, name: str, count: int, *arguments: Any, at: int) -> tuple[int, int]:
        """A kernel that leaves parts of sums, as many as it has blocks, in scratch memory: their address and number.

        ``at`` says which of its arguments the address is.
        """
        blocks = self.sum_blocks(count)
        parts = self.scratch("parts", 2 * blocks)
        if not count:
            self.device.clear(parts, 2 * blocks * FLOAT)
        self.launch_blocks(name, blocks, count, *arguments[:at], parts, *arguments[at:])
        return parts, blocks

    def sum_blocks(self, count: int) -> int:
        """How many blocks share out a sum of so many values."""
        return max(1, min(-(-count // THREADS), SUM_BLOCKS, self.device.blocks))

    def multiply(self, product: Product) -> None:
        """A matrix product; what has no values is nothing, and the sum of nothing is 0."""
        p = product
        values = p.m * p.n
        if not values * p.batch:
            return
        if p.k:
            self.device.multiply(p)
        elif not p.beta:
            for i in range(p.batch):
                self.device.clear(p.c + i * p.c_step * p.result.nbytes, values * p.result.nbytes)

    @property
    def true(self) -> float:
        """What the gradients of parameters are multiplied by: those they come from may be scaled."""
        return 1.0 if self.now.real == FLOAT32 else 1 / self.now.scale

    def check(self, wrong: Wrong, count: int) -> tuple[int, int]:
        """The last two arguments of a kernel that checks numbers."""
        return self.device.faults, self.checks.number(wrong, count, self.where)
