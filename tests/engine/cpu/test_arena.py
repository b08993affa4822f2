"""Rooms that are in use together never overlap, and little is wasted."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.arena import Arena, Room, assign
from caffe_sdk.memory import ALIGNMENT, HOST, SyncedMemory

FLOAT = np.dtype(np.float32)


def room(count: int, first: int, last: int) -> Room:
    made = Room(count, FLOAT)
    made.use(first)
    made.use(last)
    return made


def busiest(rooms: list[Room]) -> int:
    """Bytes in use at the step that uses most: no arena can be smaller."""
    last = max(room.last for room in rooms)
    return max(sum(r.nbytes for r in rooms if r.first <= step <= r.last) for step in range(last + 1))


@pytest.mark.parametrize("seed", range(20))
def test_no_two_rooms_in_use_overlap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rooms = []
    for _ in range(60):
        first = int(generator.integers(0, 40))
        rooms.append(room(int(generator.integers(0, 5000)), first, first + int(generator.integers(0, 8))))
    nbytes = assign(rooms)
    for i, one in enumerate(rooms):
        assert one.offset is not None
        assert one.offset % ALIGNMENT == 0
        assert one.offset + one.nbytes <= nbytes
        for other in rooms[:i]:
            if one.meets(other):
                assert other.offset is not None
                apart = one.offset + one.nbytes <= other.offset or other.offset + other.nbytes <= one.offset
                assert apart or not one.nbytes or not other.nbytes
    assert nbytes <= 1.35 * busiest(rooms)


def test_a_chain_takes_two_rooms() -> None:
    rooms = [room(1600, i, i + 1) for i in range(10)]
    assert assign(rooms) == 2 * 6400


def test_small_rooms_go_between_large_ones() -> None:
    large = [room(1600, 0, 1), room(1600, 1, 2), room(3200, 4, 5)]
    small = room(800, 2, 4)
    assert assign([small, *large]) == 2 * 6400 + 3200


def test_no_rooms() -> None:
    assert assign([]) == 0
    arena = Arena()
    arena.lay_out(frozenset())
    assert arena.nbytes == 0


def test_rooms_of_memories_are_their_buffers_unless_lost() -> None:
    arena, kept, lost = Arena(), SyncedMemory(10), SyncedMemory(20)
    rooms = [arena.of(kept, HOST), arena.of(lost, HOST), arena.own(400, FLOAT)]
    assert arena.of(kept, HOST) is rooms[0]
    for each in rooms:
        arena.use(each)
    arena.lay_out({lost})
    assert arena.needs() == {(kept, HOST): 40}
    assert arena.nbytes == 448 + 80
    assert arena.allocated() == kept.allocated() == 0
    assert arena.array(rooms[0]) is kept.buffer(HOST)
    first = arena.array(rooms[1])
    assert arena.array(rooms[1]) is first
    assert first.shape == (20,)
    assert lost.allocated() == 0
    assert arena.allocated() == arena.nbytes
    arena.release()
    assert arena.allocated() == 0
    assert arena.array(rooms[1]) is not first


def test_what_a_part_leaves_for_another_stays() -> None:
    """A memory that two parts work on keeps its rooms from its first use to its last."""
    arena, crossing, inside = Arena(), SyncedMemory(100), SyncedMemory(100)
    arena.use(arena.of(crossing, HOST))
    arena.step, arena.part = 1, 1
    arena.use(arena.of(inside, HOST))
    arena.step, arena.part = 2, 2
    arena.use(arena.of(crossing, HOST))
    arena.lay_out({crossing, inside})
    assert list(arena.crossing) == [crossing]
    assert arena.of(crossing, HOST).meets(arena.of(inside, HOST))
    assert arena.nbytes == 448 + 400


def test_parts_of_a_room_are_where_it_is() -> None:
    arena, memories = Arena(), [SyncedMemory(count) for count in (32, 16, 48)]
    first, second, whole = (arena.of(memory, HOST) for memory in memories)
    for each in (first, second, whole):
        arena.use(each)
        arena.step += 1
    arena.join([first, second], whole)
    arena.lay_out(set(memories))
    assert arena.nbytes == 4 * 48
    assert whole.first == 0
    arena.array(first)[...] = 1
    arena.array(second)[...] = 2
    np.testing.assert_array_equal(arena.array(whole), [1] * 32 + [2] * 16)


def test_whoever_works_on_a_cut_works_on_the_whole() -> None:
    arena, memory = Arena(), SyncedMemory(64)
    whole = arena.of(memory, HOST)
    cut = arena.cut(whole, 16)
    for _ in range(2):
        arena.step += 1
        arena.use(cut)
    arena.lay_out({memory})
    assert (whole.first, whole.last) == (1, 2)
    arena.array(cut)[...] = 1
    np.testing.assert_array_equal(arena.array(whole), [0] * 16 + [1] * 48)


def test_who_works_on_a_memory() -> None:
    arena, memory = Arena(), SyncedMemory(4)
    assert not arena.within_part(memory)
    arena.use(arena.of(memory, HOST))
    assert arena.within_part(memory)
    arena.part += 1
    assert not arena.within_part(memory)
    arena.use(arena.of(memory, HOST))
    assert not arena.within_part(memory), "an earlier part has, too"
