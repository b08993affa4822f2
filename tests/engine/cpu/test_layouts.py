"""Descriptors are values, layouts are places: equal when the bytes mean the same; numbers survive the round trip."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from caffe_sdk.engine.cpu.descriptors import alike, any_layout, part, plain, slabs, strided, tagged
from caffe_sdk.engine.cpu.layouts import Layout, place_of, reorder
from caffe_sdk.engine.cpu.library import Unsupported, axes
from caffe_sdk.engine.cpu.primitives import DST, FORWARD_TRAINING, SRC, WEIGHTS, PrimitiveDescriptor
from caffe_sdk.memory import HOST, SyncedMemory, aligned, transfers

CHANNELS_LAST = strided((2, 20, 6, 5), (600, 1, 100, 20))


def blocked_convolution():
    """A convolution whose layouts have blocks, and pad 20 and 50 channels to multiples."""
    sizes = (any_layout((2, 20, 6, 5)), any_layout((50, 20, 3, 3)), None, any_layout((2, 50, 4, 3)))
    one, none = axes((1, 1)), axes((0, 0))
    return PrimitiveDescriptor("convolution_forward", FORWARD_TRAINING, 1, *sizes, one, none, none, none)


def blocked(argument):
    """The place of a convolution's argument."""
    place = place_of(blocked_convolution().layout(argument))
    if place is HOST:
        pytest.skip("convolutions of this processor take rows as they are")
    return place


LAYOUTS = [
    pytest.param(lambda: blocked(SRC), id="source"),
    pytest.param(lambda: blocked(WEIGHTS), id="weights"),
    pytest.param(lambda: blocked(DST), id="destination"),
    pytest.param(lambda: place_of(CHANNELS_LAST), id="channels last"),
    pytest.param(lambda: place_of(plain((30, 40)), host=strided((30, 40), (1, 30))), id="transposed on the host"),
]


def memory_for(layout: Layout) -> SyncedMemory:
    memory = SyncedMemory(int(np.prod(layout.descriptor.dims)))
    memory.write(HOST)[...] = np.arange(memory.count)
    return memory


@pytest.mark.parametrize("make", LAYOUTS)
def test_round_trip(make):
    layout = make()
    memory = memory_for(layout)
    there = memory.read(layout).copy()
    assert there.nbytes == layout.descriptor.nbytes >= memory.count * 4
    back = SyncedMemory(memory.count)
    back.write(layout)[...] = there
    np.testing.assert_array_equal(back.read(HOST), np.arange(memory.count))


@pytest.mark.parametrize("make", LAYOUTS)
def test_what_a_layout_pads_is_zero(make):
    memory = memory_for(make())
    there = memory.read(make())
    assert np.count_nonzero(there) == memory.count - 1  # one of the numbers is 0


@pytest.mark.parametrize("make", LAYOUTS)
def test_cleared_memory_is_zero_there(make):
    layout = make()
    memory = memory_for(layout)
    memory.read(layout)
    memory.clear()
    assert not memory.read(layout).any()


@pytest.mark.parametrize(
    ("dims", "tag", "count"),
    [
        ((64, 32, 3, 3), "ABcd16b16a", 4),
        ((1024, 512, 1, 1), "ABcd16b16a", 64),
        ((16, 32, 1, 1), "ABcd16b16a", 1),
        ((4, 32, 32, 3, 3), "aBCde16c16b", 4),
        ((64, 32, 3, 3), "BAcd16a16b", 1),
        ((50, 32, 3, 3), "ABcd16b16a", 1),
        ((30, 40), "ab", 30),
    ],
)
def test_parts_that_follow_each_other(dims, tag, count):
    assert slabs(tagged(dims, tag)) == count


@pytest.mark.parametrize(
    ("dims", "tag"),
    [((64, 32, 3, 3), "ABcd16b16a"), ((960, 512, 1, 1), "ABcd16b16a"), ((4, 32, 32, 3, 3), "aBCde16c16b")],
)
def test_the_hosts_buffer_becomes_the_layouts(dims, tag):
    layout = place_of(tagged(dims, tag))
    memory = memory_for(layout)
    expected = memory_for(layout).read(layout).copy()
    memory.held_once = True
    buffer = memory.read(HOST)
    transfers.clear()
    assert memory.read(layout) is buffer
    np.testing.assert_array_equal(buffer, expected)
    assert memory.places == [layout]
    assert transfers == {("host", "onednn"): 1}
    np.testing.assert_array_equal(memory.read(HOST), np.arange(memory.count))


@pytest.mark.parametrize("make", LAYOUTS)
def test_where_parts_do_not_lie_in_the_same_bytes_there_is_a_copy(make):
    layout = make()
    memory = memory_for(layout)
    memory.held_once = True
    buffer = memory.read(HOST)
    kept = buffer.copy()
    if not layout.in_place(buffer):
        np.testing.assert_array_equal(buffer, kept)
        memory.read(layout)
        assert memory.places == [layout]
        np.testing.assert_array_equal(memory.read(HOST), kept)


def test_a_buffer_on_no_line_of_the_cache_is_not_kept():
    layout = place_of(tagged((64, 32, 1, 1), "ABcd16b16a"))
    assert not layout.in_place(aligned(64 * 32 + 1, np.float32)[1:])


def test_straight_from_layout_to_layout():
    last = place_of(CHANNELS_LAST)
    memory = memory_for(last)
    expected = memory.read(last).copy()
    memory.update(blocked(SRC))
    transfers.clear()
    np.testing.assert_array_equal(memory.read(last), expected)
    assert dict(transfers) == {("onednn", "onednn"): 1}


def test_layouts_of_other_axes_meet_on_the_host():
    memory = memory_for(place_of(CHANNELS_LAST))
    other = place_of(strided((40, 30), (1, 40)))
    memory.update(place_of(CHANNELS_LAST))
    np.testing.assert_array_equal(memory.read(other).reshape(30, 40).T.ravel(), np.arange(memory.count))
    assert memory.fresh == {HOST, other, place_of(CHANNELS_LAST)}


def test_row_major_is_the_host():
    assert place_of(plain((2, 3, 4))) is HOST
    assert place_of(strided((3, 4), (1, 3)), host=strided((3, 4), (1, 3))) is HOST
    assert place_of(strided((5, 1, 4), (4, 77, 1))) is HOST, "an axis of one value has no order"


def test_equal_layouts_are_one_place():
    assert place_of(CHANNELS_LAST) is place_of(strided((2, 20, 6, 5), (600, 1, 100, 20)))
    assert place_of(CHANNELS_LAST) is not place_of(strided((2, 20, 5, 6), (600, 1, 120, 20)))


def test_descriptors_are_values():
    first, second = (blocked_convolution().layout(WEIGHTS) for _ in range(2))
    assert first is not second
    assert first == second
    assert {first: "it"}[second] == "it"
    assert first != blocked_convolution().layout(SRC)
    assert plain((4, 5)) != plain((4, 5), np.dtype(np.int32))
    assert any_layout((4, 5)) != plain((4, 5))
    assert first.dims == (50, 20, 3, 3)
    assert first.dtype == np.float32


@pytest.mark.parametrize("argument", [SRC, WEIGHTS, DST])
def test_alike_with_the_same_sizes_is_the_same(argument):
    descriptor = blocked_convolution().layout(argument)
    assert alike(descriptor, descriptor.dims) == descriptor


def test_alike_with_other_sizes():
    assert alike(CHANNELS_LAST, (3, 4, 5, 7)) == strided((3, 4, 5, 7), (140, 1, 28, 4))
    assert alike(CHANNELS_LAST, (1, 4, 1, 1)) == plain((1, 4, 1, 1))


def test_parts():
    whole = plain((4, 6))
    assert part(whole, (4, 6), (0, 0)) == whole
    assert part(whole, (2, 3), (1, 2)) != part(whole, (2, 3), (1, 3)), "they begin elsewhere"
    numbers, room = np.arange(24, dtype=np.float32), np.zeros(6, np.float32)
    reorder(part(whole, (2, 3), (1, 2)), numbers, plain((2, 3)), room)
    np.testing.assert_array_equal(room, [8, 9, 10, 14, 15, 16])


def test_layouts_nobody_uses_are_forgotten():
    def make():
        return strided((2, 3, 5, 7), (105, 1, 21, 3))

    name = id(place_of(make()))
    gc.collect()
    from caffe_sdk.engine.cpu.layouts import _layouts

    assert name not in map(id, _layouts.values())


@pytest.mark.parametrize("dims", [(), (3, 0), (1,) * 13])
def test_shapes_onednn_has_no_word_for(dims):
    with pytest.raises(Unsupported):
        plain(dims)
