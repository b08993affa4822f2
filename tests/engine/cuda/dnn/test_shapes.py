"""What cuDNN is asked for, in numbers."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda.dnn.shapes import Convolved, DataType, Layout, convolved
from caffe_sdk.engine.geometry import ConvolutionGeometry


def test_axes_before_the_channels_are_one_batch():
    geometry = ConvolutionGeometry((3, 2), (2, 1), (1, 0), (1, 1), 2, axis=2)
    assert convolved((5, 4, 6, 9, 8), 4, geometry) == Convolved(
        (20, 6, 9, 8), (4, 3, 3, 2), (20, 4, 5, 7), (1, 0), (2, 1), (1, 1), 2
    )


def test_one_spatial_axis_lies_in_a_plane():
    line = convolved((2, 3, 9), 4, ConvolutionGeometry((3,), (2,), (1,), (1,)))
    plane = line.in_a_plane()
    assert (plane.x, plane.w, plane.y) == ((2, 3, 1, 9), (4, 3, 1, 3), (2, 4, 1, 5))
    assert (plane.pad, plane.stride, plane.dilation) == ((0, 1), (1, 2), (1, 1))
    assert plane.in_a_plane() is plane


@pytest.mark.parametrize(
    ("shape", "axes", "usual"),
    [((2, 3, 9), 1, True), ((2, 3, 9, 9, 9), 3, True), ((0, 3, 9), 1, False), ((2, 3, *(4,) * 4), 4, False)],
)
def test_what_cudnn_is_not_asked_for(shape, axes, usual):
    ones = (1,) * axes
    assert convolved(shape, 4, ConvolutionGeometry((2,) * axes, ones, (0,) * axes, ones)).usual is usual


def test_values_have_bytes():
    assert [kind.nbytes for kind in DataType] == [4, 2, 2]
    assert list(Layout) == [0, 1]
