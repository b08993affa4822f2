"""Softmax: which axes have classes."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import ShapeError
from tests.layers.making import made


def test_shapes() -> None:
    assert made("Softmax", "softmax_param { axis: -1 }").shapes([(2, 3, 4)]) == [(2, 3, 4)]


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"input \(2, 0\) has no classes at axis 1"):
        made("Softmax").shapes([(2, 0)])
    with pytest.raises(ShapeError, match="axis 1 is not one of 1 axes"):
        made("Softmax").shapes([(2,)])
