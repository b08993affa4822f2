"""Batches on their way to a device: numbers as they were, images as the host's transform makes them."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest

from caffe_sdk.cargo import Images
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.carrier import CudaCarrier
from caffe_sdk.errors import DeviceError, InternalError
from caffe_sdk.memory import HOST, SyncedMemory, transfers
from tests.engine.cuda.mocked import AT_ONCE, COPIES_EARLY, LATE, device, mock, order
from tests.engine.cuda.twins import simulated

ORDERS = [AT_ONCE, LATE, COPIES_EARLY]


@pytest.fixture(params=["simulated", *ORDERS])
def engine(request):
    """On the simulated device, and on a driver that does what it is asked for at once, late, and copies early."""
    if request.param == "simulated":
        yield simulated()
        return
    with order(request.param):
        yield CudaEngine(device())


def images(rng, n=3, whole=True, scale=0.3):
    """Of 3 channels, every second one with its channels together, and every third mirrored."""
    pixels, places = [], []
    for i in range(n):
        together = i % 2
        pixels.append(rng.integers(0, 256, (6, 7, 3) if together else (3, 6, 7), np.uint8))
        places.append((i % 3, (i + 1) % 3, i % 3 == 1, together))
    mean = rng.random((3, 6, 7) if whole else 3, np.float32) * 100
    return Images(pixels, np.array(places, np.int32), mean, np.float32(scale), (n, 3, 4, 5))


def expected(goods):
    """What becomes of images, by NumPy."""
    rows = []
    for pixels, (top, left, mirrored, together) in zip(goods.pixels, goods.places, strict=True):
        x = (pixels.transpose(2, 0, 1) if together else pixels).astype(np.float32)
        x = x - (goods.mean if goods.mean.ndim > 1 else goods.mean[:, None, None])
        x = x[:, top : top + goods.shape[2], left : left + goods.shape[3]] * goods.scale
        rows.append(x[:, :, ::-1] if mirrored else x)
    return np.stack(rows)


def test_numbers_arrive_as_they_were(engine, rng):
    cargo, memory = engine.carrier.cargo(), SyncedMemory(12)
    for _ in range(4):
        numbers = rng.random((3, 4), np.float32)
        wanted = numbers.copy()
        before = transfers["host", engine.place.name]
        cargo.load(numbers)
        numbers[...] = 0  # it may be changed at once
        cargo.unload(memory)
        assert memory.fresh == {engine.place}
        assert transfers["host", engine.place.name] == before + 1
        np.testing.assert_array_equal(memory.read(HOST).reshape(3, 4), wanted)


@pytest.mark.parametrize("whole", [True, False])
def test_images_become_the_numbers_of_the_host(engine, rng, whole):
    cargo, memory = engine.carrier.cargo(), SyncedMemory(3 * 3 * 4 * 5)
    goods = images(rng, whole=whole)
    for _ in range(3):
        goods = replace(goods, pixels=images(rng).pixels)
        cargo.load(goods)
        cargo.unload(memory)
        np.testing.assert_array_equal(memory.read(HOST).reshape(goods.shape), expected(goods))


def test_batches_of_other_sizes_and_kinds_in_the_same_room(engine, rng):
    cargo = engine.carrier.cargo()
    for goods in (images(rng, 2), images(rng, 5, whole=False), rng.random(7, np.float32), images(rng, 1)):
        wanted = goods if isinstance(goods, np.ndarray) else expected(goods)
        memory = SyncedMemory(wanted.size)
        cargo.load(goods)
        cargo.unload(memory)
        np.testing.assert_array_equal(memory.read(HOST), wanted.reshape(-1))


def test_batches_that_are_ahead_of_each_other_do_not_mix(engine, rng):
    """Three are loaded before the first is used, as a ring does; nothing is looked at before the end."""
    ring = [engine.carrier.cargo() for _ in range(3)]
    batches = [images(rng) for _ in range(9)]
    batches = [replace(goods, mean=batches[0].mean) for goods in batches]
    memories = [SyncedMemory(3 * 3 * 4 * 5) for _ in batches]
    for cargo, goods in zip(ring, batches, strict=False):
        cargo.load(goods)
    for i, memory in enumerate(memories):
        ring[i % 3].unload(memory)
        if i + 3 < len(batches):
            ring[i % 3].load(batches[i + 3])
    for goods, memory in zip(batches, memories, strict=True):
        np.testing.assert_array_equal(memory.read(HOST).reshape(goods.shape), expected(goods))


def test_nobody_waits(rng):
    with order(LATE):
        engine = CudaEngine(device())
        cargo, memory = engine.carrier.cargo(), SyncedMemory(3 * 3 * 4 * 5)
        before = mock().mock_waits()
        for _ in range(5):
            cargo.load(images(rng))
            cargo.unload(memory)
        assert mock().mock_waits() == before
        memory.read(HOST)
        assert mock().mock_waits() == before + 1


def test_room_is_given_back_only_when_the_copy_to_it_is_made(rng):
    gc.collect()
    engine = CudaEngine(device())
    with order(LATE):
        rooms = mock().mock_rooms()
        cargo = engine.carrier.cargo()
        cargo.load(images(rng))
        del cargo
        engine.device.wait()  # the mock would tell of a copy to what was given back
        assert mock().mock_rooms() == rooms


def test_what_was_not_loaded():
    with pytest.raises(InternalError, match="cargo: nothing was loaded"):
        simulated().carrier.cargo().unload(SyncedMemory(1))


def test_no_room():
    engine = simulated()
    engine.device.limit = 100
    assert isinstance(engine.carrier, CudaCarrier)
    with pytest.raises(DeviceError, match="bytes cannot be had"):
        engine.carrier.cargo().load(np.zeros(1000, np.float32))
