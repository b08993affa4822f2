"""Reduction and ArgMax: shapes, ties and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


@pytest.mark.parametrize(("axis", "shape"), [(0, ()), (1, (2,)), (-1, (2, 3)), (2, (2, 3))])
def test_reduced_shapes(axis: int, shape: Shape) -> None:
    assert made("Reduction", f"reduction_param {{ axis: {axis} }}").shapes([(2, 3, 4)]) == [shape]


@pytest.mark.parametrize(
    ("text", "bottom", "shape"),
    [
        ("", (2, 3, 4, 5), (2, 1, 1, 1)),
        ("top_k: 3", (2, 5), (2, 1, 3)),
        ("top_k: 3 out_max_val: true", (2, 3, 4, 5), (2, 2, 3, 1)),
        ("axis: 1 top_k: 2", (2, 3, 4), (2, 2, 4)),
        ("axis: -1 top_k: 2 out_max_val: true", (2, 3, 4), (2, 3, 2)),
    ],
)
def test_shapes_of_the_largest(text: str, bottom: Shape, shape: Shape) -> None:
    assert made("ArgMax", f"argmax_param {{ {text} }}").shapes([bottom]) == [shape]


def largest(text: str, values: list[list[float]]) -> list[object]:
    layer = made("ArgMax", f"argmax_param {{ {text} }}")
    bottom = Blob(np.shape(values))
    bottom.data[...] = values
    top = Blob(layer.shapes([bottom.shape])[0])
    layer.forward(select("reference"), [bottom], [top])
    return top.data.tolist()


def test_places_and_values() -> None:
    assert largest("top_k: 2 out_max_val: true", [[1, 9, 5]]) == [[[1, 2], [9, 5]]]
    assert largest("axis: 1 top_k: 2", [[1, 9, 5]]) == [[1, 2]]
    assert largest("axis: 0 out_max_val: true", [[1, 9, 5], [2, 3, 7]]) == [[2, 9, 7]]


def test_the_last_of_equals_comes_first() -> None:
    assert largest("top_k: 2", [[4, 4, 4]]) == [[[2, 1]]]


def test_refusals() -> None:
    with pytest.raises(LayerError, match="top_k: 0"):
        made("ArgMax", "argmax_param { top_k: 0 }")
    with pytest.raises(ShapeError, match="top_k: 4 of 3 values; use at most 3"):
        made("ArgMax", "argmax_param { top_k: 4 }").shapes([(2, 3)])
    with pytest.raises(ShapeError, match="top_k: 3 of 2 values"):
        made("ArgMax", "argmax_param { top_k: 3 axis: 0 }").shapes([(2, 3)])
    layer = made("ArgMax")
    assert not layer.can_force_backward(0)
    with pytest.raises(LayerError, match="the place of the largest has no gradient"):
        layer.backward(select("reference"), [Blob((2, 1, 1))], [True], [Blob((2, 3))])
