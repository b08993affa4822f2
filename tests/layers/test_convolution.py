"""Convolution: Caffe's ways to say a geometry, and its checks. Numbers are in tests/cases and tests/golden."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


def shapes(text: str, *bottoms: Shape) -> list[Shape]:
    layer = made("Convolution", f"convolution_param {{ {text} }}", len(bottoms), len(bottoms))
    return layer.shapes(bottoms)


def test_shapes_and_parameters() -> None:
    layer = made("Convolution", "convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 pad_w: 2 group: 2 }")
    assert layer.shapes([(4, 6, 10, 10)]) == [(4, 8, 8, 10)]
    assert [p.shape for p in layer.parameters([(4, 6, 10, 10)])] == [(8, 3, 3, 5), (8,)]
    no_bias = made("Convolution", "convolution_param { num_output: 8 kernel_size: 1 bias_term: false }")
    assert [p.shape for p in no_bias.parameters([(4, 6, 10, 10)])] == [(8, 6, 1, 1)]


def test_any_number_of_spatial_axes() -> None:
    assert shapes("num_output: 2 kernel_size: 3", (1, 3, 9)) == [(1, 2, 7)]
    assert shapes("num_output: 2 kernel_size: 3 stride: 1 stride: 2 stride: 3", (1, 3, 9, 9, 9)) == [(1, 2, 7, 4, 3)]
    assert shapes("num_output: 2 kernel_size: 3 axis: 2", (5, 4, 3, 9, 9)) == [(5, 4, 2, 7, 7)]
    assert shapes("num_output: 2", (4, 3)) == [(4, 2)]


def test_several_bottoms_of_one_shape() -> None:
    assert shapes("num_output: 2 kernel_size: 1", (1, 3, 4, 4), (1, 3, 4, 4)) == [(1, 2, 4, 4)] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("num_output: 0 kernel_size: 3", "num_output: 0"),
        ("kernel_size: 3", "num_output: 0; give num_output: 1 or more"),
        ("num_output: 4 kernel_size: 3 group: 0", "group: 0"),
        ("num_output: 4 kernel_size: 3 group: 3", "num_output: 4 with group: 3"),
        ("num_output: 4 kernel_size: 3 group: 2", "3 input channels in 2 groups"),
        ("num_output: 4", "has no kernel_size for 2 spatial axes"),
        ("num_output: 4 kernel_size: 0", r"kernel_size \(0, 0\); give 1 or more"),
        ("num_output: 4 kernel_h: 3", r"kernel_size \(3, 0\); give 1 or more"),
        ("num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 3", "kernel_size is given beside kernel_h and kernel_w"),
        ("num_output: 4 kernel_size: 3 stride: 0", r"stride \(0, 0\)"),
        ("num_output: 4 kernel_size: 3 dilation: 0", r"dilation \(0, 0\)"),
        ("num_output: 4 kernel_size: 3 pad: 1 pad: 1 pad: 1", "pad is given 3 times for 2 spatial axes"),
        ("num_output: 4 kernel_size: 3 stride: 1 stride_h: 1 stride_w: 1", "stride is given beside stride_h"),
    ],
)
def test_parameters_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \(Convolution\): .*{words}"):
        shapes(text, (2, 3, 8, 8))


def test_height_and_width_need_two_spatial_axes() -> None:
    with pytest.raises(LayerError, match="kernel_h and kernel_w for 3 spatial axes"):
        shapes("num_output: 4 kernel_h: 3 kernel_w: 3", (2, 3, 8, 8, 8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kernel_size: 11", r"kernel \(11, 11\) does not fit input \(5, 5\) with pad \(0, 0\)"),
        (
            "kernel_size: 3 dilation: 4 pad: 1",
            r"kernel \(3, 3\) dilated \(4, 4\) does not fit input \(5, 5\) with pad \(1",
        ),
        ("kernel_size: 3 axis: 4", "axis 4 is not one of 4 axes"),
    ],
)
def test_shapes_that_do_not_fit(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \(Convolution\): {words}"):
        shapes(f"num_output: 1 {text}", (2, 3, 5, 5))


def test_bottoms_must_be_alike() -> None:
    with pytest.raises(ShapeError, match=r"bottom 1 has shape \(1, 3, 5, 4\), bottom 0 \(1, 3, 4, 4\)"):
        shapes("num_output: 2 kernel_size: 1", (1, 3, 4, 4), (1, 3, 5, 4))


# -- Deconvolution and Im2col ------------------------------------------------------------------------------------------


def test_deconvolution_shapes() -> None:
    layer = made("Deconvolution", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 2 }")
    assert layer.shapes([(2, 6, 5, 7)]) == [(2, 4, 10, 14)]
    assert [p.shape for p in layer.parameters([(2, 6, 5, 7)])] == [(6, 2, 4, 4), (4,)]


def test_deconvolution_of_which_nothing_is_left() -> None:
    layer = made("Deconvolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 2 }")
    with pytest.raises(ShapeError, match=r"pad \(2, 2\) leaves nothing of input \(2, 9\) with kernel \(3, 3\)"):
        layer.shapes([(1, 3, 2, 9)])


def test_columns() -> None:
    layer = made("Im2col", "convolution_param { kernel_size: 3 stride: 2 }")
    assert layer.shapes([(2, 3, 7, 5)]) == [(2, 27, 3, 2)]
    with pytest.raises(ShapeError, match=r"kernel \(3, 3\) does not fit input \(2, 5\)"):
        layer.shapes([(2, 3, 2, 5)])
