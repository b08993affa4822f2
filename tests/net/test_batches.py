"""Arrays are cut into batches and results put together again."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.net import batches


def test_the_last_batch_is_filled_with_zeros() -> None:
    pieces = list(batches.cut({"x": np.arange(5), "y": np.ones((5, 2))}, 3))
    assert [piece["x"].tolist() for piece in pieces] == [[0, 1, 2], [3, 4, 0]]
    assert pieces[1]["y"].tolist() == [[1, 1], [1, 1], [0, 0]]


def test_results_are_put_together_without_the_filling() -> None:
    results = [{"x": piece["x"], "loss": np.float32(i)} for i, piece in enumerate(batches.cut({"x": np.arange(5)}, 3))]
    found = batches.joined(results, 5)
    assert found["x"].tolist() == [0, 1, 2, 3, 4]
    assert found["loss"].tolist() == [0, 1]
    assert batches.joined([], 0) == {}


def test_lengths_must_agree() -> None:
    assert batches.count_items({"x": np.zeros(3), "y": np.zeros((3, 2))}) == 3
    with pytest.raises(ArgumentError, match="'x' has 3, 'y' has 2"):
        batches.count_items({"x": np.zeros(3), "y": np.zeros(2)})
