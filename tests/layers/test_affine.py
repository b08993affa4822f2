"""Scale and Bias: where coefficients meet the bottom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


@pytest.mark.parametrize("kind", ["Scale", "Bias"])
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", (3,)),
        ("axis: 0", (2,)),
        ("axis: 1 num_axes: 2", (3, 4)),
        ("axis: 1 num_axes: -1", (3, 4, 5)),
        ("axis: -1", (5,)),
        ("num_axes: 0", ()),
    ],
)
def test_learned_coefficients(kind: str, text: str, shape: Shape) -> None:
    layer = made(kind, f"{kind.lower()}_param {{ {text} }}")
    (parameter,) = layer.parameters([(2, 3, 4, 5)])
    assert parameter.shape == shape
    assert parameter.filler.value == (1 if kind == "Scale" else 0)
    assert layer.shapes([(2, 3, 4, 5)]) == [(2, 3, 4, 5)]


def test_bias_term() -> None:
    layer = made("Scale", "scale_param { bias_term: true filler { value: 3 } bias_filler { value: 2 } }")
    assert [(p.shape, p.filler.value) for p in layer.parameters([(2, 3)])] == [((3,), 3), ((3,), 2)]
    given = made("Scale", "scale_param { bias_term: true }", bottoms=2)
    assert [p.shape for p in given.parameters([(2, 3, 4), (3, 4)])] == [(3, 4)]
    assert made("Bias", bottoms=2).parameters([(2, 3), (3,)]) == []


@pytest.mark.parametrize(
    ("text", "shapes", "words"),
    [
        ("", [(2, 3, 4), (4,)], r"coefficients \(4,\) for axes \(3,\) of \(2, 3, 4\) from axis 1 on; give \(3,\)"),
        ("axis: 2", [(2, 3, 4), (4, 5)], r"coefficients \(4, 5\) for axes \(4,\)"),
        ("axis: 3", [(2, 3, 4), (4,)], "axis 3 is not one of 3 axes"),
        ("axis: 2 num_axes: 2", [(2, 3, 4)], r"num_axes: 2 from axis 2 on of \(2, 3, 4\); give fewer"),
        ("axis: 1 num_axes: -2", [(2, 3, 4)], "num_axes: -2"),
    ],
)
def test_coefficients_that_do_not_fit(text: str, shapes: list[Shape], words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \(Scale\): {words}"):
        made("Scale", f"scale_param {{ {text} }}", bottoms=len(shapes)).shapes(shapes)


def test_what_caffe_leaves_in_a_diff_nobody_asked_for() -> None:
    layer: Any = made("Scale")
    layer.blobs, layer.param_needs = [Blob((3,))], [True]
    bottom, top = Blob((2, 3)), Blob((2, 3))
    bottom.data[...] = [[1, 2, 3], [4, 5, 6]]
    top.diff[...] = 2
    layer.reshape([bottom], [top])
    layer.backward(select("reference"), [top], [False], [bottom])
    assert layer.blobs[0].diff.tolist() == [10, 14, 18]
    np.testing.assert_array_equal(bottom.diff, 2 * bottom.data)
