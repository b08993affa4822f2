"""InnerProduct: where the bottom is cut, and what its weights look like. Embed: which numbers are rows."""

from __future__ import annotations

from typing import Any

import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import DataError, LayerError, ShapeError
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


def test_embed() -> None:
    layer = made("Embed", "embed_param { num_output: 3 input_dim: 7 }")
    assert layer.shapes([(4, 2)]) == [(4, 2, 3)]
    assert [p.shape for p in layer.parameters([(4, 2)])] == [(7, 3), (3,)]
    assert not layer.can_force_backward(0)
    for text, words in ("num_output: 3", "input_dim: 0"), ("input_dim: 3", "num_output: 0"):
        with pytest.raises(LayerError, match=words):
            made("Embed", f"embed_param {{ {text} }}")
    with pytest.raises(LayerError, match="cannot backpropagate to indices"):
        layer.backward(select("reference"), [Blob((4, 3))], [True], [Blob((4,))])


@pytest.mark.parametrize("index", [-1, 7])
def test_embedded_numbers_must_be_rows(index: int) -> None:
    layer: Any = made("Embed", "embed_param { num_output: 3 input_dim: 7 bias_term: false }")
    layer.blobs = [Blob((7, 3))]
    bottom = Blob((2,))
    bottom.data[1] = index
    with pytest.raises(DataError, match=f"^index: {index} is not one of 7 rows; give 0 to 6"):
        layer.forward(select("reference"), [bottom], [Blob((2, 3))])
