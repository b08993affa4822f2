"""Sums, and where the largest values are."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.reference.tensors import ENGINE, empty, tensor, values


@pytest.mark.parametrize(("kind", "expected"), [("SUM", [4, -16]), ("ASUM", [16, 24]), ("SUMSQ", [68, 208])])
def test_reduce(kind: str, expected: list[float]) -> None:
    y = empty(2)
    ENGINE.reduce(tensor([[5, -3], [-10, 2]]), y, kind, 2.0)
    assert values(y).tolist() == expected


def test_the_largest() -> None:
    x = np.array([[3, 9, 9], [1, 0, 2]])
    indices, largest = empty(2, 2), empty(2, 2)
    ENGINE.largest(tensor(x), indices, largest, 1)
    assert values(indices).tolist() == [[2, 1], [2, 0]]
    assert values(largest).tolist() == [[9, 9], [2, 1]]
    along_columns = empty(1, 3)
    ENGINE.largest(tensor(x), None, along_columns, 0)
    assert values(along_columns).tolist() == [[3, 9, 9]]


def test_the_largest_of_rows() -> None:
    y = empty(2, 2, 1)
    ENGINE.largest_of_rows(tensor([[3, 9], [4, 1]]), y, with_values=True)
    assert values(y).tolist() == [[[1], [9]], [[0], [4]]]
