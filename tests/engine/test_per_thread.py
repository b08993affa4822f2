"""What a thread chooses for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

from caffe_sdk.engine.per_thread import PerThread


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_follows_the_main_one_until_it_chooses() -> None:
    value, seen = PerThread("first"), []

    def work() -> None:
        seen.append(value.get())
        with value.held("inside"):
            seen.append(value.get())
        value_of_main = value.get()
        value.set("own")
        with value.held("inside"):
            seen.append(value.get())
        seen.extend([value_of_main, value.get()])

    value.set("main")
    in_a_thread(work)
    assert seen == ["main", "inside", "inside", "main", "own"]
    assert value.get() == "main"
    with value.held("held"):
        assert value.get() == "held"
        in_a_thread(lambda: seen.append(value.get()))
    assert (value.get(), seen[-1]) == ("main", "held")
