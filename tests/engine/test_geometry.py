"""Windows over space: how many there are and where they lie."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation", "size", "out"),
    [
        ((3, 3), (1, 1), (0, 0), (1, 1), (6, 5), (4, 3)),
        ((5, 5), (1, 1), (0, 0), (1, 1), (28, 28), (24, 24)),
        ((11, 11), (4, 4), (0, 0), (1, 1), (227, 227), (55, 55)),
        ((3, 3), (2, 2), (1, 1), (1, 1), (7, 6), (4, 3)),
        ((3, 3), (1, 1), (2, 2), (2, 2), (9, 8), (9, 8)),
        ((3,), (2,), (1,), (1,), (9,), (5,)),
        ((), (), (), (), (), ()),
        ((11, 11), (1, 1), (0, 0), (1, 1), (5, 5), (-5, -5)),
    ],
)
def test_convolution_sizes(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
    size: tuple[int, ...],
    out: tuple[int, ...],
) -> None:
    assert ConvolutionGeometry(kernel, stride, pad, dilation).output_size(size) == out


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_deconvolution_turns_convolution_round(stride: int, dilation: int) -> None:
    geometry = ConvolutionGeometry((3, 3), (stride, stride), (1, 1), (dilation, dilation))
    large = geometry.input_size((4, 6))
    assert geometry.output_size(large) == (4, 6)
    assert geometry.output_size(tuple(n - 1 for n in large)) == (3, 5)


def pooling(kernel: int, stride: int, pad: int, ceil: bool = True) -> PoolingGeometry:
    return PoolingGeometry((kernel,) * 2, (stride,) * 2, (pad,) * 2, ceil)


@pytest.mark.parametrize(
    ("geometry", "size", "out"),
    [
        (pooling(2, 2, 0), 24, 12),
        (pooling(3, 2, 0), 55, 27),
        (pooling(3, 2, 0), 6, 3),
        (pooling(3, 2, 0, ceil=False), 6, 2),
        (pooling(3, 2, 1), 112, 57),
        (pooling(3, 2, 1, ceil=False), 8, 4),
        (pooling(2, 3, 1), 5, 2),
        (pooling(3, 2, 0), 2, 1),
        (pooling(5, 1, 0), 2, -2),
    ],
)
def test_pooling_sizes(geometry: PoolingGeometry, size: int, out: int) -> None:
    assert geometry.output_size((size, size)) == (out, out)


def test_padding_along_one_axis_drops_the_last_window_along_both() -> None:
    """As in Caffe, where either padding makes both axes look whether the last window starts inside."""
    assert PoolingGeometry((1, 3), (2, 2), (0, 1)).output_size((4, 5)) == (2, 3)
    assert PoolingGeometry((1, 3), (2, 2), (0, 0)).output_size((4, 5)) == (3, 2)


def test_windows_are_clipped_to_the_image_but_divided_with_padding() -> None:
    geometry = pooling(3, 2, 1)
    assert [geometry.window(i, 6, 0) for i in range(4)] == [(0, 2, 3), (1, 4, 3), (3, 6, 3), (5, 6, 2)]


@pytest.mark.parametrize(
    ("geometry", "size", "clipped"),
    [
        (pooling(3, 2, 1), (6, 8), pooling(3, 2, 1)),
        (pooling(2**31, 2**31, 0), (6, 8), PoolingGeometry((6, 8), (6, 8), (0, 0))),
        (pooling(50, 60, 2), (6, 0), PoolingGeometry((10, 4), (10, 4), (2, 2))),
    ],
)
def test_clipped_windows_see_and_divide_alike(
    geometry: PoolingGeometry, size: tuple[int, int], clipped: PoolingGeometry
) -> None:
    assert geometry.clipped(size) == clipped
    for axis in (0, 1):
        for index in range(2):
            start, end, divisor = geometry.window(index, size[axis], axis)
            seen, to, by = clipped.window(index, size[axis], axis)
            assert range(seen, to) == range(start, end)
            assert by == divisor or start >= end
