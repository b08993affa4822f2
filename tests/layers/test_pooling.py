"""Pooling: Caffe's ways to say its windows, and its checks."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("kernel_size: 2 stride: 2", (4, 4)),
        ("kernel_size: 3 stride: 2", (4, 3)),
        ("kernel_size: 3 stride: 2 round_mode: FLOOR", (3, 3)),
        ("kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 1", (7, 4)),
        ("global_pooling: true", (1, 1)),
        ("pool: AVE global_pooling: true", (1, 1)),
    ],
)
def test_shapes(text: str, out: Shape) -> None:
    assert made("Pooling", f"pooling_param {{ {text} }}").shapes([(2, 3, 8, 7)]) == [(2, 3, *out)]


def test_mask_is_as_large_as_the_maxima() -> None:
    layer = made("Pooling", "pooling_param { kernel_size: 2 stride: 2 }", tops=2)
    assert layer.shapes([(2, 3, 8, 8)]) == [(2, 3, 4, 4)] * 2


@pytest.mark.parametrize(
    ("text", "tops", "words"),
    [
        ("", 1, "has no kernel_size; give kernel_size, or kernel_h and kernel_w"),
        ("kernel_h: 2", 1, "has kernel_h; give kernel_size, or"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", 1, "has kernel_size and kernel_h and kernel_w"),
        ("kernel_size: 0", 1, r"kernel \(0, 0\)"),
        ("kernel_size: 2 stride: 0", 1, r"stride \(0, 0\)"),
        ("kernel_size: 2 stride: 2 stride_h: 2 stride_w: 2", 1, "has stride and stride_h and stride_w"),
        ("kernel_size: 2 stride_h: 2", 1, "has stride_h; give stride, or stride_h and stride_w"),
        ("kernel_size: 2 pad_w: 1", 1, "has pad_w; give pad, or pad_h and pad_w"),
        ("kernel_size: 2 pad: 2", 1, r"pad \(2, 2\) with kernel \(2, 2\)"),
        ("global_pooling: true kernel_size: 2", 1, "global_pooling beside kernel_size"),
        ("global_pooling: true pad: 1", 1, r"global_pooling with pad \(1, 1\) and stride \(1, 1\)"),
        ("global_pooling: true stride: 2", 1, "global_pooling with pad"),
        ("pool: STOCHASTIC kernel_size: 2", 2, "pool: STOCHASTIC has no mask for a second top"),
        ("pool: AVE kernel_size: 2", 2, "pool: AVE has no mask for a second top"),
    ],
)
def test_parameters_that_make_no_sense(text: str, tops: int, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \(Pooling\): {words}"):
        made("Pooling", f"pooling_param {{ {text} }}", tops=tops)


@pytest.mark.parametrize(
    ("text", "shape", "words"),
    [
        ("kernel_size: 2", (2, 3, 8), r"input \(2, 3, 8\) has 3 axes"),
        ("kernel_size: 9", (2, 3, 4, 4), r"kernel \(9, 9\) does not fit input \(4, 4\) with pad \(0, 0\)"),
        ("global_pooling: true", (2, 3, 0, 4), r"kernel \(0, 4\) does not fit"),
    ],
)
def test_shapes_that_do_not_fit(text: str, shape: Shape, words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \(Pooling\): {words}"):
        made("Pooling", f"pooling_param {{ {text} }}").shapes([shape])


# -- SPP ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("levels", "top"), [(1, (2, 3, 1, 1)), (2, (2, 15)), (3, (2, 63))])
def test_pyramids(levels: int, top: Shape) -> None:
    assert made("SPP", f"spp_param {{ pyramid_height: {levels} }}").shapes([(2, 3, 8, 9)]) == [top]


def test_pyramids_that_do_not_fit() -> None:
    with pytest.raises(LayerError, match="pyramid_height: 0"):
        made("SPP")
    with pytest.raises(ShapeError, match=r"input \(3, 3\) does not divide into 4 by 4 windows"):
        made("SPP", "spp_param { pyramid_height: 4 }").shapes([(1, 1, 3, 3)])
    with pytest.raises(ShapeError, match="has 2 axes"):
        made("SPP", "spp_param { pyramid_height: 1 }").shapes([(1, 3)])
    with pytest.raises(ShapeError, match="has no places"):
        made("SPP", "spp_param { pyramid_height: 1 }").shapes([(1, 3, 0, 4)])
