"""Copies by way of page-locked memory, on a driver that does what it is asked for as late as it can."""

from __future__ import annotations

import gc
import threading
from ctypes import c_void_p

import numpy as np
import pytest

from caffe_sdk.engine.cuda.driver import Driver, DriverError
from caffe_sdk.engine.cuda.pinned import BLOCK, Block, Copies, Pool
from caffe_sdk.engine.cuda.turn import Turn
from caffe_sdk.errors import InternalError
from tests.engine.cuda.mocked import AT_ONCE, COPIES_EARLY, LATE, device, fail, mock, order

ORDERS = [AT_ONCE, LATE, COPIES_EARLY]


@pytest.fixture(autouse=True)
def _nothing_is_given_back_meanwhile() -> None:
    """What other tests left."""
    gc.collect()


@pytest.fixture
def turn() -> Turn:
    cuda = Driver(mock())
    return Turn(cuda, cuda.made("cuDevicePrimaryCtxRetain", 0))


@pytest.fixture
def stream(turn: Turn) -> c_void_p:
    with turn:
        return turn.cuda.made("cuStreamCreate", 1)


@pytest.mark.parametrize("when", ORDERS)
@pytest.mark.parametrize("count", [0, 1, BLOCK // 4, 3 * BLOCK // 4 + 5])
def test_there_and_back(when, count, rng):
    it, numbers = device(), rng.random(count, np.float32)
    buffer, back = it.allocate(numbers.nbytes), np.zeros(count, np.float32)
    with order(when):
        given = numbers.copy()
        it.upload(given, buffer.pointer)
        given[...] = 0  # it may be changed at once
        it.download(buffer.pointer, back)
    np.testing.assert_array_equal(back, numbers)


def test_uploads_wait_for_nothing_and_what_comes_down_once():
    it, numbers = device(), np.arange(100, dtype=np.float32)
    buffer = it.allocate(numbers.nbytes)
    with order(LATE):
        before = mock().mock_waits()
        for _ in range(5):
            it.upload(numbers, buffer.pointer)
        assert mock().mock_waits() == before
        it.download(buffer.pointer, numbers)
        assert mock().mock_waits() == before + 1


@pytest.mark.parametrize("when", ORDERS)
def test_arrays_of_all_kinds_lie_one_behind_the_other(when, rng):
    it = device()
    image = rng.integers(0, 256, (9, 7, 3), np.uint8)
    arrays = [
        np.arange(3, dtype=np.int32),
        image[2:6, 1:4],
        image.transpose(2, 0, 1)[:, ::2],
        np.empty((0, 3), np.uint8),
        rng.integers(0, 256, (3, BLOCK // 2 + 1), np.uint8)[:, ::-1],
        rng.random(5, np.float32),
    ]
    expected = b"".join(array.tobytes() for array in arrays)
    buffer, back = it.allocate(len(expected)), np.empty(len(expected), np.uint8)
    with order(when):
        it.follow(it.send(arrays, buffer, it.mark()))
        it.download(buffer.pointer, back)
    assert back.tobytes() == expected


def test_no_more_blocks_than_allowed(turn, stream, rng):
    copies, before = Copies(turn, 2 * BLOCK), mock().mock_pinned()
    it, numbers = device(), rng.random(5 * BLOCK // 4, np.float32)
    buffer, back = it.allocate(numbers.nbytes), np.empty_like(numbers)
    with order(LATE):
        copies.up([numbers], buffer.pointer, stream)
        copies.down(buffer.pointer, back, stream)
    np.testing.assert_array_equal(back, numbers)
    assert mock().mock_pinned() == before + 2 * BLOCK
    del copies
    assert mock().mock_pinned() == before


def test_a_block_on_its_way_is_not_given_out(turn, stream):
    pool = Pool(turn, 2 * BLOCK)
    with order(LATE):
        first, second = pool.take(), pool.take()
        assert first is not second
        assert pool.spare() is None
        first.event.record(stream)
        pool.fly(first, stream)
        assert pool.spare() is None  # not yet
        assert pool.take() is first
        pool.give(second)
        assert pool.spare() is second


def test_the_mock_finds_a_block_that_is_used_too_soon(turn, stream):
    it, block = device(), Block(turn)
    buffer = it.allocate(8)
    with order(LATE):
        with turn:
            turn.cuda.call("cuMemcpyHtoDAsync_v2", buffer.pointer, block.address, 8, stream)
        block.event.record(stream)
        block.bytes[3] += 1
        with pytest.raises(DriverError, match="cuEventSynchronize: error 719"):
            block.event.wait()


def test_where_page_locked_memory_ends_what_there_is_must_do(turn):
    pool = Pool(turn, 100 * BLOCK)
    first = pool.take()
    fail("cuMemHostAlloc", 2)
    assert pool.spare() is None
    pool.give(first)
    assert pool.take() is first
    assert pool.spare() is None
    fail("cuMemHostAlloc", 2)
    with pytest.raises(DriverError, match="cuMemHostAlloc: CUDA_ERROR_OUT_OF_MEMORY"):
        Pool(turn, 100 * BLOCK).take()
    fail("cuMemHostAlloc", 999)
    with pytest.raises(DriverError, match="cuMemHostAlloc: CUDA_ERROR_UNKNOWN"):
        Pool(turn, 100 * BLOCK).take()


@pytest.mark.parametrize(
    "name", ["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuEventRecord", "cuEventSynchronize"]
)
def test_a_copy_that_fails_loses_no_block(turn, stream, name):
    copies, it, numbers = Copies(turn, 2 * BLOCK), device(), np.ones(4, np.float32)
    buffer = it.allocate(16)
    before = mock().mock_pinned()

    def there_and_back():
        copies.up([numbers], buffer.pointer, stream)
        copies.down(buffer.pointer, numbers, stream)

    for _ in range(5):
        fail(name, 999)
        with pytest.raises(DriverError, match=name):
            there_and_back()
    there_and_back()
    assert mock().mock_pinned() <= before + 2 * BLOCK
    assert numbers.tolist() == [1] * 4


def test_nothing_is_copied_into_a_capture():
    it, numbers = device(), np.ones(4, np.float32)
    buffer = it.allocate(16)
    for forbidden in (lambda: it.upload(numbers, buffer.pointer), lambda: it.download(buffer.pointer, numbers)):
        with pytest.raises(InternalError, match="while work is captured"):
            it.capture(forbidden)


def test_several_threads_share_the_blocks(turn, rng):
    it, done = device(), []

    def work(value):
        numbers, back = np.full(3 * BLOCK // 4, value, np.float32), np.empty(3 * BLOCK // 4, np.float32)
        buffer = it.allocate(numbers.nbytes)
        for _ in range(3):
            it.upload(numbers, buffer.pointer)
            it.download(buffer.pointer, back)
            done.append((back == value).all())

    threads = [threading.Thread(target=work, args=(value,)) for value in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [True] * 9
