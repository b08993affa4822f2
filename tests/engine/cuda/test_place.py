"""A device's memory as a place: what is brought there and back, and what it does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.base import MOST
from caffe_sdk.engine.cuda.formats import FLOAT16
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, SyncedMemory, Tensor
from tests.engine.cuda.twins import simulated


def narrow():
    """An engine in float16, and its three places."""
    engine = simulated(Options(precision=FLOAT16))
    return engine, engine.places.wide, engine.places.values, engine.places.gradients


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


def test_narrow_numbers_are_read_as_floats():
    _, wide, values, _ = narrow()
    memory = SyncedMemory(3)
    memory.write(HOST)[...] = [1, 0.1, 70000]
    memory.update(values)
    assert memory.nbytes(values) == 6
    assert memory.read(HOST).tolist() == [1, float(np.float16(0.1)), np.inf]
    memory.clear()
    memory.update(values)
    memory.update(wide)
    assert memory.read(HOST).tolist() == [0, 0, 0]


def test_what_lost_no_digits_is_read_first():
    _, wide, values, gradients = narrow()
    memory = SyncedMemory(1)
    for places in ((wide, values), (values, wide), (HOST, gradients), (wide, gradients, values)):
        memory.write(HOST)[...] = 0.1
        if HOST not in places:
            memory.update(wide)
        for place in places:
            memory.read(place)
        assert memory.read(HOST).tolist() == [np.float32(0.1)]
        memory.release(wide)
        assert memory.read(HOST).tolist() == [np.float32(0.1)]
        memory.read(values)
        memory.release(values)
        assert memory.read(wide)


def test_a_host_copy_that_alone_has_all_digits_is_kept():
    _, wide, values, _ = narrow()
    memory = SyncedMemory(1)
    memory.held_once = True
    memory.write(HOST)[...] = 0.1
    memory.read(values)
    assert HOST in memory.places
    memory.read(wide)
    assert HOST not in memory.places
    assert memory.read(HOST).tolist() == [np.float32(0.1)]


def test_gradients_are_scaled_where_they_are_narrow_and_nowhere_else():
    engine, wide, values, gradients = narrow()
    small, memory = np.float32(2**-30), SyncedMemory(1)
    memory.write(HOST)[...] = small
    memory.update(values)
    assert memory.read(HOST).tolist() == [0]
    for scale in (2.0**16, 2.0**10):
        memory.write(HOST)[...] = small
        engine.now.scale = scale
        memory.update(gradients)
        engine.now.scale = 1.0  # what was brought remembers with which scale
        assert memory.read(HOST).tolist() == [small]
        memory.update(gradients)
        engine.now.scale = 2.0**12
        engine.bring(memory, gradients)
        assert memory.read(gradients).scale == 2**12
        memory.update(gradients)
        assert memory.read(wide)
        assert memory.read(HOST).tolist() == [small]
        memory.update(gradients)
        memory.update(values)
        assert memory.read(HOST).tolist() == [0]


def test_places_of_one_device_are_one():
    engine = simulated()
    other = simulated(device=engine.device)
    assert engine.place == other.place
    assert len({engine.place, other.place, engine.places.values, other.places.values}) == 2
    assert engine.place != simulated().place
    assert engine.places.values != engine.places.gradients
