"""Windows that may hold objects: those of shapes that are there, among not too many others."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk import io
from caffe_sdk.errors import ArgumentError
from caffe_sdk.selective_search import _segment, _spanning_tree, selective_search, to_hsv, to_lab


def overlap(windows: Any, box: tuple[int, int, int, int]) -> float:
    """The best intersection over union of windows and a box."""
    wanted = np.array(box)
    sides = np.minimum(windows[:, 2:], wanted[2:]) - np.maximum(windows[:, :2], wanted[:2])
    both = np.prod(np.clip(sides, 0, None), axis=1)
    areas = np.prod(windows[:, 2:] - windows[:, :2], axis=1) + np.prod(wanted[2:] - wanted[:2])
    return float((both / (areas - both)).max())


def scene(rng: np.random.Generator) -> Any:
    """A red box and, upon it, a blue one; a striped box that is grey on the average; all on grey, with noise."""
    image = np.full((120, 160, 3), 0.5, np.float32)
    image[20:100, 10:80] = [0.9, 0.1, 0.1]
    image[40:70, 30:60] = [0.1, 0.1, 0.9]
    image[30:90, 100:150] = np.where(np.arange(50) % 4 < 2, 0.2, 0.8)[None, :, None]
    return np.clip(image + rng.normal(size=image.shape) * 0.02, 0, 1)


def test_shapes_are_found(rng: np.random.Generator) -> None:
    windows = selective_search(scene(rng), 160)
    assert windows.dtype == np.int64
    assert tuple(windows[0]) == (0, 0, 120, 160)
    for box in [(20, 10, 100, 80), (40, 30, 70, 60), (30, 100, 90, 150)]:
        assert overlap(windows, box) > 0.85
    assert len(windows) == len({tuple(window) for window in windows.tolist()}) < 300
    areas = np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    assert (np.diff(areas) <= 0).all()
    assert (windows[:, 2:] - windows[:, :2] >= 20).all()


def test_windows_are_in_pixels_of_the_image(rng: np.random.Generator) -> None:
    large = np.repeat(np.repeat(scene(rng), 3, axis=0), 3, axis=1)
    windows = selective_search(large, 160)
    assert tuple(windows[0]) == (0, 0, 360, 480)
    assert overlap(windows, (60, 30, 300, 240)) > 0.85


def test_a_photo(shared: Path) -> None:
    """A man on a bicycle that looks like a fish: both, and a wheel."""
    windows = selective_search(io.load_image(shared / "models" / "fish-bike.jpg"), 240)
    for box in [(8, 205, 155, 345), (75, 8, 250, 468), (215, 137, 297, 227)]:
        assert overlap(windows, box) > 0.75


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (200, 2, 3), (30, 30, 3)])
def test_images_of_one_colour_and_odd_shapes(shape: tuple[int, ...]) -> None:
    windows = selective_search(np.full(shape, 0.3), 40)
    assert windows.tolist() == [[0, 0, shape[0], shape[1]]]


def test_other_arrays_are_errors() -> None:
    for shape in [(3, 3), (3, 3, 1), (0, 3, 3)]:
        with pytest.raises(ArgumentError, match="selective_search: an image of shape"):
            selective_search(np.zeros(shape))


def test_colours(rng: np.random.Generator) -> None:
    colors = np.concatenate([rng.random((20, 3)), np.eye(3), np.zeros((1, 3)), np.ones((1, 3))])
    expected = [colorsys.rgb_to_hsv(*color) for color in colors.tolist()]
    np.testing.assert_allclose(to_hsv(colors), expected, atol=1e-12)
    white, red = to_lab(np.array([[1.0, 1, 1], [1, 0, 0]])) * [100, 255, 255] - [0, 128, 128]
    np.testing.assert_allclose(white, [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(red, [53.24, 80.09, 67.20], atol=0.02)


def test_regions_grow_with_their_scale(rng: np.random.Generator) -> None:
    image = to_lab(scene(rng))
    tree = _spanning_tree(image)
    counts = [len(np.unique(_segment(tree, 120 * 160, scale))) for scale in (10, 50, 400)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 3
