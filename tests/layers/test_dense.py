"""InnerProduct: where the bottom is cut, and what its weights look like."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


@pytest.mark.parametrize(
    ("text", "top", "weight"),
    [
        ("", (2, 7), (7, 60)),
        ("axis: 0", (7,), (7, 120)),
        ("axis: 2", (2, 3, 7), (7, 20)),
        ("axis: -1", (2, 3, 4, 7), (7, 5)),
        ("axis: -1 transpose: true", (2, 3, 4, 7), (5, 7)),
    ],
)
def test_shapes(text: str, top: Shape, weight: Shape) -> None:
    layer = made("InnerProduct", f"inner_product_param {{ num_output: 7 {text} }}")
    assert layer.shapes([(2, 3, 4, 5)]) == [top]
    assert [p.shape for p in layer.parameters([(2, 3, 4, 5)])] == [weight, (7,)]


def test_without_bias() -> None:
    layer = made("InnerProduct", "inner_product_param { num_output: 7 bias_term: false }")
    assert [p.shape for p in layer.parameters([(2, 3)])] == [(7, 3)]


def test_refusals() -> None:
    with pytest.raises(LayerError, match="num_output: 0; give num_output: 1 or more"):
        made("InnerProduct")
    with pytest.raises(ShapeError, match="axis 1 is not one of 1 axes"):
        made("InnerProduct", "inner_product_param { num_output: 1 }").shapes([(3,)])
