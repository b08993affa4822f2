"""The two rules of memory: read adds a place, write replaces them. Every row of the table of states."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from caffe_sdk.engine.fake import FakePlace
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import ALIGNMENT, HOST, Array, Place, SyncedMemory, Tensor, aligned, new_tensor, transfers


class Reversed(FakePlace):
    """An engine's own layout: the numbers backwards. Two such places know a way past the host."""

    name = "reversed"

    def from_host(self, host: Array, buffer: Array) -> None:
        buffer[...] = host[::-1]

    def to_host(self, buffer: Array, host: Array) -> None:
        host[...] = buffer[::-1]

    def from_place(self, other: Place, source: Array, buffer: Array) -> bool:
        if not isinstance(other, Reversed):
            return False
        buffer[...] = source
        return True


DEVICE, LAYOUT, SECOND_LAYOUT = FakePlace(), Reversed(), Reversed()
NUMBERS = np.arange(1, 7, dtype=np.float32)


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    before = transfers.copy()
    transfers.clear()
    yield
    transfers.clear()
    transfers.update(before)


def moved() -> int:
    """Transfers since the last look."""
    count = transfers.total()
    transfers.clear()
    return count


def at(*places: Place) -> SyncedMemory:
    """A memory with `NUMBERS`, current at these places alone."""
    memory = SyncedMemory(6)
    if places:
        memory.write(HOST)[...] = NUMBERS
        for place in places:
            memory.read(place)
        memory.fresh = set(places)
    moved()
    return memory


# The table of states: fresh before; after a read at the host, at the device; transfers each takes.
STATES: dict[str, tuple[tuple[Place, ...], set[Place], int, set[Place], int]] = {
    "uninitialized": ((), {HOST}, 0, {DEVICE}, 0),
    "head at host": ((HOST,), {HOST}, 0, {HOST, DEVICE}, 1),
    "head at device": ((DEVICE,), {HOST, DEVICE}, 1, {DEVICE}, 0),
    "synced": ((HOST, DEVICE), {HOST, DEVICE}, 0, {HOST, DEVICE}, 0),
    "in an engine's layout": ((LAYOUT,), {HOST, LAYOUT}, 1, {HOST, LAYOUT, DEVICE}, 2),
}


@pytest.mark.parametrize("state", STATES)
def test_reading_adds_a_place(state: str) -> None:
    before, after_host, host_transfers, after_device, device_transfers = STATES[state]
    expected = NUMBERS if before else np.zeros(6)
    for place, after, count in (HOST, after_host, host_transfers), (DEVICE, after_device, device_transfers):
        memory = at(*before)
        np.testing.assert_array_equal(memory.read(place), expected)
        assert memory.fresh == after
        assert moved() == count
        np.testing.assert_array_equal(memory.read(place), expected)
        assert moved() == 0


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("place", [HOST, DEVICE, LAYOUT], ids=lambda place: place.name)
def test_writing_replaces_places(state: str, place: Place) -> None:
    memory = at(*STATES[state][0])
    memory.write(place)[...] = 7
    assert memory.fresh == {place}
    assert moved() == 0
    np.testing.assert_array_equal(memory.read(HOST), np.full(6, 7))


@pytest.mark.parametrize("state", STATES)
def test_updating_reads_and_then_replaces(state: str) -> None:
    before, _, _, _, count = STATES[state]
    memory = at(*before)
    memory.update(DEVICE)[...] += 1
    assert moved() == count
    assert memory.fresh == {DEVICE}
    np.testing.assert_array_equal(memory.read(HOST), (NUMBERS if before else 0) + np.ones(6))


def test_nothing_is_allocated_before_it_is_looked_at() -> None:
    memory = SyncedMemory(1000)
    assert memory.allocated() == 0
    assert memory.is_zero
    memory.clear()
    assert memory.allocated() == 0
    memory.read(DEVICE)
    assert memory.allocated() == 4000
    memory.write(HOST)
    assert memory.allocated() == 8000


def test_cleared_memory_is_zero_everywhere_without_a_transfer() -> None:
    memory = at(HOST, DEVICE)
    memory.clear()
    assert memory.is_zero
    np.testing.assert_array_equal(memory.read(DEVICE), np.zeros(6))
    assert moved() == 0
    assert not memory.is_zero


def test_one_layout_may_come_straight_from_another() -> None:
    memory = at(LAYOUT)
    np.testing.assert_array_equal(memory.read(SECOND_LAYOUT), NUMBERS[::-1])
    assert memory.fresh == {LAYOUT, SECOND_LAYOUT}
    assert transfers == {("reversed", "reversed"): 1}


def test_without_a_way_the_host_is_the_detour() -> None:
    memory = at(LAYOUT)
    memory.read(DEVICE)
    assert transfers == {("reversed", "host"): 1, ("host", "fake"): 1}


def test_first_values_are_made_when_somebody_looks() -> None:
    made: list[int] = []

    def fill(array: Array) -> None:
        made.append(array.size)
        array[...] = NUMBERS

    def beginning() -> SyncedMemory:
        memory = SyncedMemory(6)
        memory.begin_with(fill)
        return memory

    memory = beginning()
    assert not memory.is_zero
    assert made == []
    np.testing.assert_array_equal(memory.read(DEVICE), NUMBERS)
    np.testing.assert_array_equal(memory.read(HOST), NUMBERS)
    assert made == [6]
    overwritten = beginning()
    overwritten.write(DEVICE)[...] = 1
    np.testing.assert_array_equal(overwritten.read(HOST), np.ones(6))
    cleared = beginning()
    cleared.clear()
    np.testing.assert_array_equal(cleared.read(HOST), np.zeros(6))
    assert made == [6]


def test_a_program_may_say_where_it_wrote() -> None:
    memory = at(HOST)
    memory.buffer(DEVICE)[...] = 5
    memory.buffer(LAYOUT)[...] = 5
    memory.wrote([DEVICE, LAYOUT])
    assert memory.fresh == {DEVICE, LAYOUT}
    np.testing.assert_array_equal(memory.read(HOST), np.full(6, 5))


@pytest.mark.parametrize("place", [HOST, DEVICE], ids=lambda place: place.name)
def test_released_numbers_are_kept_if_nobody_else_has_them(place: Place) -> None:
    memory = at(HOST, DEVICE)
    memory.release(place)
    assert place not in memory.fresh
    np.testing.assert_array_equal(memory.read(HOST), NUMBERS)
    alone = at(DEVICE)
    alone.release(DEVICE)
    np.testing.assert_array_equal(alone.read(HOST), NUMBERS)
    assert alone.allocated() == 24


class Squares(FakePlace):
    """Something computed from the numbers, from which there is no way back."""

    name = "squares"
    derived = True

    def from_host(self, host: Array, buffer: Array) -> None:
        buffer[...] = host**2

    def to_host(self, buffer: Array, host: Array) -> None:
        raise AssertionError("there is no way back")


def test_what_is_derived_is_made_anew_and_never_brought_back() -> None:
    memory, squares = at(LAYOUT), Squares()
    for factor in (1, 2):
        memory.update(LAYOUT)[...] = factor * NUMBERS[::-1]
        np.testing.assert_array_equal(memory.read(squares), (factor * NUMBERS) ** 2)
        assert {LAYOUT, squares} < memory.fresh
        np.testing.assert_array_equal(memory.read(HOST), factor * NUMBERS)
    memory.update(LAYOUT)
    memory.read(squares)
    memory.fresh -= {HOST}
    memory.release(LAYOUT)
    np.testing.assert_array_equal(memory.read(HOST), 2 * NUMBERS)
    memory.release(squares)
    assert memory.fresh == {HOST}


class Recorded:
    """A watcher that writes down what it heard of, and what was there then."""

    def __init__(self) -> None:
        self.heard: list[list[float]] = []

    def before_change(self, memory: SyncedMemory) -> None:
        self.heard.append(memory.read(HOST).tolist())


@pytest.mark.parametrize("place", [HOST, DEVICE, LAYOUT])
def test_lost_numbers_are_put_back_when_somebody_looks(place: Place) -> None:
    memory, calls = at(HOST, DEVICE), []

    def put_back(lost: SyncedMemory) -> None:
        calls.append(lost)
        lost.adopt(at(LAYOUT))

    memory.lose(put_back)
    assert (memory.fresh, memory.allocated(), memory.is_zero) == (set(), 0, False)
    assert memory.lost_to(put_back)
    seen = memory.read(place)
    assert (seen.tolist() if place is not LAYOUT else seen[::-1].tolist()) == NUMBERS.tolist()
    memory.read(HOST)
    assert calls == [memory]
    assert not memory.lost_to(put_back)


@pytest.mark.parametrize("change", ["write", "clear", "wrote", "begin_with"])
def test_what_is_overwritten_is_not_computed_again(change: str) -> None:
    memory = at(HOST)
    memory.lose(lambda lost: pytest.fail("nobody looked"))
    if change == "write":
        memory.write(HOST)[...] = 5
    elif change == "clear":
        memory.clear()
    elif change == "wrote":
        memory.buffer(HOST)[...] = 5
        memory.wrote([HOST])
    else:
        memory.begin_with(lambda flat: flat.fill(5))
    assert memory.read(HOST).tolist() == [0 if change == "clear" else 5] * 6


def test_lost_numbers_come_back_into_a_held_view() -> None:
    memory = at(HOST)
    view = memory.view()
    memory.lose(lambda lost: lost.adopt(at(DEVICE)))
    view[...] = 0
    memory.read(DEVICE)
    assert view.tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("own", [True, False])
def test_an_array_that_is_given_away_is_not_copied(own: bool) -> None:
    memory, array = at(DEVICE), NUMBERS.copy()
    array.flags.writeable = own
    watcher = Recorded()
    memory.watch(watcher)
    memory.take(array)
    assert (memory.read(HOST) is array) == own
    assert memory.read(HOST).tolist() == NUMBERS.tolist()
    assert memory.fresh == {HOST}
    assert watcher.heard == [NUMBERS.tolist()]


@pytest.mark.parametrize("array", [NUMBERS.astype(np.float64), NUMBERS[:4], np.repeat(NUMBERS, 2)[::2]])
def test_an_array_that_is_not_such_a_one_is_copied(array: Array) -> None:
    memory = SyncedMemory(6)
    memory.take(array)
    assert memory.read(HOST)[: array.size].tolist() == array.tolist()
    assert memory.read(HOST) is not array


def test_what_is_given_away_shows_in_a_held_view() -> None:
    memory = at(HOST)
    view = memory.view()
    memory.take(NUMBERS[::-1].copy())
    assert view.tolist() == NUMBERS[::-1].tolist()


def test_borrowed_buffers_are_not_the_memorys_own() -> None:
    memory, buffer = at(HOST), np.zeros(6, np.float32)
    memory.borrow({DEVICE: buffer})
    assert memory.write(DEVICE) is buffer
    memory.return_borrowed()
    assert (memory.allocated(), memory.fresh) == (0, set())


@pytest.mark.parametrize("change", ["write", "update", "clear", "lose", "view", "borrow"])
def test_watchers_hear_once_before_the_numbers_change(change: str) -> None:
    memory, watcher, other = at(LAYOUT), Recorded(), Recorded()
    memory.watch(watcher)
    memory.watch(other)
    memory.read(HOST)
    memory.read(DEVICE)
    assert watcher.heard == []
    changes: dict[str, Callable[[], Any]] = {
        "write": lambda: memory.write(HOST),
        "update": lambda: memory.update(DEVICE),
        "clear": memory.clear,
        "lose": lambda: memory.lose(lambda lost: None),
        "view": memory.view,
        "borrow": lambda: memory.borrow({}),
    }
    changes[change]()
    memory.write(HOST)[...] = 0
    memory.write(HOST)[...] = 1
    assert watcher.heard == other.heard == [NUMBERS.tolist()]


def test_a_watcher_that_is_gone_hears_nothing() -> None:
    memory, watcher = at(HOST), Recorded()
    heard = watcher.heard
    for _ in range(3):
        memory.watch(watcher)
        assert len(memory.watchers) <= 3
    del watcher
    memory.watch(Recorded())
    assert len(memory.watchers) == 1
    memory.write(HOST)
    assert heard == []


def test_the_hosts_copy_goes_when_the_numbers_are_elsewhere_if_it_is_to_be_held_once() -> None:
    memory = at(HOST)
    memory.held_once = True
    memory.read(DEVICE)
    assert memory.places == [DEVICE]
    view = memory.view()
    memory.read(LAYOUT)
    assert HOST in memory.places, "somebody holds it"
    assert view.tolist() == NUMBERS.tolist()


class Turning(Reversed):
    """It can have the host's buffer for its own."""

    def in_place(self, buffer: Array) -> bool:
        buffer[...] = buffer[::-1].copy()
        return True


def test_the_hosts_buffer_becomes_another_places_if_numbers_are_to_be_held_once() -> None:
    place = Turning()
    memory = at(HOST)
    buffer = memory.read(HOST)
    memory.held_once = True
    assert memory.read(place) is buffer
    assert (memory.fresh, memory.places, moved()) == ({place}, [place], 1)
    assert memory.read(HOST).tolist() == NUMBERS.tolist()
    held = at(HOST)
    held.held_once = True
    view = held.view()
    held.read(place)
    assert view.tolist() == NUMBERS.tolist(), "somebody holds it"
    both = at(HOST)
    both.read(place)
    assert set(both.places) == {HOST, place}, "others want it where it is"


def test_buffers_stay_where_they_are() -> None:
    memory = at(HOST, DEVICE)
    buffer = memory.buffer(DEVICE)
    memory.clear()
    memory.write(HOST)[...] = 2
    assert memory.read(DEVICE) is buffer


# -- leases ------------------------------------------------------------------------------------------------------------


def run(memory: SyncedMemory, compute: Callable[[Any], None]) -> None:
    """What a net does around a program at the device."""
    memory.claim()
    compute(memory)
    memory.settle()


def test_held_view_shows_what_is_computed_elsewhere() -> None:
    memory = at(HOST)
    view = memory.view()

    def computed(memory: SyncedMemory) -> None:
        memory.write(DEVICE)[...] = 9

    run(memory, computed)
    np.testing.assert_array_equal(view, np.full(6, 9))


def test_writing_into_a_held_view_counts_however_long_it_was_held() -> None:
    memory = at(HOST)
    view = memory.view()
    memory.read(DEVICE)  # the device's copy is current, until:
    for value in (3, 4):
        view[2] = value
        seen: list[float] = []
        run(memory, lambda memory, seen=seen: seen.append(float(memory.read(DEVICE)[2])))  # type: ignore[misc]
        assert seen == [value]


def test_arrays_derived_from_a_view_hold_the_lease() -> None:
    memory = at(HOST)
    part = memory.view().reshape(2, 3)[1:]
    gc.collect()
    assert memory.leased
    part[...] = 8
    memory.claim()
    np.testing.assert_array_equal(memory.read(DEVICE), [1, 2, 3, 8, 8, 8])
    del part
    gc.collect()
    assert not memory.leased


def test_forgotten_view_costs_no_transfers() -> None:
    memory = at(HOST)
    memory.view()
    gc.collect()
    for _ in range(3):
        run(memory, lambda memory: memory.update(DEVICE))
    assert moved() == 1


def test_views_are_one_memory() -> None:
    memory = at(DEVICE)
    first, second = memory.view(), memory.view()
    first[0] = 10
    assert second[0] == 10
    assert memory.fresh == {HOST}


def test_clearing_shows_in_a_held_view() -> None:
    memory = at(HOST)
    view = memory.view()
    memory.clear()
    np.testing.assert_array_equal(view, np.zeros(6))


def test_view_outlives_its_memory() -> None:
    memory = at(HOST)
    view = memory.view()
    del memory
    gc.collect()
    np.testing.assert_array_equal(view, NUMBERS)


# -- tensors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_host_arrays_are_aligned_zeros(count: int, dtype: type) -> None:
    array = aligned(count, dtype)
    assert array.shape == (count,)
    assert array.dtype == dtype
    assert not array.any()
    assert count == 0 or array.ctypes.data % ALIGNMENT == 0


@pytest.mark.parametrize("count", [2**50, 2**62])
def test_memory_that_cannot_be_had_is_an_error(count: int) -> None:
    with pytest.raises(DeviceError, match="bytes cannot be had; use a smaller batch"):
        aligned(count, np.float32)


def test_tensors() -> None:
    tensor = new_tensor((2, 3), np.int32)
    assert tensor.count == 6
    assert tensor.memory.dtype == np.int32
    other = tensor.reshaped(3, 2)
    assert other.memory is tensor.memory
    assert other.shape == (3, 2)
    assert repr(tensor).startswith("Tensor(2 3 at ")
    assert repr(Tensor(SyncedMemory(1), ())).startswith("Tensor(scalar at ")


def test_place_is_a_contract() -> None:
    place: Any = Place()
    for call in (
        lambda: place.zero(None),
        lambda: place.from_host(None, None),
        lambda: place.to_host(None, None),
    ):
        with pytest.raises(NotImplementedError):
            call()
