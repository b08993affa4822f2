from __future__ import annotations

import threading
import time

import pytest

from caffe_sdk.app.turns import Turns


def test_whoever_asked_first_comes_first() -> None:
    turns, order = Turns(), []

    def take(name: int) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in range(8)]
    with turns:
        for thread in threads:
            thread.start()
            while len(turns._line) < threads.index(thread) + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_somebody_waiting_comes_before_the_one_who_takes_it_again() -> None:
    turns, order = Turns(), []
    with turns:
        other = threading.Thread(target=lambda: [turns.__enter__(), order.append("other"), turns.__exit__()])
        other.start()
        while len(turns._line) < 2:
            time.sleep(0.001)
    with turns:
        order.append("again")
    other.join()
    assert order == ["other", "again"]


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    with turns:
        assert len(turns._line) == 1


def test_an_interrupted_wait_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    with turns:
        with monkeypatch.context() as patch:

            def interrupted(predicate: object) -> bool:
                raise KeyboardInterrupt

            patch.setattr(turns._changed, "wait_for", interrupted)
            with pytest.raises(KeyboardInterrupt):
                turns.__enter__()
        assert len(turns._line) == 1
    with turns:
        assert len(turns._line) == 1
