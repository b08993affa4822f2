"""A device's memory as a place: what is brought there and back, and what it does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.base import MOST
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, SyncedMemory, Tensor
from tests.engine.cuda.twins import simulated


def test_there_and_back():
    place, memory = simulated().place, SyncedMemory(5)
    memory.write(HOST)[...] = range(5)
    memory.read(place)
    memory.release(HOST)
    assert memory.read(HOST).tolist() == [0, 1, 2, 3, 4]
    memory.clear()
    memory.update(place)
    assert memory.read(HOST).tolist() == [0] * 5


def test_what_kernels_do_not_compute_with():
    memory = SyncedMemory(5, np.float64)
    with pytest.raises(DeviceError, match="computes in float32 here, and was given float64; use float32 blobs"):
        memory.read(simulated().place)


def test_more_values_than_kernels_count():
    class Large(Tensor):
        count = MOST + 1

    with pytest.raises(DeviceError, match="more than a GPU's 2,113,929,216; use a smaller batch"):
        simulated().source(Large(SyncedMemory(1), (1,)))
