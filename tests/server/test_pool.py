from __future__ import annotations

import threading

import pytest

from caffe_sdk.server.pool import Pool


def test_calls_that_wait_are_counted() -> None:
    go_on, began = threading.Event(), threading.Semaphore(0)

    def work(number: int) -> int:
        began.release()
        go_on.wait(20)
        return number

    pool = Pool(2, "test")
    results = [pool.submit(work, i) for i in range(5)]
    assert all(began.acquire(timeout=20) for _ in range(2))
    assert pool.waiting == 3
    go_on.set()
    assert [result.result(20) for result in results] == [0, 1, 2, 3, 4]
    assert pool.waiting == 0
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(work, 7)
    assert pool.waiting == 0
