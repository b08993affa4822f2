"""Values that only go elsewhere arrive there, and their gradients come back."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.errors import DataError
from tests.engine.reference.tensors import ENGINE, empty, tensor, values


def test_joined_and_cut_again(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 1, 4))
    y, again = empty(2, 4, 4), empty(2, 1, 4)
    ENGINE.concatenate([tensor(a), tensor(b)], y, 1)
    np.testing.assert_array_equal(values(y), np.concatenate([a, b], 1))
    ENGINE.crop(y, again, (0, 3, 0))
    np.testing.assert_array_equal(values(again), b)


def test_around_a_crop_gradients_are_0() -> None:
    dx = tensor(np.full((3, 4), 9.0))
    ENGINE.crop_grad(tensor(np.ones((2, 2))), dx, (1, 0))
    assert values(dx).tolist() == [[0] * 4, [1, 1, 0, 0], [1, 1, 0, 0]]


def test_tiles() -> None:
    y, dx = empty(1, 4), empty(1, 2)
    ENGINE.tile(tensor([[1, 2]]), y, 1, 2)
    assert values(y).tolist() == [[1, 2, 1, 2]]
    ENGINE.tile_grad(tensor([[1, 2, 10, 20]]), dx, 1, 2)
    assert values(dx).tolist() == [[11, 22]]


def test_columns() -> None:
    geometry = ConvolutionGeometry((2,), (1,), (0,), (1,))
    y, dx = empty(1, 2, 3), empty(1, 1, 4)
    ENGINE.im2col(tensor([[[1, 2, 3, 4]]]), y, geometry)
    assert values(y).tolist() == [[[1, 2, 3], [2, 3, 4]]]
    ENGINE.col2im(tensor(np.ones((1, 2, 3))), dx, geometry)
    assert values(dx).tolist() == [[[1, 2, 2, 1]]]


def test_embedding() -> None:
    weight, y = tensor([[1, 2], [3, 4], [5, 6]]), empty(2, 2)
    ENGINE.embed(tensor([2, 0]), weight, tensor([10, 20]), y)
    assert values(y).tolist() == [[15, 26], [11, 22]]
    dweight = tensor(np.zeros((3, 2)))
    ENGINE.embed_grad(tensor([2, 2]), tensor([[1, 2], [3, 4]]), dweight)
    assert values(dweight).tolist() == [[0, 0], [0, 0], [4, 6]]


@pytest.mark.parametrize("index", [-1.0, 3.0, np.nan])
def test_what_is_no_row(index: float) -> None:
    with pytest.raises(DataError, match=f"^index: {index:g} is not one of 3 rows; give 0 to 2"):
        ENGINE.embed(tensor([index]), tensor(np.zeros((3, 2))), None, empty(1, 2))
