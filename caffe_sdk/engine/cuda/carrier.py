"""Batches on their way to a device: copied there beside its work, put where they are needed by a pass of it.

The copy of a batch begins when the device has used the batch before in the same room, and the pass waits on the device
for the copy. The host waits for neither.
"""

from __future__ import annotations

from caffe_sdk.cargo import Goods, Images
from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.device import Buffer
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import Array, SyncedMemory, Tensor, transfers


class CudaCarrier:
    """To the device of an engine."""

    def __init__(self, engine: CudaBase) -> None:
        self._engine = engine

    def cargo(self) -> CudaCargo:
        """Room for one top, on the device."""
        return CudaCargo(self._engine)


class CudaCargo:
    """Room on a device, with the marks of when it may be written and when it may be read."""

    def __init__(self, engine: CudaBase) -> None:
        self._engine, self._device = engine, engine.device
        self._room: Buffer | None = None
        self._mean: tuple[Array, Buffer] | None = None
        self._loaded: Goods | None = None
        self._free = self._there = self._device.mark()

    def load(self, goods: Goods) -> None:
        """Send numbers off, images with their places in front."""
        self._loaded = goods
        if isinstance(goods, Images):
            self._send_mean(goods.mean)
            self._send([goods.places, *goods.pixels])
        else:
            self._send([goods])

    def unload(self, memory: SyncedMemory) -> None:
        """One pass, behind the copy, from the room to the memory's."""
        if self._loaded is None or self._room is None:
            raise InternalError("cargo", "nothing was loaded")
        with self._engine.lock:
            self._device.follow(self._there)
            if isinstance(self._loaded, Images):
                self._transform(self._loaded, self._room.pointer, memory)
            else:
                target = memory.write(self._engine.place)
                self._device.copy(self._room.pointer, target.pointer, self._loaded.nbytes)
            self._free = self._device.mark()
        transfers["host", self._engine.place.name] += 1

    def _transform(self, goods: Images, places: int, memory: SyncedMemory) -> None:
        y, mean = Tensor(memory, goods.shape), 0 if self._mean is None else self._mean[1].pointer
        addresses = places + goods.places.nbytes, places, mean, self._engine.target(y)
        whole, (channels, *out) = goods.mean.ndim > 1, goods.shape[1:]
        sizes = channels, *goods.size, *out
        self._engine.launch("transform_images", y.count, *addresses, whole, float(goods.scale), *sizes)

    def _send_mean(self, mean: Array) -> None:
        """The mean is the same array for every batch, and goes there once."""
        if self._mean is None or self._mean[0] is not mean:
            room = self._device.allocate(mean.nbytes)
            self._device.send([mean], room, self._device.mark())
            self._mean = mean, room

    def _send(self, arrays: list[Array]) -> None:
        nbytes = sum(array.nbytes for array in arrays)
        if self._room is None or self._room.nbytes < nbytes:
            self._room = self._device.allocate(nbytes)
            self._free = self._device.mark()
        self._there = self._device.send(arrays, self._room, self._free)
