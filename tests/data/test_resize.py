"""Resizing to OpenCV's bits."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.data.resize import resize

IMAGE = np.array([[[0, 10, 200, 255], [7, 99, 33, 180], [250, 1, 128, 64]]], np.uint8)


@pytest.mark.parametrize(
    "expected",
    [  # what cv2.resize of OpenCV 4.11 gives
        [[5, 227], [24, 179], [53, 107], [96, 100], [125, 96]],
        [[0, 7, 105, 216, 255], [7, 71, 66, 77, 180], [250, 76, 65, 109, 64]],
        [[2, 17, 53, 137, 197, 236], [189, 107, 39, 91, 99, 93]],
    ],
)
def test_numbers_of_opencv(expected: list[list[int]]) -> None:
    assert resize(IMAGE, len(expected), len(expected[0]))[0].tolist() == expected


def test_same_size_is_the_same_image() -> None:
    assert resize(IMAGE, 3, 4) is IMAGE


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (50, 3)])
def test_one_colour_stays(size: tuple[int, int]) -> None:
    image = np.broadcast_to(np.array([3, 200, 255], np.uint8)[:, None, None], (3, 5, 6))
    np.testing.assert_array_equal(resize(image, *size), np.broadcast_to(image[:, :1, :1], (3, *size)))
