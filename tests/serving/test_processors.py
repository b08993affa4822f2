"""So many at a time, in the order of coming."""

from __future__ import annotations

import threading

from caffe_sdk.serving.processors import Processors


def test_so_many_at_a_time() -> None:
    processors, inside, most, lock = Processors(2), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with processors:
                with lock:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.0002)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (inside, most) == (0, 2)


def test_first_come_first_served() -> None:
    processors, order = Processors(), []

    def work(number: int) -> None:
        with processors:
            order.append(number)

    threads = [threading.Thread(target=work, args=[i]) for i in range(5)]
    with processors:
        for number, thread in enumerate(threads):
            thread.start()
            while len(processors._line) <= number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]
