"""Splits stand where a blob is used more than once, under Caffe's names."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import GraphError
from caffe_sdk.graph.splits import insert_splits
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter


def split(text: str) -> list[tuple[str, list[str], list[str], list[float]]]:
    net = insert_splits(prototxt.parse(text, NetParameter))
    return [(x.name, list(x.bottom), list(x.top), list(x.loss_weight)) for x in net.layer]


def test_one_use_needs_no_split() -> None:
    assert len(split('layer { name: "a" top: "x" } layer { name: "b" bottom: "x" top: "y" }')) == 2


def test_two_uses_get_a_copy_each() -> None:
    text = 'layer { name: "a" top: "x" } layer { name: "b" bottom: "x" } layer { name: "c" bottom: "x" bottom: "x" }'
    assert split(text) == [
        ("a", [], ["x"], []),
        ("x_a_0_split", ["x"], ["x_a_0_split_0", "x_a_0_split_1", "x_a_0_split_2"], []),
        ("b", ["x_a_0_split_0"], [], []),
        ("c", ["x_a_0_split_1", "x_a_0_split_2"], [], []),
    ]


def test_a_loss_counts_as_a_use_and_takes_the_first_copy() -> None:
    text = 'layer { name: "a" top: "x" loss_weight: 2 } layer { name: "b" bottom: "x" }'
    assert split(text) == [
        ("a", [], ["x"], []),
        ("x_a_0_split", ["x"], ["x_a_0_split_0", "x_a_0_split_1"], [2.0, 0.0]),
        ("b", ["x_a_0_split_1"], [], []),
    ]


def test_a_blob_computed_in_place_is_split_after_its_last_change() -> None:
    text = (
        'layer { name: "a" top: "x" } layer { name: "r" bottom: "x" top: "x" }'
        'layer { name: "b" bottom: "x" } layer { name: "c" bottom: "x" }'
    )
    assert [name for name, *_ in split(text)] == ["a", "r", "x_r_0_split", "b", "c"]


def test_unknown_bottom_is_named() -> None:
    with pytest.raises(GraphError, match=r"Unknown bottom blob 'y' \(layer 'b', bottom index 1\)") as error:
        split('layer { name: "a" top: "x" } layer { name: "b" bottom: "x" bottom: "y" }')
    assert "there are x" in str(error.value)


def test_a_bottom_made_later_is_explained() -> None:
    with pytest.raises(GraphError, match="it is made by layer 'late', which must stand before"):
        split('layer { name: "b" bottom: "x" } layer { name: "late" top: "x" }')
