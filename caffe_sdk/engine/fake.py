"""A device that is none: separate buffers, full of NaN until written, in plain host memory.

A computer without a GPU proves with it that no transfer is missing (NaN would come out) and none too many
(`caffe_sdk.memory.transfers` counts them).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import Array, HostPlace, Place, aligned


class FakePlace(HostPlace):
    """Buffers of their own beside the host's."""

    name = "fake"

    def allocate(self, count: int, dtype: np.dtype[Any]) -> Array:
        buffer = aligned(count, dtype)
        buffer[...] = np.nan if dtype.kind == "f" else np.iinfo(dtype).max
        return buffer

    def from_host(self, host: Array, buffer: Array) -> None:
        buffer[...] = host

    def to_host(self, buffer: Array, host: Array) -> None:
        host[...] = buffer


class FakeEngine(ReferenceEngine):
    """The reference operations on buffers of the fake device."""

    name = "fake"
    place: Place = FakePlace()
