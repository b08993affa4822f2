"""Rows picked by number."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DataError
from caffe_sdk.memory import HOST, Array, Tensor, new_tensor

ENGINE = ReferenceEngine()


def tensor(values: Array) -> Tensor:
    made = new_tensor(np.shape(values))
    made.memory.write(HOST)[...] = np.ravel(values)
    return made


def test_rows_and_back() -> None:
    x, index, y = tensor(np.arange(8.0).reshape(4, 2)), tensor(np.array([3, 0, 3])), new_tensor((3, 2))
    ENGINE.take_rows(x, index, y)
    np.testing.assert_array_equal(ENGINE.read(y), [[6, 7], [0, 1], [6, 7]])
    dx = tensor(np.full((4, 2), 9.0))
    ENGINE.take_rows_grad(y, index, dx)
    np.testing.assert_array_equal(ENGINE.read(dx), [[0, 1], [0, 0], [0, 0], [12, 14]])


@pytest.mark.parametrize("index", [4, -1, np.nan])
def test_an_index_that_is_no_row(index: float) -> None:
    with pytest.raises(DataError, match=r"^index: .* is not one of 4 rows; give 0 to 3$"):
        ENGINE.take_rows(new_tensor((4, 2)), tensor(np.array([0, index])), new_tensor((2, 2)))
