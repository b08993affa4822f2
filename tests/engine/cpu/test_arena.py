"""Rooms of memories and of nobody, and what of them is in one area."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.cpu.arena import Arena
from caffe_sdk.memory import HOST, SyncedMemory

FLOAT = np.dtype(np.float32)


def test_no_rooms() -> None:
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
