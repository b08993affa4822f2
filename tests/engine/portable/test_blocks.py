"""Images and filters in blocks of 16 channels, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.portable.loops.blocks import (
    add_filters,
    put_filters,
    put_images,
    put_phases,
    put_turned_filters,
    take_images,
)

RNG = np.random.default_rng(5)


def numbers(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def padded(x, axis, multiple=16):
    """With zeros behind the last, up to a multiple."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, -x.shape[axis] % multiple)
    return np.pad(x, widths)


@pytest.mark.parametrize(("channels", "places"), [(32, 40), (16, 16), (16, 5), (20, 33), (3, 50)])
def test_images_and_back(channels, places):
    x = numbers(2, channels, places)
    blocks = -(-channels // 16)
    image = np.full((2, blocks, places, 16), np.nan, np.float32)
    put_images(x, image)
    np.testing.assert_array_equal(image, padded(x, 1).reshape(2, blocks, 16, places).swapaxes(2, 3))
    y = np.full_like(x, np.nan)
    take_images(image, y)
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(("stride", "pad", "size"), [(4, (0, 0), (6, 5)), (2, (1, 3), (5, 7)), (3, (2, 0), (2, 3))])
def test_phases(stride, pad, size):
    """Cut off behind what windows see, or padded with zeros."""
    x = numbers(2, 3, 11, 13)
    whole = np.zeros((2, 3, size[0] * stride, size[1] * stride), np.float32)
    seen = whole[:, :, pad[0] :, pad[1] :][:, :, :11, :13]
    seen[...] = x[:, :, : seen.shape[2], : seen.shape[3]]
    phases = whole.reshape(2, 3, size[0], stride, size[1], stride).transpose(0, 1, 3, 5, 2, 4)
    expected = padded(phases.reshape(2, -1, *size), 1)
    image = np.full((2, expected.shape[1] // 16, *size, 16), np.nan, np.float32)
    put_phases(x, image, stride, pad)
    np.testing.assert_array_equal(image, expected.reshape(2, -1, 16, *size).transpose(0, 1, 3, 4, 2))


def in_blocks(w):
    """Filters (group, out, in, kh, kw) in blocks."""
    w = padded(padded(w, 1), 2)
    group, out, channels, *taps = w.shape
    return w.reshape(group, out // 16, 16, channels // 16, 16, *taps).transpose(0, 1, 3, 5, 6, 4, 2)


@pytest.mark.parametrize(("group", "out", "channels"), [(1, 20, 5), (2, 16, 32)])
def test_filters_and_back(group, out, channels):
    w = numbers(group, out, channels, 3, 3)
    blocked = np.full(in_blocks(w).shape, np.nan, np.float32)
    put_filters(w, blocked, 1)
    np.testing.assert_array_equal(blocked, in_blocks(w))
    total = np.ones_like(w)
    add_filters(blocked, total, 1)
    np.testing.assert_array_equal(total, 1 + w)
    turned = np.full(in_blocks(w.swapaxes(1, 2)).shape, np.nan, np.float32)
    put_turned_filters(w, turned)
    np.testing.assert_array_equal(turned, in_blocks(w.swapaxes(1, 2)))


def test_filters_of_phases_and_back():
    w = numbers(1, 18, 3, 11, 11)
    whole = np.pad(w, ((0, 0), (0, 0), (0, 0), (0, 1), (0, 1))).reshape(1, 18, 3, 3, 4, 3, 4)
    expected = in_blocks(whole.transpose(0, 1, 2, 4, 6, 3, 5).reshape(1, 18, 48, 3, 3))
    blocked = np.full(expected.shape, np.nan, np.float32)
    put_filters(w, blocked, 4)
    np.testing.assert_array_equal(blocked, expected)
    total = np.ones_like(w)
    add_filters(blocked, total, 4)
    np.testing.assert_array_equal(total, 1 + w)
