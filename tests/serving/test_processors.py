"""So many at a time, always in the same threads."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from caffe_sdk.errors import ArgumentError, NotReadyError
from caffe_sdk.serving.processors import Processors, Work
from caffe_sdk.serving.requests import NEVER


def test_so_many_at_a_time_and_always_the_same_threads() -> None:
    processors, inside, most, seen, lock = Processors(2), 0, 0, set(), threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            seen.add(threading.current_thread())
        threading.Event().wait(0.0002)
        with lock:
            inside -= 1

    with ThreadPoolExecutor(6) as clients:
        for each in [clients.submit(processors.run, work) for _ in range(120)]:
            each.result(30)
    assert (inside, most, len(seen)) == (0, 2, 2)
    processors.close()
    assert not any(thread.is_alive() for thread in seen)


def test_what_goes_wrong_is_told_whoever_asked() -> None:
    processors = Processors()
    with pytest.raises(ZeroDivisionError):
        processors.run(lambda: 1 // 0)
    assert processors.run(lambda: 7) == 7
    processors.close()


class Alarm:
    """A source that has work at certain times."""

    def __init__(self, work: Work, *times: float) -> None:
        self.work, self.times = work, list(times)

    def due(self) -> float:
        return self.times[0] if self.times else NEVER

    def take(self) -> Work:
        del self.times[0]
        return self.work


def test_who_has_been_due_for_longest_comes_first() -> None:
    processors, order, opened = Processors(), [], threading.Event()
    now = time.monotonic()
    with ThreadPoolExecutor(1) as client:
        held = client.submit(processors.run, lambda: opened.wait(30))
        processors.add(Alarm(lambda: order.append("late"), now, now + 0.02))
        processors.add(Alarm(lambda: order.append("early"), now - 1))
        opened.set()
        assert held.result(30)
    while len(order) < 3:
        time.sleep(0.001)
    assert order == ["early", "late", "late"]
    processors.close()


def test_a_source_is_heard_of_no_more() -> None:
    processors, seen = Processors(), []
    alarm = Alarm(lambda: seen.append(1), NEVER)
    processors.add(alarm)
    processors.remove(alarm)
    with processors.changed:
        alarm.times = [0.0]
        processors.changed.notify_all()
    assert processors.run(lambda: list(seen)) == []
    processors.close()


def test_work_that_fails_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    processors = Processors()
    with caplog.at_level(logging.ERROR):
        processors.add(Alarm(lambda: 1 // 0, 0.0))
        assert processors.run(lambda: 7) == 7
    assert "ZeroDivisionError" in caplog.text
    processors.close()


def test_the_end() -> None:
    processors = Processors()
    processors.close()
    with pytest.raises(NotReadyError, match="is about to end"):
        processors.run(lambda: 7)
    with pytest.raises(ArgumentError, match="0 batches at a time"):
        Processors(0)
