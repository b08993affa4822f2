"""Room that is kept: arrays apart, on cache lines, grown when more is asked for, each thread's own."""

from __future__ import annotations

import threading

from caffe_sdk.engine.portable.room import room


def test_arrays_are_apart_and_on_cache_lines() -> None:
    arrays = room((3, 5), (1,), (2, 0, 4), (33,))
    assert [array.shape for array in arrays] == [(3, 5), (1,), (2, 0, 4), (33,)]
    for i, array in enumerate(arrays):
        array[...] = i
        assert array.size == 0 or array.ctypes.data % 64 == 0
    assert all((array == i).all() for i, array in enumerate(arrays))


def test_it_is_kept_and_grows() -> None:
    (first,), (again,) = room((100,)), room((50,))
    assert first.ctypes.data == again.ctypes.data
    (more,) = room((first.base.size + 1,))
    more[...] = 1


def test_each_thread_has_its_own() -> None:
    found: list[int] = []
    (mine,) = room((10,))
    thread = threading.Thread(target=lambda: found.append(room((10,))[0].ctypes.data))
    thread.start()
    thread.join()
    assert found != [mine.ctypes.data]
