"""Work in threads: order, bounds, errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from caffe_sdk.data.parallel import AHEAD, ordered_map


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_results_come_in_order(workers: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.01 if item < 3 else 0)
        return item * item

    assert list(ordered_map(slow_at_first, range(50), workers)) == [i * i for i in range(50)]


def test_few_items_are_begun_ahead() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            begun.append(item)
            yield item

    results = ordered_map(lambda item: item, items(), 2)
    assert next(results) == 0
    assert len(begun) <= 2 * AHEAD + 1
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_an_error_comes_where_its_result_would() -> None:
    results = ordered_map(lambda item: 6 // item, [3, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
