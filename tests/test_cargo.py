"""Goods of a batch: images that are still bytes, and what is to become of them."""

from __future__ import annotations

import numpy as np

from caffe_sdk.cargo import LEFT, MIRRORED, TOGETHER, TOP, Images


def test_images_know_their_size_however_they_lie():
    mean, scale = np.zeros(3, np.float32), np.float32(1)
    for shape, together in (((3, 5, 4), 0), ((5, 4, 3), 1)):
        places = np.array([[0, 0, 0, together]], np.int32)
        assert Images([np.zeros(shape, np.uint8)], places, mean, scale, (1, 3, 2, 2)).size == (5, 4)


def test_the_columns_of_places():
    assert sorted((TOP, LEFT, MIRRORED, TOGETHER)) == [0, 1, 2, 3]
