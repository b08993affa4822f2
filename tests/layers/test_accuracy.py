"""Accuracy: shapes and refusals."""

from __future__ import annotations

import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, ShapeError
from tests.layers.making import made


def test_shapes() -> None:
    assert made("Accuracy", bottoms=2, tops=2).shapes([(4, 10), (4,)]) == [(), (10,)]
    last = made("Accuracy", "accuracy_param { axis: -1 }", bottoms=2, tops=2)
    assert last.shapes([(2, 3, 10), (2, 3)]) == [(), (10,)]


def test_refusals() -> None:
    with pytest.raises(LayerError, match="top_k: 0"):
        made("Accuracy", "accuracy_param { top_k: 0 }", bottoms=2)
    with pytest.raises(ShapeError, match="top_k: 5 of 3 classes; use at most 3"):
        made("Accuracy", "accuracy_param { top_k: 5 }", bottoms=2).shapes([(4, 3), (4,)])
    with pytest.raises(ShapeError, match=r"5 labels \(5,\) for scores \(4, 3\)"):
        made("Accuracy", bottoms=2).shapes([(4, 3), (5,)])


def test_no_gradient() -> None:
    layer = made("Accuracy", bottoms=2)
    assert not layer.can_force_backward(0)
    bottom, top = [Blob((4, 3)), Blob((4,))], [Blob()]
    layer.backward(select("reference"), top, [False, False], bottom)
    with pytest.raises(LayerError, match="accuracy has no gradient"):
        layer.backward(select("reference"), top, [True, False], bottom)
