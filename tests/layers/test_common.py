"""Inputs, learned blobs, copies and ends."""

from __future__ import annotations

from typing import Any

import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError
from caffe_sdk.memory import Shape
from tests.layers.making import made

A, B = "shape { dim: 2 dim: 3 }", "shape { dim: 4 }"


@pytest.mark.parametrize(
    ("text", "tops", "expected"),
    [(A, 1, [(2, 3)]), (A, 2, [(2, 3)] * 2), (A + B, 2, [(2, 3), (4,)]), ("", 2, [()] * 2)],
)
def test_input_shapes(text: str, tops: int, expected: list[Shape]) -> None:
    assert made("Input", f"input_param {{ {text} }}", 0, tops).shapes([]) == expected


def test_input_shapes_that_do_not_match_the_tops() -> None:
    with pytest.raises(LayerError, match="shape is given 2 times for 3 tops"):
        made("Input", f"input_param {{ {A} {B} }}", 0, 3).shapes([])


def test_split_tops_are_the_bottom() -> None:
    bottom, tops = Blob((2, 3)), [Blob((2, 3)), Blob((2, 3))]
    made("Split", tops=2).reshape([bottom], tops)
    bottom.data[...] = 3
    assert all((top.data == 3).all() for top in tops)
    assert len({blob.diff_memory for blob in (bottom, *tops)}) == 3


def test_silence_has_no_tops() -> None:
    assert made("Silence", bottoms=2, tops=0).shapes([(2,), (3,)]) == []


def test_learned_blob_is_its_top() -> None:
    layer: Any = made("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", 0)
    assert layer.shapes([]) == [(2, 3)]
    assert [p.shape for p in layer.parameters([])] == [(2, 3)]
    layer.blobs, layer.param_needs, top = [Blob((2, 3))], [True], Blob((2, 3))
    layer.reshape([], [top])
    layer.blobs[0].data[...] = 4
    assert (top.data == 4).all()
    top.diff[...] = 1
    for _ in range(2):
        layer.backward(select("reference"), [top], [], [])
    assert (layer.blobs[0].diff == 2).all()
