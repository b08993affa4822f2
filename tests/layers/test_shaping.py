"""Layers that give blobs another shape: the shapes they make, and what they refuse."""

from __future__ import annotations

import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


def shapes(kind: str, text: str, *bottoms: Shape, tops: int = 1) -> list[Shape]:
    return made(kind, f"{kind.lower()}_param {{ {text} }}", len(bottoms), tops).shapes(bottoms)


@pytest.mark.parametrize(
    ("kind", "text", "bottoms", "expected"),
    [
        ("Flatten", "", [(2, 3, 4, 5)], [(2, 60)]),
        ("Flatten", "axis: 0", [(2, 3, 4)], [(24,)]),
        ("Flatten", "axis: 1 end_axis: -2", [(2, 3, 4, 5)], [(2, 12, 5)]),
        ("Flatten", "axis: -1", [(2, 3)], [(2, 3)]),
        ("Reshape", "shape { dim: 0 dim: -1 }", [(2, 3, 4)], [(2, 12)]),
        ("Reshape", "shape { dim: 0 dim: -1 }", [(0, 3, 4)], [(0, 12)]),
        ("Reshape", "shape { dim: 0 dim: 0 dim: 2 dim: 2 }", [(2, 3, 4)], [(2, 3, 2, 2)]),
        ("Reshape", "shape { dim: 2 dim: -1 } axis: 1", [(2, 8)], [(2, 2, 4)]),
        ("Reshape", "shape { dim: 2 dim: 4 } axis: -2", [(2, 8)], [(2, 2, 4)]),
        ("Reshape", "shape { dim: 1 } axis: -1", [(2, 8)], [(2, 8, 1)]),
        ("Reshape", "shape { dim: 1 } axis: 0 num_axes: 0", [(2, 8)], [(1, 2, 8)]),
        ("Reshape", "shape { } axis: 1 num_axes: 1", [(2, 1, 8)], [(2, 8)]),
        ("Concat", "", [(2, 3, 4), (2, 1, 4)], [(2, 4, 4)]),
        ("Concat", "axis: -3", [(2, 3, 4), (1, 3, 4)], [(3, 3, 4)]),
        ("Concat", "concat_dim: 2", [(2, 3, 4), (2, 3, 1)], [(2, 3, 5)]),
        ("Crop", "", [(2, 3, 6, 5), (1, 1, 4, 5)], [(2, 3, 4, 5)]),
        ("Crop", "axis: 1 offset: 1", [(2, 3, 6), (9, 2, 5)], [(2, 2, 5)]),
        ("Tile", "tiles: 3", [(2, 3)], [(2, 9)]),
    ],
)
def test_shapes(kind: str, text: str, bottoms: list[Shape], expected: list[Shape]) -> None:
    assert shapes(kind, text, *bottoms) == expected


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("", (2, 6), [(2, 2), (2, 2), (2, 2)]),
        ("slice_point: 1 slice_point: 4", (2, 6), [(2, 1), (2, 3), (2, 2)]),
        ("axis: -2", (3, 6), [(1, 6)] * 3),
        ("slice_dim: 0 slice_point: 2 slice_point: 3", (6, 1), [(2, 1), (1, 1), (3, 1)]),
        ("axis: 0", (0, 6), [(0, 6)] * 3),
    ],
)
def test_slices(text: str, shape: Shape, expected: list[Shape]) -> None:
    assert shapes("Slice", text, shape, tops=3) == expected


@pytest.mark.parametrize(
    ("kind", "text", "bottoms", "words"),
    [
        ("Reshape", "shape { dim: -1 dim: -1 }", [(2, 3)], "leaves more than one size open"),
        ("Reshape", "shape { dim: -2 }", [(2, 3)], r"shape \(-2,\)"),
        ("Reshape", "shape { dim: 6 } num_axes: -2", [(2, 3)], "num_axes: -2"),
        ("Concat", "axis: 1 concat_dim: 1", [(2, 3)], "has axis and concat_dim"),
        ("Slice", "axis: 1 slice_dim: 1", [(2, 3)], "has axis and slice_dim"),
        ("Slice", "slice_point: 1", [(2, 3)], "slice_point is given 1 times for 1 tops; give it 0 times"),
        ("Crop", "offset: 1 offset: 1 offset: 1", [(2, 3, 4, 5)] * 2, "offset is given 3 times for 2 axes"),
        ("Tile", "", [(2, 3)], "tiles: 0"),
    ],
)
def test_parameters_that_make_no_sense(kind: str, text: str, bottoms: list[Shape], words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \({kind}\): .*{words}"):
        shapes(kind, text, *bottoms)


@pytest.mark.parametrize(
    ("kind", "text", "bottoms", "words"),
    [
        ("Flatten", "axis: 2 end_axis: 1", [(2, 3, 4)], "axis 2 is behind end_axis 1"),
        ("Flatten", "axis: 3", [(2, 3, 4)], "axis 3 is not one of 3 axes"),
        ("Reshape", "shape { dim: 5 }", [(2, 3)], r"6 values do not fit shape \(5,\); give 6 values"),
        ("Reshape", "shape { dim: 4 dim: -1 }", [(2, 3)], r"6 values do not divide into shape \(4, -1\)"),
        ("Reshape", "shape { dim: 0 dim: 0 dim: 0 }", [(2, 3)], r"shape \(0, 0, 0\) keeps axis 2 of \(2, 3\)"),
        ("Reshape", "shape { dim: 3 } axis: 3", [(2, 3)], "axis 3 of 2 axes; use -3 to 2"),
        ("Reshape", "shape { dim: 3 } axis: 1 num_axes: 2", [(2, 3)], "num_axes: 2 from axis 1 on"),
        (
            "Concat",
            "",
            [(2, 3), (3, 3)],
            r"bottom 1 has shape \(3, 3\), bottom 0 \(2, 3\); they may differ along axis 1",
        ),
        ("Concat", "", [(2, 3), (2, 3, 1)], r"bottom 1 has shape \(2, 3, 1\)"),
        ("Crop", "offset: 3", [(2, 3, 6, 5), (2, 3, 4, 2)], r"crop of 4 at offset 3 from axis 2 of \(2, 3, 6, 5\)"),
        ("Crop", "", [(2, 3, 6, 5), (2, 3, 4)], r"bottoms .*; give as many axes"),
    ],
)
def test_shapes_that_do_not_fit(kind: str, text: str, bottoms: list[Shape], words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \({kind}\): {words}"):
        shapes(kind, text, *bottoms)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"axis 1 of \(2, 7\) in 3 parts; give slice_points"),
        ("slice_point: 4 slice_point: 2", r"slice_points \(4, 2\) of axis 1 of \(2, 7\); give growing numbers"),
        ("slice_point: 2 slice_point: 7", "between 0 and 7"),
        ("slice_point: 0 slice_point: 2", "between 0 and 7"),
    ],
)
def test_slices_that_do_not_fit(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        shapes("Slice", text, (2, 7), tops=3)


@pytest.mark.parametrize(("kind", "text"), [("Flatten", ""), ("Reshape", "reshape_param { shape { dim: 6 } }")])
def test_another_shape_is_the_same_memory(kind: str, text: str) -> None:
    bottom, top = Blob((1, 2, 3)), Blob((6,))
    made(kind, text).reshape([bottom], [top])
    assert top.data_memory is bottom.data_memory
    assert top.diff_memory is bottom.diff_memory
