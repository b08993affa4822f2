"""A device's memory as a place of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.cuda.checks import Checks
from caffe_sdk.engine.cuda.device import Buffer, Device
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Array, Place

COMPUTED = (np.float32, np.int32)
"""What kernels compute with."""


class DevicePlace(Place):
    """Buffers on one device. What went wrong there comes out when numbers are brought back."""

    def __init__(self, device: Device, name: str, checks: Checks) -> None:
        self.device, self.name, self._checks = device, name, checks

    def allocate(self, count: int, dtype: np.dtype[Any]) -> Buffer:
        """Room for numbers. DeviceError for a type that kernels do not compute with."""
        if dtype not in COMPUTED:
            raise DeviceError(self.name, f"a GPU computes in float32 here, and was given {dtype}", "use float32 blobs")
        return self.device.allocate(self.nbytes(count, dtype))

    def zero(self, buffer: Buffer) -> None:
        self.device.clear(buffer.pointer, buffer.nbytes)

    def from_host(self, host: Array, buffer: Buffer) -> None:
        self.device.upload(host, buffer.pointer)

    def to_host(self, buffer: Buffer, host: Array) -> None:
        self.device.download(buffer.pointer, host)
        self._checks.look()

    def from_place(self, other: Place, source: Buffer, buffer: Buffer) -> bool:
        """From another GPU straight to this one."""
        if not isinstance(other, DevicePlace):
            return False
        return self.device.fetch(other.device, source.pointer, buffer.pointer, buffer.nbytes)
