"""Room for what nobody wants after a program."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.area import ALIGNMENT, Area
from caffe_sdk.engine.cuda.formats import FLOAT16
from caffe_sdk.engine.cuda.layout import Last
from caffe_sdk.engine.cuda.place import LastPlace
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, SyncedMemory
from tests.engine.cuda.twins import usual


def areas(engine, counts, lost=None):
    """Memories that step after step works on, each also at the next; the area of those that are lost, or all."""
    memories = [SyncedMemory(count) for count in counts]
    area = Area(engine.device, [(memory, engine.place) for memory in memories], set(memories) if lost is None else lost)
    area.lay_out([(f"layer '{i}'", set(memories[max(i - 1, 0) : i + 1])) for i in range(len(memories) + 1)])
    return memories, area


def test_those_needed_at_different_times_share_room():
    engine = usual()
    memories, area = areas(engine, [1000] * 6)
    assert area.nbytes == 4096 + 4000  # the second begins where a device would let it
    assert area.allocated() == 0
    with area.lent():
        at = [memory.write(engine.place).pointer for memory in memories]
        assert at[0] == at[2] == at[4]
        assert at[1] == at[3] == at[5] != at[0]
        assert {pointer % ALIGNMENT for pointer in (np.array(at) - min(at))} == {0}
        assert area.allocated() == area.nbytes
    assert all(memory.is_zero and not memory.places for memory in memories)
    with area.lent():
        assert [memory.buffer(engine.place).pointer for memory in memories] == at
    area.release()
    assert area.allocated() == 0


def test_what_is_not_lost_is_elsewhere():
    engine = usual()
    kept = SyncedMemory(10)
    memories, area = areas(engine, [10, 10], lost=set())
    assert area.nbytes == 0
    assert kept not in area
    assert memories[0] not in area
    with area.lent():
        memories[0].write(engine.place)
    assert engine.place in memories[0].places
    assert area.allocated() == 0


def test_a_memory_at_two_places_is_at_both_for_as_long_as_it_is_used():
    engine = usual(FLOAT16)
    wide, narrow, turned = engine.place, engine.places.values, LastPlace(engine.place, Last(2, 32))
    one, other = SyncedMemory(64), SyncedMemory(64)
    area = Area(engine.device, [(one, narrow), (one, wide), (other, turned)], {one, other})
    area.lay_out([("a", {one}), ("b", {one, other}), ("c", {other})])
    assert area.nbytes == 256 + 256 + 128
    with area.lent():
        one.write(HOST)[...] = np.arange(64)
        assert {one.read(place).pointer for place in (narrow, wide)} == {one.buffer(p).pointer for p in (narrow, wide)}
        other.write(HOST)[...] = np.arange(64)
        other.read(turned)
        other.update(turned)
        np.testing.assert_array_equal(other.read(HOST), np.arange(64))
        one.update(narrow)
        np.testing.assert_array_equal(one.read(HOST), np.arange(64))


def test_memory_that_ends_names_the_layer_that_wants_most():
    class Full:
        def allocate(self, nbytes):
            raise DeviceError("memory", f"{nbytes} bytes cannot be had", "use a smaller batch")

    engine = usual()
    memories, area = areas(engine, [10, 1000, 10])
    area._device = Full()
    with pytest.raises(DeviceError, match="layer '1': memory: 4"), area.lent():
        pass
    assert not memories[1].places
