"""Requests that wait: who comes next, and what is kept in order meanwhile."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import NotReadyError
from caffe_sdk.serving import Pending, Timings, config
from caffe_sdk.serving.contexts import Sizes
from caffe_sdk.serving.intake import Batch
from caffe_sdk.serving.line import ALONE, Entry, Line
from caffe_sdk.serving.requests import NEVER


def line(sizes: Sizes | None = None, **entries: Any) -> Line:
    return Line("here", config.parse({"max_queue_delay_ms": 0, **entries}, "config"), sizes, threading.Condition())


def is_due(line: Line) -> bool:
    return line.due() <= time.monotonic()


def entry(items: int = 1, width: int = 1, priority: int = 2, deadline: float = NEVER) -> Entry:
    return Entry(Batch({"x": np.zeros((items, width), np.float32)}, ("y",)), Pending("here", None, deadline), priority)


def put(line: Line, *entries: Entry, most: int | None = None) -> None:
    for each in entries:
        line.put(each, each.cut(most))


def test_alone_where_there_are_no_sizes() -> None:
    waiting, (a, b) = line(), (entry(), entry(3))
    put(waiting, a, b)
    assert is_due(waiting)
    assert [[piece.entry for piece in waiting.take()] for _ in range(3)] == [[a], [b], []]


def test_those_who_fit_join() -> None:
    waiting = line(Sizes(4))
    a, b, c, other, urgent = entry(2), entry(3), entry(1), entry(1, width=2), entry(1, priority=1)
    put(waiting, a, b, other, c, urgent)
    taken = [[piece.entry for piece in waiting.take()] for _ in range(4)]
    assert taken == [[urgent, a, c], [b], [other], []]


def test_pieces_of_a_large_one() -> None:
    waiting, large = line(Sizes(4)), entry(10)
    put(waiting, large, entry(2), most=4)
    assert [[(piece.start, piece.stop) for piece in waiting.take()] for _ in range(4)] == [
        [(0, 4)],
        [(4, 8)],
        [(8, 10), (0, 2)],
        [],
    ]
    assert large.add(4, {"y": np.array([4])}, Timings(queue=5, batch=4)) is None
    assert large.add(8, {"y": np.array([8])}, Timings(queue=9, batch=4)) is None
    whole = large.add(0, {"y": np.array([0])}, Timings(queue=7, batch=4))
    assert whole is not None
    assert whole["y"].tolist() == [0, 4, 8]
    assert (large.timings.queue, large.timings.batch) == (5, 12)


def test_when_a_batch_is_due() -> None:
    changed = threading.Condition()
    waiting = Line("here", config.parse({"max_queue_delay_ms": 60_000}, "config"), Sizes(4), changed)
    assert waiting.due() == waiting.earliest == NEVER
    put(waiting, entry(), entry(deadline=time.monotonic() + 10))
    assert 59 < waiting.due() - time.monotonic() <= 60
    assert 9 < waiting.earliest - time.monotonic() <= 10
    put(waiting, entry(2))
    assert is_due(waiting)


def test_whoever_computes_is_woken() -> None:
    changed = threading.Condition()
    waiting = Line("here", config.parse({"max_queue_delay_ms": 0}, "config"), None, changed)
    threading.Timer(0.02, put, [waiting, entry()]).start()
    with changed:
        assert changed.wait_for(lambda: waiting.due() < NEVER, 30)
    assert len(waiting.take()) == 1


def test_an_end() -> None:
    waiting = line()
    put(waiting, entry())
    waiting.end()
    assert waiting.due() == NEVER
    with pytest.raises(NotReadyError, match="here: is being unloaded"):
        put(waiting, entry())


def test_the_dead_leave() -> None:
    waiting = line(max_queue_delay_ms=1000)
    late, cancelled, alive = entry(deadline=time.monotonic() + 0.01), entry(), entry()
    put(waiting, late, cancelled, alive)
    cancelled.pending.cancel()
    waiting.expire()  # too early for anything to be looked at
    assert not late.pending.done()
    time.sleep(0.02)
    waiting.expire()
    assert late.pending.done()
    assert [piece.entry for piece in waiting.take()] == [alive]


def test_who_is_alone_waits_for_nobody() -> None:
    waiting = line(Sizes(4), max_queue_delay_ms=60_000)
    put(waiting, entry())
    assert len(waiting.take()) == 1
    put(waiting, entry())  # while the other is computed
    assert waiting.take() == []
    waiting.done()
    assert waiting.take() == []
    waiting._company -= ALONE
    assert len(waiting.take()) == 1
    waiting.done()
    put(waiting, entry())
    assert len(waiting.take()) == 1


def test_hurry() -> None:
    waiting = line(Sizes(4), max_queue_delay_ms=60_000)
    put(waiting, entry())
    put(waiting, entry())
    assert waiting.take() == []
    waiting.hurry()
    assert is_due(waiting)
    assert len(waiting.take()) == 2
