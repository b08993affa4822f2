"""So many at a time, always in the same threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from caffe_sdk.serving.processors import Processors


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
