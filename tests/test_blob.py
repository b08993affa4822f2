"""Blobs: shapes within Caffe's limits, views that stay, shared memories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob, check_shape, structure
from caffe_sdk.errors import ShapeError


def test_shape_and_count() -> None:
    blob = Blob((2, 3, 4), name="conv1")
    assert blob.shape == (2, 3, 4)
    assert blob.count == 24
    assert blob.dtype == np.float32
    assert repr(blob) == "<Blob 'conv1' 2 3 4 (24)>"
    assert repr(Blob()) == "<Blob scalar (1)>"


def test_scalar_and_empty() -> None:
    assert Blob().data.shape == ()
    assert Blob((0, 3)).data.shape == (0, 3)


def test_data_and_diff_are_views_that_can_be_written() -> None:
    blob = Blob((2, 3))
    blob.data[1, 2] = 5
    blob.diff[...] = 1
    assert blob.data[1, 2] == 5
    assert blob.diff.sum() == 6
    assert blob.data.sum() == 5
    with pytest.raises(AttributeError):
        blob.data = np.zeros((2, 3))  # type: ignore[misc]


def test_tensors_see_the_same_numbers() -> None:
    blob = Blob((2, 3))
    blob.data[...] = 4
    assert blob.data_tensor.memory is blob.data_memory
    assert blob.diff_tensor.memory is blob.diff_memory
    assert blob.data_tensor.shape == (2, 3)


def test_reshape_keeps_values_of_the_same_count() -> None:
    blob = Blob((2, 3))
    held = blob.data
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(3, 2)
    np.testing.assert_array_equal(blob.data, np.arange(6).reshape(3, 2))
    held[0, 0] = 9
    assert blob.data[0, 0] == 9


def test_reshape_to_another_count_begins_with_zeros() -> None:
    blob = Blob((2, 3))
    held = blob.data
    held[...] = 1
    blob.reshape([4, 5])
    assert blob.shape == (4, 5)
    assert not blob.data.any()
    assert held.sum() == 6


def test_structure_changes_with_shapes_and_memories() -> None:
    blob, other = Blob((2, 3)), Blob((3, 2))
    seen = structure()
    blob.reshape(2, 3)
    assert structure() == seen
    blob.reshape(6)
    assert structure() != seen
    seen = structure()
    blob.share_data(other)
    assert structure() != seen
    seen = structure()
    blob.share_data(other)
    assert structure() == seen


def test_sharing() -> None:
    blob, other = Blob((2, 3)), Blob((6,))
    blob.share_data(other)
    blob.data[0, 1] = 7
    assert other.data[1] == 7
    assert not other.diff.any()
    blob.share_diff(other)
    other.diff[...] = 2
    assert blob.diff.sum() == 12
    for share in (blob.share_data, blob.share_diff):
        with pytest.raises(ShapeError, match=r"cannot share 5 values of shape \(5,\) as shape \(2, 3\)"):
            share(Blob((5,)))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, -1), "negative axis"),
        ((2, 1.5), "not whole numbers"),
        (("a",), "not whole numbers"),
        ((1,) * 33, "33 axes"),
        ((2**16, 2**16), "4294967296 values"),
        ((2, 2**62, 0), "has 0 values"),
    ],
)
def test_shapes_that_cannot_be(shape: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        check_shape(shape, "here")
    blob = Blob((2,), name="x")
    with pytest.raises(ShapeError, match=f"^blob 'x': .*{words}"):
        blob.reshape(*shape)
    assert blob.shape == (2,)


def test_numpy_integers_are_whole_numbers() -> None:
    assert check_shape(np.array([2, 3]), "here") == (2, 3)


def test_legacy_axes() -> None:
    blob = Blob((2, 3))
    assert (blob.num, blob.channels, blob.height, blob.width) == (2, 3, 1, 1)
    with pytest.raises(ShapeError, match=r"^blob '5-D': has 5 axes"):
        _ = Blob((1,) * 5, name="5-D").num
