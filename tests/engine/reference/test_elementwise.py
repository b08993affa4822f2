"""Copies, sums, products and maxima by hand."""

from __future__ import annotations

import numpy as np

from caffe_sdk.memory import new_tensor
from tests.engine.reference.tensors import ENGINE, tensor, values


def test_copy_changes_type_and_shape() -> None:
    y = new_tensor((3, 2))
    ENGINE.copy(tensor([[1, 2, 3], [4, 5, 6]], np.int32), y)
    assert values(y).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert values(y).dtype == np.float32


def test_sums_and_products() -> None:
    a, b, c, y = tensor([1, 2]), tensor([3, 5]), tensor([7, 11]), new_tensor((2,), np.float64)
    ENGINE.add_all([a, b, c], y)
    assert values(y).tolist() == [11, 18]
    ENGINE.weighted_sum([a, b], y, (2.0, -1.0))
    assert values(y).tolist() == [-1, -1]
    ENGINE.product([a, b, c], y)
    assert values(y).tolist() == [21, 110]
    ENGINE.scale(a, y, 0.5)
    assert values(y).tolist() == [0.5, 1]
    ENGINE.fill(y, 4.0)
    assert values(y).tolist() == [4, 4]


def test_maximum_of_equals() -> None:
    """The second of two, the first of the others: Caffe's order."""
    y, mask = new_tensor((3,), np.float64), new_tensor((3,), np.int32)
    ENGINE.maximum([tensor([1, 1, 2]), tensor([1, 0, 1]), tensor([1, 1, 1])], y, mask)
    assert values(y).tolist() == [1, 1, 2]
    assert values(mask).tolist() == [1, 0, 0]
